"""The dispatcher of alert-infra: every transport once, in order, in the thread of the caller.

So an old transport finds what is bound to that thread, as a database transaction or the language of a request. What
alert-core's own dispatcher does beyond, as retries and a lane for each target, is there by its own name.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from alert_core import DeliveryError, PermanentDeliveryError
from alert_infra.alert import Alert
from alert_infra.exceptions import AlertConfigurationError, AlertDeliveryError

logger = logging.getLogger(__name__)


@runtime_checkable
class AlertTransport(Protocol):
    """What a dispatcher sends to: any object with these two."""

    name: str

    def send(self, alert: Alert) -> object:
        """Deliver, or raise; what is returned is ignored."""


@dataclass(frozen=True)
class DeliveryResult:
    """What became of one alert.

    Attributes:
        sent: names of the transports that delivered it, in their order.
        failed: of each that did not, the class name of what it raised.
        retryable: those of `failed` that may be tried again.
        non_retryable: the others of `failed`.
    """

    sent: tuple[str, ...] = field(default_factory=tuple)
    failed: dict[str, str] = field(default_factory=dict)
    retryable: tuple[str, ...] = field(default_factory=tuple)
    non_retryable: tuple[str, ...] = field(default_factory=tuple)

    @property
    def ok(self) -> bool:
        """Nothing failed."""
        return not self.failed


class NoOpTransport:
    """Keep alerts in `alerts`, and send them nowhere."""

    name = "noop"

    def __init__(self) -> None:
        self.alerts: list[Alert] = []

    def send(self, alert: Alert) -> None:
        """Append the alert."""
        self.alerts.append(alert)


class UnknownTransportError(AlertConfigurationError):
    """A name in `transport_names` is no transport's. The transports of the other names were tried.

    Attributes:
        result: what became of the alert; the unknown names have failed, and are not retryable.
    """

    result: DeliveryResult


def is_retryable_exception(exc: BaseException) -> bool:
    """Whether another try may help: after a failed delivery that is not permanent, after a fault of the network."""
    return not isinstance(exc, PermanentDeliveryError) and isinstance(exc, DeliveryError | OSError)


class AlertDispatcher:
    """Send an alert to several transports; the failure of one costs no other.

    Args:
        transports: objects with `name` and `send(alert)`.
        enabled: False: nothing is sent, the result is empty.
        raise_on_failure: raise, after all were tried, where any failed.
        logger_: takes the names of what failed; default: `alert_infra.transports`.
    """

    def __init__(
        self,
        transports: Sequence[AlertTransport] | None = None,
        *,
        enabled: bool = True,
        raise_on_failure: bool = False,
        logger_: logging.Logger | None = None,
    ) -> None:
        self.transports = list(transports or [])
        self.enabled = enabled
        self.raise_on_failure = raise_on_failure
        self.logger = logger_ or logger

    def send(self, alert: Alert, transport_names: Sequence[str] | None = None) -> DeliveryResult:
        """Make one attempt with each transport, or with each of those named.

        Raises:
            UnknownTransportError: a name in `transport_names` is no transport's; the others were tried.
            AlertDeliveryError: with `raise_on_failure`.
        """
        if not self.enabled:
            self.logger.debug("alert dispatch skipped because alerting is disabled")
            return DeliveryResult()
        sent: list[str] = []
        failed: dict[str, str] = {}
        retryable: list[str] = []
        non_retryable: list[str] = []
        selected, unknown = self._selected(transport_names)
        for name, transport in selected:
            try:
                transport.send(alert)
            except Exception as error:  # noqa: BLE001 - a transport may raise anything
                failed[name] = type(error).__name__
                (retryable if is_retryable_exception(error) else non_retryable).append(name)
                self.logger.warning("alert transport %s failed: %s", name, failed[name])
            else:
                sent.append(name)
        if unknown:
            known = ", ".join(map(_name, self.transports)) or "none"
            fault = UnknownTransportError(f"no transport is named {', '.join(unknown)}; there are: {known}")
            failed |= dict.fromkeys(unknown, AlertConfigurationError.__name__)
            fault.result = DeliveryResult(tuple(sent), failed, tuple(retryable), (*non_retryable, *unknown))
            raise fault
        if failed and self.raise_on_failure:
            raise AlertDeliveryError(f"alert delivery failed for: {', '.join(failed)}")
        return DeliveryResult(tuple(sent), failed, tuple(retryable), tuple(non_retryable))

    def _selected(self, names: Sequence[str] | None) -> tuple[list[tuple[str, AlertTransport]], list[str]]:
        """The transports of these names, or all; and the names that none has."""
        named = [(_name(one), one) for one in self.transports]
        if not named:
            self.logger.warning("an alert is sent to nobody: the dispatcher has no transport")
        if not names:
            return named, []
        wanted = {names} if isinstance(names, str) else {*names}
        unknown = sorted(wanted.difference(name for name, _ in named))
        return [(name, one) for name, one in named if name in wanted], unknown


def _name(transport: AlertTransport) -> str:
    return getattr(transport, "name", type(transport).__name__)
