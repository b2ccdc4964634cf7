"""What a durable queue is, and what the dispatcher lends it: for plugins that keep deliveries outside the process.

A queue is a class that a QueueSpec names, made of the options of the table `[queue]` (or given to
`Dispatcher(queue=…)`). The dispatcher calls its `open()` once, and `put()` for each alert. A worker, in this process or
in another one, takes deliveries out again and lets a `Desk` make one attempt of each: `desk.start(claim)`.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol

import attrs

from alert_core.alert import Alert, Status
from alert_core.clock import Clock
from alert_core.errors import QueueError
from alert_core.lanes import Claim, Job, Lane
from alert_core.plugins import Observers
from alert_core.report import Delivery, DeliveryReport, Outcome, Ticket
from alert_core.retry import RetryPolicy
from alert_core.routing import Route
from alert_core.schedule import DailyTime, parse_duration
from alert_core.settings import Settings

__all__ = [
    "Claim",
    "Clock",
    "DailyTime",
    "Desk",
    "Dispatch",
    "Outcome",
    "Part",
    "Queue",
    "Settings",
    "Stored",
    "parse_duration",
]

_ONCE: Final = RetryPolicy(attempts=1)


@attrs.frozen
class Part:
    """One delivery of a dispatch: its target, and one recipient where the provider takes one a call."""

    target: str
    recipient: str | None = None


@attrs.frozen(kw_only=True)
class Dispatch:
    """One alert on its way into a queue.

    Attributes:
        id: of this dispatch; an alert that is sent twice has two.
        alert: masked, whatever the dispatcher lets through otherwise: a queue's bytes hold no secret.
        parts: the deliveries, in the order of the targets.
        routes: those that the alert took; empty where the caller named the targets.
    """

    id: str
    alert: Alert
    parts: tuple[Part, ...]
    routes: tuple[Route, ...] = ()


@attrs.frozen(kw_only=True)
class Stored:
    """What a queue made of a dispatch.

    Attributes:
        parts: the deliveries that it keeps; a queue that keeps state may have fewer, or others.
        dropped: why there is none, for the report; the queue has told `Desk.drop()` of it.
    """

    parts: tuple[Part, ...]
    dropped: str | None = None


class Queue(Protocol):
    """Where deliveries wait. Its methods are called from several threads."""

    @property
    def keeps_state(self) -> bool:
        """Whether routes may ask for `repeat_every`, `group_by` and `digest`."""
        ...

    @property
    def delivers_here(self) -> bool:
        """Whether a worker runs in this process, so that `send()` waits for it."""
        ...

    def open(self, desk: Desk) -> None:
        """Begin, with the desk that makes the attempts. No store or broker is needed yet, and nothing is raised."""
        ...

    def put(self, dispatch: Dispatch) -> Stored:
        """Keep an alert and its deliveries, durably by the time this returns.

        Raises:
            QueueError: the store or broker refused; nothing was accepted.
        """
        ...

    def conclude(self, dispatch_id: str) -> bool:
        """`send()` has reached its deadline: whether its end is now to be told, because nobody has told it yet."""
        ...

    def flush(self, ends: float | None) -> bool:
        """Wait until nothing that is due is left, at most until `ends` (`Clock.monotonic()`); whether it is so."""
        ...

    def close(self, ends: float) -> None:
        """Take nothing out any more; wait until `ends` for the attempts that run, and let go of the store."""
        ...

    def forget(self) -> None:
        """In the child of a fork: new locks and connections, and the parent's let alone."""
        ...


@attrs.define(eq=False)
class _Waiting:
    """A delivery in a queue, as its ticket sees it."""

    delivery: Delivery

    def queued(self) -> Delivery:
        """As it stood when this process last heard of it."""
        return self.delivery

    abandon = queued  # the deadline is `send()`'s, not the queue's


