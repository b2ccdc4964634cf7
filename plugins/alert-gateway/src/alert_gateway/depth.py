"""How much waits, and for how long: read from the outbox, or counted where deliveries are in memory."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

from alert_core import Alert, Dispatcher, Ticket
from alert_core.queues import Clock
from alert_gateway.metrics import Labels

_OPEN: Final = ("waiting", "held", "gathered")


class Depth:
    """What of the dispatcher's deliveries is open.

    Args:
        dispatcher: with alert-outbox, that is asked; with no queue, the tickets are.
        clock: for ages.
    """

    def __init__(self, dispatcher: Dispatcher, clock: Clock) -> None:
        self._queue: Any = dispatcher.queue
        self._clock = clock
        self._lock = threading.Lock()
        self._open: dict[Ticket, float] = {}

    def note(self, _alert: Alert, ticket: Ticket) -> None:
        """A ticket whose deliveries are in memory counts until they have ended."""
        if self._queue is not None or ticket.dropped is not None:
            return
        with self._lock:
            self._open[ticket] = self._clock.time()
        ticket.on_finish(lambda: self._forget(ticket))

    def read(self) -> tuple[dict[Labels, float], dict[Labels, float]]:
        """Of each target and state how many there are, and of each target the age of the oldest that is open.

        Raises:
            QueueError: the database refused.
        """
        now = self._clock.time()
        depth: Counter[Labels] = Counter()
        oldest: dict[Labels, float] = {}
        rows = self._tickets() if self._queue is None else self._stored(now)
        for target, state, count, since in rows:
            depth[target, state] += count
            if count and state in _OPEN:
                oldest[(target,)] = max(oldest.get((target,), 0.0), now - since)
        return dict(depth), oldest

    def _stored(self, now: float) -> Iterator[tuple[str, str, int, float]]:
        inspection = getattr(self._queue, "inspection", None)  # alert-outbox's; a broker's queue has none
        for one in inspection.overview().targets if inspection is not None else ():
            since = one.oldest_open.timestamp() if one.oldest_open else now
            for state in (*_OPEN, "dead"):
                yield one.target, state, getattr(one, state), since

    def _tickets(self) -> Iterable[tuple[str, str, int, float]]:
        with self._lock:
            tickets = list(self._open.items())
        return [(target, "waiting", 1, since) for ticket, since in tickets for target in ticket.report(0).queued]

    def _forget(self, ticket: Ticket) -> None:
        with self._lock:
            self._open.pop(ticket, None)
