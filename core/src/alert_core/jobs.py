"""One delivery under way, and who waits for its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from alert_core.alert import Alert
from alert_core.errors import DeliveryError
from alert_core.report import Delivery, Outcome
from alert_core.retry import RetryPolicy
from alert_core.transport import Receipt

if TYPE_CHECKING:
    from alert_core.lanes import Lane  # noqa: TC004 - which has jobs; attrs does not ask for the type


class Settles(Protocol):
    """Who waits for the end of a delivery: a ticket."""

    def settle(self, index: int, delivery: Delivery) -> None:
        """Take the end of one delivery."""
        ...


class Claim(Settles, Protocol):
    """One delivery that the worker of a durable queue has taken out, to make one attempt of it.

    Its lane calls `begin()`, makes the attempt, calls `record()`, tells the observers, and calls `settle()`: each once,
    in this order and in one thread. Where the attempt cannot be made after all, only `settle()` is called, with a
    delivery that is still `queued`.
    """

    def begin(self) -> bool:
        """Whether the attempt may be made now; false where another worker has the delivery meanwhile."""
        ...

    def record(self, delivery: Delivery, arrived: frozenset[tuple[str, str | None]]) -> bool:
        """Store what the attempt came to; whether it is tried again. Nothing is raised.

        `arrived` has, for a failover, the children (and recipients of theirs) that have the alert.
        """
        ...


@attrs.define(eq=False)
class Job:
    """One delivery under way. Its lane's lock guards what changes in it."""

    alert: Alert
    told: Alert
    """What observers see: the alert, masked even where the target gets it as it is."""
    lane: Lane
    ticket: Settles
    index: int
    recipient: str | None
    began: float
    deadline: float | None
    retry: RetryPolicy
    attempts: int = 0
    started: float | None = None
    error: DeliveryError | None = None
    result: Delivery | None = None
    budget: float | None = None
    """Seconds for its one attempt, where it is a failover's try of one child: then its end is not the alert's."""
    arrived: set[tuple[str, str | None]] = attrs.field(factory=set)
    """Of a failover: the children, and recipients of theirs, that have it already."""
    claim: Claim | None = None
    """Where a durable queue has it: then its one attempt is recorded there, and its end is not the alert's."""

    @property
    def key(self) -> tuple[str, str | None]:
        """Deliveries of one key are serial, so a resolve never overtakes its firing."""
        return self.alert.dedup_key, self.recipient

    def delivery(
        self, outcome: Outcome, *, receipt: Receipt | None = None, error: DeliveryError | None = None
    ) -> Delivery:
        """A record of how it stands."""
        return Delivery(
            target=self.lane.name,
            kind=self.lane.kind,
            recipient=self.recipient,
            outcome=outcome,
            attempts=self.attempts,
            receipt=receipt,
            error=error,
            elapsed=max(self.lane.clock.monotonic() - self.began, 0.0),
        )

    def queued(self) -> Delivery:
        """As it stands, for a report that changes nothing."""
        with self.lane.lock:
            return self.result or self.delivery(Outcome.QUEUED)

    def abandon(self) -> Delivery:
        """End it at the deadline: an attempt that runs goes on, but is not repeated."""
        return self.lane.abandon(self)
