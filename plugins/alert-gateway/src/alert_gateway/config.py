"""The gateway's tables of alerts.toml: `[gateway]`, `[sources.NAME]`, `[heartbeats.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import attrs

from alert_core import Secret, Severity
from alert_core.queues import parse_duration

PORT: Final = 8224
"""Where `alertctl serve` listens, unless it is told otherwise."""


def _duration(value: object) -> float:
    """Seconds, as a number or as `"24h"`.

    Raises:
        ValueError: it is neither, or not more than 0.
    """
    seconds = parse_duration(value)
    if not seconds:
        raise ValueError("must be more than 0")
    return seconds


@attrs.frozen
class Rate:
    """So many alerts in so many seconds."""

    count: int
    seconds: float

    @classmethod
    def read(cls, value: object) -> Rate:
        """Read `"100/1m"`: a hundred in a minute; a missing number is 1.

        Raises:
            ValueError: it is of another form.
        """
        if isinstance(value, cls):
            return value
        count, _, time = value.partition("/") if isinstance(value, str) else ("", "", "")
        time = time.strip()
        if not (count.strip().isascii() and count.strip().isdigit() and int(count) and time):
            raise ValueError('must be a count and a time, as "100/1m"')
        return cls(int(count), _duration(time if time[0].isdigit() else f"1{time}"))


def _tokens(value: object) -> tuple[Secret, ...]:
    """One token, or a list of them.

    Raises:
        ValueError: one is no text, or empty.
    """
    given = value if isinstance(value, list | tuple) else [value]
    secrets = [
        one if isinstance(one, Secret) else Secret(one) if isinstance(one, str) and one else None for one in given
    ]
    if not all(secret and secret.reveal().strip() for secret in secrets):
        raise ValueError("must be a text that is not empty, or a list of such; leave it out for none")
    return tuple(filter(None, secrets))


Duration = Annotated[float, _duration]
Tokens = Annotated[Secret | tuple[Secret, ...], _tokens]
AnyRate = Annotated[Rate, Rate.read]


@attrs.frozen(kw_only=True)
class GatewayTable:
    """`[gateway]`.

    Attributes:
        token: what senders show, or two of them while one takes the other's place; none: loopback alone.
        page_token: what opens the status page, or two of them; none: the page is shown on loopback alone.
        rate: how many alerts of one source are told one by one, as `"100/1m"`; more are told together. None: all.
        answer_within: seconds, or as `"2s"`: a sender that would wait longer is told 503, and to come back. Senders
            give up, or unsubscribe (Sentry after 1 s).
        state: the SQLite file of heartbeats and what is told together, where the queue is not alert-outbox.
    """

    token: Tokens = ()
    page_token: Tokens = ()
    rate: AnyRate | None = None
    answer_within: Duration = 0.9
    state: str = "alert-gateway.db"


@attrs.frozen(kw_only=True)
class SourceTable:
    """`[sources.NAME]`: how requests to `POST /alerts/NAME` are proved and read.

    Attributes:
        type: the format, where NAME is not that of one: so there can be two of a format, each with its own token.
        token: what the sender shows, or two of them while one takes the other's place; it replaces `[gateway] token`.
        secret: the key of the sender's signatures (Grafana, Sentry, GitHub); a request without one is refused.
        verify: whether a signature that needs no secret of ours (SNS) is checked.
        topics: of SNS: the ARNs of the topics that may post; a subscription is confirmed for these alone.
        severities: of SNS: from the name of an alarm, in which `*` and `?` may stand for any, to its severity.
        default_severity: for a word that no rule folds, or none at all; default: the source's own.
        fields: of `generic`: from a field of the alert to the path of its value in the body.
        rate: of this source, instead of `[gateway] rate`.
    """

    type: str | None = None
    token: Tokens = ()
    secret: Secret | None = None
    verify: bool = True
    topics: tuple[str, ...] = ()
    severities: Mapping[str, Severity] = attrs.field(factory=dict)
    default_severity: Severity | None = None
    fields: Mapping[str, str] = attrs.field(factory=dict)
    rate: AnyRate | None = None


@attrs.frozen(kw_only=True)
class HeartbeatTable:
    """`[heartbeats.NAME]`: what is to be heard of at `POST /heartbeat/NAME`.

    Attributes:
        every: how often, as `"24h"` or seconds.
        grace: how much later is still in time; default: a tenth of `every`, at most an hour.
        severity: of the alert where it stays away.
        targets: who hears of it; default: the routes decide.
    """

    every: Duration
    grace: Duration | None = None
    severity: Severity = Severity.ERROR
    targets: tuple[str, ...] = ()

    @property
    def patience(self) -> float:
        """Seconds after which it is missed."""
        return self.every + (min(self.every / 10, 3600.0) if self.grace is None else self.grace)
