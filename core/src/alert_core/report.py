"""What became of an alert: a delivery for each target and recipient, and the report of them all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Protocol

import attrs

from alert_core.clock import Clock
from alert_core.errors import DeliveryError, PermanentDeliveryError, RetryableDeliveryError
from alert_core.redaction import redact
from alert_core.transport import Receipt


class Outcome(StrEnum):
    """How a delivery ended, or stands."""

    DELIVERED = "delivered"
    RETRYABLE = "retryable"
    PERMANENT = "permanent"
    UNCERTAIN = "uncertain"
    QUEUED = "queued"
    DROPPED = "dropped"

    @classmethod
    def of(cls, error: DeliveryError) -> Outcome:
        """The outcome that an error stands for; a DeliveryError of none of the three kinds is uncertain."""
        if isinstance(error, PermanentDeliveryError):
            return cls.PERMANENT
        return cls.RETRYABLE if isinstance(error, RetryableDeliveryError) else cls.UNCERTAIN


@attrs.frozen(kw_only=True)
class Delivery:
    """One alert for one target, and for one recipient where its provider takes one a call.

    Attributes:
        target: the target's name.
        kind: the kind of its transport; of any other object, its class's name.
        recipient: the one recipient, or None.
        outcome: delivered, retryable, permanent, uncertain, queued or dropped.
        attempts: how often it was tried; 0 if it never left its lane.
        receipt: the provider's yes, where it was delivered.
        error: why not, where it was not; masked, without cause, context or traceback.
        elapsed: seconds from the call to the end of the delivery.
    """

    target: str
    kind: str
    recipient: str | None = None
    outcome: Outcome
    attempts: int = 0
    receipt: Receipt | None = None
    error: DeliveryError | None = None
    elapsed: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON types."""
        error = self.error and {
            "type": type(self.error).__name__,
            "message": str(self.error),
            "status": self.error.status,
            "code": self.error.code,
            "retry_after": self.error.retry_after,
        }
        receipt = self.receipt and redact(attrs.asdict(self.receipt, recurse=False))
        return attrs.asdict(self, recurse=False) | {
            "outcome": self.outcome.value,
            "elapsed": round(self.elapsed, 6),
            "error": error,
            "receipt": receipt,
        }


