"""Every provider's API, one module each."""

from __future__ import annotations

from collections.abc import Callable

from alert_sandbox.exchange import Clock, Provider, utc_now
from alert_sandbox.providers.castbrick import CastBrick
from alert_sandbox.providers.pagerduty import PagerDuty
from alert_sandbox.providers.resend import Resend
from alert_sandbox.providers.sendgrid import SendGrid
from alert_sandbox.providers.slack import SlackApi, SlackWebhook
from alert_sandbox.providers.telegram import Telegram
from alert_sandbox.providers.twilio import Twilio
from alert_sandbox.providers.vonage import Vonage

PROVIDERS: tuple[type[Provider], ...] = (
    SlackWebhook,
    SlackApi,
    Telegram,
    Resend,
    SendGrid,
    PagerDuty,
    CastBrick,
    Twilio,
    Vonage,
)


def new_providers(clock: Clock = utc_now) -> list[Provider]:
    """One of each, remembering nothing."""
    make: Callable[[type[Provider]], Provider] = lambda kind: kind(clock)  # noqa: E731 - typed
    return [make(kind) for kind in PROVIDERS]
