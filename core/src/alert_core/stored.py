"""The ticket of a dispatch that is in a durable queue, where another process may end its deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from alert_core.report import Delivery, DeliveryReport, Outcome, Ticket


@attrs.define(eq=False)
class Waiting:
    """A delivery in a queue, as its ticket sees it."""

    delivery: Delivery

    def is_of(self, other: Delivery) -> bool:
        """Whether that is a later record of this delivery."""
        return (self.delivery.target, self.delivery.recipient) == (other.target, other.recipient)

    def queued(self) -> Delivery:
        """As it stood when this process last heard of it."""
        return self.delivery

    abandon = queued  # the deadline is `send()`'s, not the queue's


class StoredTicket(Ticket):
    """Of a dispatch whose deliveries another process may end: whoever waits for it asks the store now and then."""

    look: Callable[[], Sequence[Delivery]] = staticmethod(tuple)
    """Asks the store; gives nothing where that is not possible."""
    is_told: Callable[[], bool] = staticmethod(lambda: True)
    """Whether a worker of this process looks, and tells this ticket."""
    _gathered: Mapping[int, float] = {}
    _waiting: Sequence[Waiting] = ()
    _attempted: Sequence[Delivery] = ()

    def keep(self, waiting: Sequence[Waiting], gathered: Mapping[int, float]) -> None:
        """Take what the queue has kept; a worker may have attempted some of it already."""
        with self._condition:
            self._waiting, self._gathered = waiting, gathered
            attempted, self._attempted = self._attempted, ()
        self.open(waiting)
        self.show(*attempted)

    def show(self, *attempted: Delivery) -> None:
        """How these deliveries stand, as a worker of this process knows."""
        with self._condition:
            if not self._waiting:
                self._attempted = (*self._attempted, *attempted)
            for delivery in attempted:
                for place, one in enumerate(self._waiting):
                    if place not in self._gathered and one.is_of(delivery):
                        one.delivery = delivery
            shown = [one.delivery for one in self._waiting]
        self._hold_if_gathered(shown)

    def found(self, deliveries: Sequence[Delivery]) -> bool:
        """How all of its deliveries stand, as the store says; whether they have ended."""
        ended = bool(deliveries) and not any(one.outcome is Outcome.QUEUED for one in deliveries)
        if ended:
            self.conclude(self._built(deliveries))
        else:
            self._hold_if_gathered(deliveries)
        return ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every delivery has ended, at most `timeout` seconds; whether all have, as far as the store says.

        Where it is known that they will not within that time, as with a digest of tomorrow, it returns at once. Where
        no worker runs in this process, the store is asked each second at first, then less and less often.
        """
        began = self._clock.monotonic()
        ends = float("inf") if timeout is None else began + timeout
        while not self.is_told():
            with self._condition:
                if not self._is_over(ends):
                    now = self._clock.monotonic()
                    self._clock.wait(self._condition, min(max(1.0, (now - began) / 4), ends - now))
            if self._finished or self.found(self.look()) or self._is_over(ends):
                return self._finished
        return super().wait(None if timeout is None else ends - self._clock.monotonic())

    def report(self, timeout: float | None = None) -> DeliveryReport:
        """The report after at most `timeout` seconds; of what is open then, as the store has it. It cancels nothing."""
        if not self.wait(timeout) and (found := self.look()) and not self.found(found):
            return self._built(found)
        return super().report(0)

    def hold_for(self, due: float) -> None:
        """What has not ended is told at `due` (`Clock.time()`)."""
        self.hold(self._clock.monotonic() + due - self._clock.time())

    def _hold_if_gathered(self, deliveries: Sequence[Delivery]) -> None:
        still = {place for place, one in enumerate(deliveries) if one.outcome is Outcome.QUEUED}
        if still and still <= self._gathered.keys():
            self.hold_for(max(self._gathered[place] for place in still))
