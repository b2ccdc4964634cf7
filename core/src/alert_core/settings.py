"""What every target has, read from its transport, whatever object that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self, TypeVar

import attrs

from alert_core.alert import Severity
from alert_core.errors import Fault
from alert_core.rate import Rate
from alert_core.redaction import redact
from alert_core.retry import RetryPolicy

_T = TypeVar("_T")


@attrs.frozen
class Settings:
    """The options `timeout`, `concurrency`, `retry`, `rate` and `min_severity`, and the recipients."""

    timeout: float
    concurrency: int
    retry: RetryPolicy | None
    rate: Rate | None
    limit: Rate | None
    """The rate that the target itself sets, and not its provider: a queue that keeps state sums up what is over it."""
    min_severity: Severity
    recipients: tuple[str | None, ...]

    @classmethod
    def of(cls, transport: Any) -> tuple[Self | None, list[Fault]]:
        """Those of a transport, an object that may have none of them; or every one that is wrong."""
        faults: list[Fault] = []

        def read(name: str, default: Any, convert: Callable[[Any], _T]) -> _T | None:
            try:
                return convert(getattr(transport, name, default))
            except Exception as error:  # noqa: BLE001 - the object is anybody's
                faults.append(Fault(name, str(redact(str(error))) or type(error).__name__))
                return None

        found = [
            read("timeout", 4.0, _seconds),
            read("concurrency", 4, _count),
            read("retry", None, _policy),
            read("rate", None, lambda given: _rate(transport, given)),
            read("rate", None, lambda given: Rate.parse(given) if given and not faults else None),
            read("min_severity", Severity.INFO, Severity),
            read("recipients_option", None, lambda option: _recipients(transport, option)),
        ]
        return (None if faults else cls(*found)), faults  # type: ignore[arg-type]  # None stands for a fault


def _seconds(value: Any) -> float:
    if not 0 < float(value) < float("inf"):
        raise ValueError("must be seconds: more than 0, and finite")
    return float(value)


def _count(value: Any) -> int:
    if int(value) != value or value < 1:
        raise ValueError("must be a whole number, 1 or more")
    return int(value)


def _policy(value: Any) -> RetryPolicy | None:
    if value is None or isinstance(value, RetryPolicy):
        return value
    if not isinstance(value, Mapping):
        raise TypeError("must be a RetryPolicy, or a mapping of its fields")
    return RetryPolicy(**value)


def _rate(transport: Any, given: str | None) -> Rate | None:
    """The rate that the target sets, or its provider's own where the endpoint is not on this machine."""
    if given is None and not getattr(transport, "is_loopback", lambda: True)():
        given = getattr(transport, "provider_rate", None)
    return Rate.parse(given) if given else None


def _recipients(transport: Any, option: str | None) -> tuple[str | None, ...]:
    """To whom the transport delivers one call each; `(None,)` where it takes no recipient."""
    if not option:
        return (None,)
    value = getattr(transport, option)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise TypeError(f"{option} must list the recipients")
    if not (recipients := tuple(value)):
        raise ValueError(f"{option} names no recipient")
    return recipients