class Desk:
    """The dispatcher, as a queue sees it: it makes single attempts, and tells who asked of what came of them."""

    def __init__(
        self,
        queue: Queue,
        lanes: Mapping[str, Lane],
        *,
        observers: Observers,
        drop: Callable[[Alert, str, str], None],
        retry: RetryPolicy,
        routes: tuple[Route, ...],
        clock: Clock,
    ) -> None:
        self.clock = clock
        self.routes = routes
        self.drop = drop
        """`drop(alert, reason, dropped_by)`: count it, and tell the observers' `alert_dropped`."""
        self._queue = queue
        self._lanes = lanes
        self._observers = observers
        self._retry = retry
        self._tickets: weakref.WeakValueDictionary[str, Ticket] = weakref.WeakValueDictionary()
        self._waiting: weakref.WeakKeyDictionary[Ticket, tuple[_Waiting, ...]] = weakref.WeakKeyDictionary()

    @property
    def targets(self) -> Mapping[str, Settings]:
        """What each target has: its timeout, concurrency, rate and recipients."""
        return {name: lane.settings for name, lane in self._lanes.items()}

    def retry(self, target: str) -> RetryPolicy:
        """The target's retry policy, or the dispatcher's."""
        return self._lanes[target].settings.retry or self._retry

    def parts(self, targets: Iterable[str]) -> tuple[Part, ...]:
        """One delivery for each target, or for each of its recipients."""
        return tuple(Part(name, recipient) for name in targets for recipient in self._lanes[name].settings.recipients)

    def hears_of(self, alert: Alert) -> bool:
        """Whether the queue gets an alert that is routed nowhere: a resolve goes to those who got its firing."""
        return self._queue.keeps_state and alert.status is Status.RESOLVED and bool(self.routes)

    def put(self, dispatch: Dispatch) -> Ticket:
        """Put a dispatch into the queue; its ticket.

        Raises:
            QueueError: the queue did not accept it.
        """
        clock = self.clock
        began = clock.monotonic()
        waiting: tuple[_Waiting, ...] = ()

        def finished(report: DeliveryReport) -> None:
            if not waiting or self._queue.conclude(dispatch.id):
                self._tell(dispatch.alert, report)

        ticket = Ticket(dispatch.alert.id, clock=clock, on_finished=finished, stored=True)
        self._tickets[dispatch.id] = ticket  # before the worker can have it
        try:
            stored = self._queue.put(dispatch)
        except QueueError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a queue's code raises: nothing was accepted
            raise QueueError(f"the queue failed ({type(error).__name__}); the alert was not accepted") from None
        ticket.dropped = stored.dropped
        waiting = tuple(
            _Waiting(
                Delivery(
                    target=part.target,
                    kind=self._lanes[part.target].kind,
                    recipient=part.recipient,
                    outcome=Outcome.QUEUED,
                    elapsed=clock.monotonic() - began,
                )
            )
            for part in stored.parts
        )
        self._waiting[ticket] = waiting
        ticket.open(waiting)
        return ticket

    def start(self, claim: Claim, dispatch: Dispatch, part: Part, *, attempts: int, arrived: Arrived = ()) -> None:
        """Make one attempt, in the target's lane; returns at once, and calls `claim` as it goes.

        Args:
            claim: who is asked before, and told after.
            dispatch: of the delivery.
            part: the delivery; its target exists.
            attempts: made before this one.
            arrived: what an earlier `Claim.record()` was given.
        """
        lane = self._lanes[part.target]
        job = Job(
            alert=dispatch.alert,
            told=dispatch.alert,
            lane=lane,
            ticket=claim,
            index=0,
            recipient=part.recipient,
            began=self.clock.monotonic(),
            deadline=None,
            retry=_ONCE,
            attempts=attempts,
            arrived={(child, recipient) for child, recipient in arrived},
            claim=claim,
        )
        lane.put(job)

    def attempted(self, dispatch_id: str, delivery: Delivery) -> None:
        """Show in the dispatch's ticket, if this process still has it, how a delivery stands."""
        ticket = self._tickets.get(dispatch_id)
        for waiting in self._waiting.get(ticket, ()) if ticket is not None else ():
            if (waiting.delivery.target, waiting.delivery.recipient) == (delivery.target, delivery.recipient):
                waiting.delivery = delivery

    def finish(self, dispatch_id: str, alert: Alert, report: DeliveryReport) -> None:
        """Every delivery of a dispatch has ended, and the queue has noted that it is told now: tell it."""
        self._tell(alert, report)
        ticket = self._tickets.pop(dispatch_id, None)
        if ticket is not None:
            ticket.conclude(report)

    def _tell(self, alert: Alert, report: DeliveryReport) -> None:
        self._observers.tell("alert_dispatch_finished", alert=alert, report=report)


Arrived = Iterable[tuple[str, str | None]]


def queue_faults(queue: Any) -> list[str]:
    """What an object lacks to be a Queue."""
    methods = ("open", "put", "conclude", "flush", "close", "forget")
    missing = [name for name in methods if not callable(getattr(queue, name, None))]
    return [f"a {type(queue).__name__} has no {name}()" for name in missing]
