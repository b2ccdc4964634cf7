"""Slack's two ways in: an incoming webhook, which answers `ok`, and chat.postMessage, which answers JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    Status,
    UncertainDeliveryError,
    option,
)
from alert_core.http import HttpRequest, HttpResponse, HttpTransport, error_for, retry_after, secure_url
from alert_core.text import number
from alert_core.threads import Threads
from alert_slack.payload import message

_OK: Final = 200
_CODE: Final = re.compile(r"[a-z_]{1,64}")
_TRANSIENT: Final = frozenset(
    {"ratelimited", "rate_limited", "service_unavailable", "request_timeout", "team_added_to_org"}
)
_AMBIGUOUS: Final = frozenset({"internal_error", "fatal_error"})
"""Slack: "It's possible some aspect of the operation succeeded before the error was raised"."""
_NO_THREAD: Final = frozenset({"thread_not_found", "message_not_found", "cannot_reply_to_message"})
_NEW_WEBHOOK: Final = "make a new webhook"
_WEBHOOK_ADVICE: Final = {
    "action_prohibited": "ask an administrator of the workspace to allow it",
    "channel_is_archived": "make a webhook of another channel",
    "channel_not_found": _NEW_WEBHOOK,
    "invalid_token": _NEW_WEBHOOK,
    "no_active_hooks": _NEW_WEBHOOK,
    "no_service": _NEW_WEBHOOK,
    "no_team": _NEW_WEBHOOK,
    "posting_to_general_channel_denied": "make a webhook of another channel",
}
_INSTALL_AGAIN: Final = "install the app again for a new token"
_BOT_ADVICE: Final = {
    "account_inactive": _INSTALL_AGAIN,
    "channel_not_found": "use the channel's ID, and invite the app to a private channel",
    "invalid_auth": "check the token",
    "is_archived": "choose another channel",
    "missing_scope": "give the app the scope chat:write",
    "not_authed": "check the token",
    "not_in_channel": "invite the app to the channel",
    "restricted_action": "ask an administrator of the workspace to allow it",
    "token_expired": _INSTALL_AGAIN,
    "token_revoked": _INSTALL_AGAIN,
}


class SlackTransport(HttpTransport):
    """Post alerts to a Slack incoming webhook."""

    kind = "slack"
    url_option = "webhook_url"
    provider_rate = "5/5s"
    webhook_url: Secret = option(
        env="ALERT_SLACK_WEBHOOK_URL", validator=secure_url, help="the incoming webhook's URL; it is a credential"
    )

    def build_request(self, alert: Alert) -> HttpRequest:
        """The message, for the webhook's one channel."""
        return HttpRequest.json(self.webhook_url.reveal(), message(alert))

    def read_response(self, response: HttpResponse) -> Receipt:
        """Take the body `ok` for a yes, and nothing else. Slack gives no id."""
        if response.status == _OK and response.content == b"ok":
            return Receipt()
        raise UncertainDeliveryError("answered without Slack's ok", status=response.status)

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides; the body names the reason."""
        return _refusal(response, _WEBHOOK_ADVICE)


def _token(_: object, __: object, value: Secret) -> None:
    if not re.fullmatch(r"[\x21-\x7e]+", value.reveal()):
        raise ValueError("must be a bot's token (xoxb-…), without white space")


def _channel(_: object, __: object, value: str) -> None:
    if not re.fullmatch(r"\S+", value):
        raise ValueError("must be a channel's ID (C0123456789) or its #name, without white space")


class SlackBotTransport(HttpTransport):
    """Post alerts with a bot's token. An acknowledge or resolve joins its firing's thread, and the channel.

    Threads are remembered by dedup key while the process lives, the latest thousand of them.
    """

    kind = "slack-bot"
    provider_rate = "5/5s"
    token: Secret = option(
        env="ALERT_SLACK_BOT_TOKEN", validator=_token, help="the bot's token (xoxb-…), with the scope chat:write"
    )
    channel: str = option(env="ALERT_SLACK_CHANNEL", validator=_channel, help="the channel's ID (C0123456789) or #name")
    api_url: str = option(
        default="https://slack.com/api",
        env="ALERT_SLACK_BOT_API_URL",
        validator=secure_url,
        help="base URL of the Web API",
    )

    def __attrs_post_init__(self) -> None:
        """Start with no thread."""
        super().__attrs_post_init__()
        self._threads = Threads()

    def build_request(self, alert: Alert) -> HttpRequest:
        """The message, as a reply where the alert follows one of the same dedup key."""
        body: dict[str, Any] = {"channel": self.channel, **message(alert)}
        thread = self._threads.get(alert.dedup_key)
        if thread and alert.status is not Status.FIRING:
            body |= {"thread_ts": thread, "reply_broadcast": True}
        headers = {"Authorization": f"Bearer {self.token.reveal()}"}
        return HttpRequest.json(f"{self.api_url.rstrip('/')}/chat.postMessage", body, headers=headers)

    def send(self, alert: Alert) -> Receipt:
        """Post once; a second time, without a thread, only where Slack refused the message for its thread."""
        try:
            receipt = super().send(alert)
        except PermanentDeliveryError as error:
            replied = alert.status is not Status.FIRING and error.code in _NO_THREAD
            if not replied or not self._threads.forget(alert.dedup_key):
                raise
            receipt = super().send(alert)
        if alert.status is Status.FIRING and receipt.id:
            self._threads.remember(alert.dedup_key, receipt.id)
        elif alert.status is Status.RESOLVED:
            self._threads.forget(alert.dedup_key)
        return receipt

    def read_response(self, response: HttpResponse) -> Receipt:
        """`ok` in the body decides, whatever the status; the id is Slack's `ts`."""
        body = response.json()
        if body["ok"] is False:
            raise _refusal(response, _BOT_ADVICE)
        if body["ok"] is not True or not isinstance(body["ts"], str):
            raise ValueError("not Slack's answer")
        return Receipt(id=body["ts"], detail={"channel": str(body.get("channel", self.channel))})

    def read_error(self, response: HttpResponse) -> DeliveryError:
        """The status decides; the body names the reason."""
        return _refusal(response, _BOT_ADVICE)

    def _forget(self) -> None:
        super()._forget()
        self._threads.unlock()


def _refusal(response: HttpResponse, advice: Mapping[str, str]) -> DeliveryError:
    """What an answer without a yes means: by its status, or where that is 200 by Slack's code."""
    code, wait = _reason(response)
    by_status = error_for(response, code)
    kind, text = type(by_status), str(by_status)
    if response.status == _OK:
        kind, text = _kind(code), f"refused the message: {code}" if code else "refused the message"
    if code and code in advice:
        text += f"; {advice[code]}"
    if kind is not RetryableDeliveryError:
        wait = None
    elif (asked := retry_after(response.headers)) is not None:
        wait = asked
    return kind(text, status=response.status, code=code, retry_after=wait)


def _kind(code: str | None) -> type[DeliveryError]:
    if code in _TRANSIENT:
        return RetryableDeliveryError
    return UncertainDeliveryError if code in _AMBIGUOUS else PermanentDeliveryError


def _reason(response: HttpResponse) -> tuple[str | None, float | None]:
    """Slack's code and the seconds to wait: webhooks answer the code as text, all else is JSON.

    What does not look like a code is not quoted: it may be anything, even an echo of the request.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = response.text.strip()
    code, wait = (body.get("error"), body.get("retry_after")) if isinstance(body, dict) else (body, None)
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None, number(str(wait))