@attrs.frozen(kw_only=True)
class DeliveryReport:
    """What happened to one alert.

    Attributes:
        alert_id: the alert's id.
        deliveries: in the order of the targets.
        dropped: why the alert went to no target at all, or None.
        stored: a durable queue has it.
    """

    alert_id: str
    deliveries: tuple[Delivery, ...] = ()
    dropped: str | None = None
    stored: bool = False

    @property
    def ok(self) -> bool:
        """Nothing failed and nothing is uncertain. What is queued, or was silenced on purpose, is no failure."""
        return not self.failed

    @property
    def sent(self) -> tuple[str, ...]:
        """The targets that got the alert, with all their recipients."""
        others = {d.target for d in self.deliveries if d.outcome is not Outcome.DELIVERED}
        return tuple(name for name in self._names(Outcome.DELIVERED) if name not in others)

    @property
    def failed(self) -> Mapping[str, DeliveryError]:
        """Each target with a delivery that ended neither delivered nor queued, and the first such error."""
        failed: dict[str, DeliveryError] = {}
        for delivery in self.deliveries:
            if delivery.outcome not in (Outcome.DELIVERED, Outcome.QUEUED):
                failed.setdefault(delivery.target, delivery.error or DeliveryError(delivery.outcome.value))
        return failed

    @property
    def retryable(self) -> tuple[str, ...]:
        """The targets that surely did not get it, and may be tried again."""
        return self._names(Outcome.RETRYABLE)

    @property
    def permanent(self) -> tuple[str, ...]:
        """The targets that refused it."""
        return self._names(Outcome.PERMANENT)

    @property
    def uncertain(self) -> tuple[str, ...]:
        """The targets that may have got it."""
        return self._names(Outcome.UNCERTAIN)

    @property
    def queued(self) -> tuple[str, ...]:
        """The targets whose delivery is still open."""
        return self._names(Outcome.QUEUED)

    def raise_for_failures(self) -> None:
        """Raise the one error, or a DeliveryError whose `.errors` has all; return where there is none."""
        errors = [
            d.error or DeliveryError(f"{d.target}: {d.outcome}")
            for d in self.deliveries
            if d.outcome not in (Outcome.DELIVERED, Outcome.QUEUED)
        ]
        if len(errors) == 1:
            raise errors[0]
        if errors:
            summary = "; ".join(f"{target}: {error}" for target, error in self.failed.items())
            raise DeliveryError(f"{len(errors)} deliveries failed: {summary}", errors=errors)

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON types."""
        return {
            "alert_id": self.alert_id,
            "ok": self.ok,
            "dropped": self.dropped,
            "stored": self.stored,
            "deliveries": [delivery.to_dict() for delivery in self.deliveries],
        }

    def _names(self, outcome: Outcome) -> tuple[str, ...]:
        return tuple(dict.fromkeys(d.target for d in self.deliveries if d.outcome is outcome))


class Pending(Protocol):
    """A delivery that has not ended, as its ticket sees it."""

    def queued(self) -> Delivery:
        """How it stands."""
        ...

    def abandon(self) -> Delivery:
        """End it at the deadline: cancelled where it waits, left alone but not retried where it runs."""
        ...


class Ticket:
    """A dispatch under way, as `enqueue()` returns it."""

    def __init__(
        self,
        alert_id: str,
        *,
        clock: Clock,
        on_finished: Callable[[DeliveryReport], None],
        dropped: str | None = None,
        stored: bool = False,
    ) -> None:
        self.alert_id = alert_id
        self.dropped = dropped
        self.stored = stored
        self._clock = clock
        self._on_finished = on_finished
        self._condition = threading.Condition()
        self._pending: Sequence[Pending] = ()
        self._ended: dict[int, Delivery] = {}
        self._report: DeliveryReport | None = None
        self._finished = False
        self._held = float("-inf")
        self._callbacks: list[tuple[Callable[[], None], float]] = []

    def open(self, pending: Sequence[Pending]) -> None:
        """Take the deliveries of this dispatch, before any of them starts; with none, it has finished."""
        self._pending = pending
        if not pending:
            self._conclude(self._set_report())

    def conclude(self, report: DeliveryReport) -> None:
        """Take the report of a dispatch that a durable queue keeps; who tells the observers of it has done so."""
        with self._condition:
            self._report = self._report or report
        self._finish()

    def settle(self, index: int, delivery: Delivery) -> None:
        """Record the end of one delivery; the last one finishes the dispatch. Ignored after the deadline."""
        with self._condition:
            if self._report is not None:
                return
            self._ended[index] = delivery
            if len(self._ended) < len(self._pending):
                return
            report = self._set_report()
        self._conclude(report)

    def freeze(self) -> DeliveryReport:
        """The report as it is at the deadline: what is open is abandoned, and nothing changes it any more."""
        with self._condition:
            still = {} if self._report else {i: p for i, p in enumerate(self._pending) if i not in self._ended}
        abandoned = {index: pending.abandon() for index, pending in still.items()}
        with self._condition:
            if self._report is not None:
                return self._report
            self._ended = abandoned | self._ended
            report = self._set_report()
        self._conclude(report)
        return report

    def hold(self, until: float) -> None:
        """It will not finish before `until` (`Clock.monotonic()`): let go whoever would not wait for so long."""
        with self._condition:
            self._held = until
        self._wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every delivery has ended, at most `timeout` seconds; whether all have.

        Where it is known that they will not within that time, as with a digest of tomorrow, it returns at once.
        """
        ends = float("inf") if timeout is None else self._clock.monotonic() + timeout
        with self._condition:
            while not self._is_over(ends):
                self._clock.wait(self._condition, None if timeout is None else ends - self._clock.monotonic())
            return self._finished

    def report(self, timeout: float | None = None) -> DeliveryReport:
        """The report after at most `timeout` seconds. It cancels nothing; what is still open is `queued` in it."""
        self.wait(timeout)
        with self._condition:
            return self._report or self._built(
                [self._ended.get(i) or pending.queued() for i, pending in enumerate(self._pending)]
            )

    def on_finish(self, callback: Callable[[], None], ends: float = float("inf")) -> None:
        """Call this once the dispatch has finished, or is known not to before `ends` (`Clock.monotonic()`).

        It is called in the thread that brings that about, or at once.
        """
        with self._condition:
            if not self._is_known(ends):
                self._callbacks.append((callback, ends))
                return
        callback()

    def _is_known(self, ends: float) -> bool:
        """Whether it is known that it has finished, or will not before then."""
        return self._finished or ends < self._held

    def _is_over(self, ends: float) -> bool:
        """Whether whoever waits until then waits no longer."""
        return self._is_known(ends) or ends <= self._clock.monotonic()

    def _built(self, deliveries: Sequence[Delivery]) -> DeliveryReport:
        return DeliveryReport(
            alert_id=self.alert_id, deliveries=tuple(deliveries), dropped=self.dropped, stored=self.stored
        )

    def _set_report(self) -> DeliveryReport:
        self._report = self._built([self._ended[index] for index in range(len(self._pending))])
        return self._report

    def _conclude(self, report: DeliveryReport) -> None:
        try:
            self._on_finished(report)
        finally:
            self._finish()

    def _finish(self) -> None:
        with self._condition:
            self._finished = True
        self._wake()

    def _wake(self) -> None:
        with self._condition:
            self._clock.notify(self._condition, len(self._pending) + 1)
            called = [one for one in self._callbacks if self._is_known(one[1])]
            self._callbacks = [one for one in self._callbacks if one not in called]
        for callback, _ in called:
            callback()
