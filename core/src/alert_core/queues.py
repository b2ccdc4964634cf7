"""What a durable queue is, and what the dispatcher lends it: for plugins that keep deliveries outside the process.

A queue is a class that a QueueSpec names, made of the options of the table `[queue]` (or given to
`Dispatcher(queue=…)`). The dispatcher calls its `open()` once, and `put()` for each alert. A worker, in this process or
in another one, takes deliveries out again and lets a `Desk` make one attempt of each: `desk.start(claim)`.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, Protocol, runtime_checkable

import attrs

from alert_core.alert import Alert, Status
from alert_core.clock import Clock
from alert_core.errors import QueueError
from alert_core.jobs import Claim, Job
from alert_core.lanes import Lane
from alert_core.plugins import Observers
from alert_core.redaction import Redactor
from alert_core.report import Delivery, DeliveryReport, Outcome, Ticket
from alert_core.retry import RetryPolicy
from alert_core.routing import Route
from alert_core.schedule import DailyTime, parse_duration
from alert_core.settings import Settings
from alert_core.stored import StoredTicket, Waiting

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
    "TransactionalQueue",
    "parse_duration",
    "without_worker",
]

_ONCE: Final = RetryPolicy(attempts=1)
_looks_only: ContextVar[bool] = ContextVar("alert_core_looks_only", default=False)
_log = logging.getLogger(__name__)


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
        routes: those that the alert took; where none is configured, one of every target; empty where the caller named
            the targets.
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
        gathered: of those that wait for a digest or a group, the places in `parts`, and when each is told
            (`Clock.time()`): whoever has no time for that is not kept waiting.
    """

    parts: tuple[Part, ...]
    dropped: str | None = None
    gathered: Mapping[int, float] = attrs.field(factory=dict)


class Queue(Protocol):
    """Where deliveries wait. Its methods are called from several threads.

    With an attribute `memory_when_down` that is true, what it refuses is delivered from this process's memory, for
    `enqueue()` as for `send()`. With a method `missed(dispatch)`, it hears of each that goes from memory so.
    """

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


@runtime_checkable
class TransactionalQueue(Queue, Protocol):
    """What a queue may do besides, where its store has transactions."""

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        """As `put()` for each, in one transaction: all of them are kept, or none.

        Raises:
            QueueError: the store refused; nothing was accepted.
        """
        ...

    def deliveries(self, dispatch_id: str) -> Sequence[Delivery]:
        """How the deliveries of a dispatch stand, whichever process has them; none where its history is gone.

        Raises:
            QueueError: the store refused.
        """
        ...


class Desk:
    """The dispatcher, as a queue sees it: it makes single attempts, and tells who asked of what came of them."""

    def __init__(  # noqa: PLR0913 - the dispatcher's parts
        self,
        queue: Queue,
        lanes: Mapping[str, Lane],
        *,
        observers: Observers,
        drop: Callable[[Alert, str, str], None],
        redactor: Redactor,
        retry: RetryPolicy,
        routes: tuple[Route, ...],
        deadline: float,
        clock: Clock,
    ) -> None:
        self.clock = clock
        self.deadline = deadline
        """Seconds that `send()` takes at most, whatever its queue does."""
        self.routes = routes
        self.may_work = not _looks_only.get()
        """Whether the queue may start a worker: not where it was made inside `without_worker()`."""
        self.redactor = redactor
        """The dispatcher's masking policy, for what a queue reads back: other secrets may be known by then."""
        self.drop = drop
        """`drop(alert, reason, dropped_by)`: count it, and tell the observers' `alert_dropped`."""
        self._queue = queue
        self._transactional = queue if isinstance(queue, TransactionalQueue) else None
        self._lanes = lanes
        self._observers = observers
        self._retry = retry
        self._tickets: weakref.WeakValueDictionary[str, StoredTicket] = weakref.WeakValueDictionary()

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

    def put(self, dispatches: Sequence[Dispatch]) -> list[Ticket]:
        """Put dispatches into the queue, all or none where it has transactions; their tickets, in this order.

        Raises:
            QueueError: the queue did not accept them; without transactions, it may have accepted the first ones.
        """
        began = self.clock.monotonic()
        tickets = [self._ticket(dispatch) for dispatch in dispatches]
        for dispatch, ticket in zip(dispatches, tickets, strict=True):
            self._tickets[dispatch.id] = ticket  # before the worker can have it
        try:
            if self._transactional is not None:
                kept = self._transactional.put_many(dispatches)
            else:
                kept = [self._queue.put(dispatch) for dispatch in dispatches]
        except QueueError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a queue's code raises: nothing was accepted
            raise QueueError(f"the queue failed ({type(error).__name__}); the alert was not accepted") from None
        for dispatch, ticket, stored in zip(dispatches, tickets, kept, strict=True):
            if not stored.parts:
                del self._tickets[dispatch.id]
            ticket.dropped, ticket.stored = stored.dropped, stored.dropped is None
            ticket.keep([self._waits(part, began) for part in stored.parts], stored.gathered)
        return [*tickets]

    def _ticket(self, dispatch: Dispatch) -> StoredTicket:
        """A ticket that the worker may already know of when it takes the dispatch out."""

        def finished(report: DeliveryReport) -> None:
            if not report.deliveries or self._queue.conclude(dispatch.id):
                self._tell(dispatch.alert, report)

        ticket = StoredTicket(dispatch.alert.id, clock=self.clock, on_finished=finished, stored=True)
        if self._transactional is not None:
            ticket.look, ticket.is_told = functools.partial(self._look, dispatch.id), self._delivers_here
        return ticket

    def _delivers_here(self) -> bool:
        return self._queue.delivers_here

    def _look(self, dispatch_id: str) -> Sequence[Delivery]:
        """What the store says of a dispatch; nothing where it refuses."""
        if self._transactional is None:
            return ()
        try:
            return self._kinds(self._transactional.deliveries(dispatch_id))
        except QueueError as error:
            _log.warning("a ticket does not know what other processes have done: %s", error)
            return ()

    def _kinds(self, deliveries: Iterable[Delivery]) -> Sequence[Delivery]:
        """With the kinds of their targets, which a delivery that was never attempted is stored without."""
        kinds = {name: lane.kind for name, lane in self._lanes.items()}
        return tuple(attrs.evolve(one, kind=one.kind or kinds.get(one.target, "")) for one in deliveries)

    def _waits(self, part: Part, began: float) -> Waiting:
        return Waiting(
            Delivery(
                target=part.target,
                kind=self._lanes[part.target].kind,
                recipient=part.recipient,
                outcome=Outcome.QUEUED,
                elapsed=self.clock.monotonic() - began,
            )
        )

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
        if ticket is not None:
            ticket.show(delivery)

    @property
    def awaited(self) -> list[str]:
        """The ids of the dispatches that have not ended, as far as is known here, and of which somebody here hears."""
        return list(self._tickets)

    def found(self, dispatch_id: str, deliveries: Iterable[Delivery], due: float | None = None) -> None:
        """Let the ticket here, if there is one, know how the store says that a dispatch stands.

        Args:
            dispatch_id: its id.
            deliveries: all of them; another process may have ended them, and told of it.
            due: when those that have not ended are told, where each of them is gathered (`Clock.time()`).
        """
        ticket = self._tickets.get(dispatch_id)
        if ticket is not None and ticket.found(self._kinds(deliveries)):
            self._tickets.pop(dispatch_id, None)
        elif ticket is not None and due is not None:
            ticket.hold_for(due)

    def finish(self, dispatch_id: str, alert: Alert, report: DeliveryReport) -> None:
        """Every delivery of a dispatch has ended, and the queue has noted that it is told now: tell it."""
        self._tell(alert, report)
        ticket = self._tickets.pop(dispatch_id, None)
        if ticket is not None:
            ticket.conclude(report)

    def _tell(self, alert: Alert, report: DeliveryReport) -> None:
        self._observers.tell("alert_dispatch_finished", alert=alert, report=report)


Arrived = Iterable[tuple[str, str | None]]


@contextlib.contextmanager
def without_worker() -> Iterator[None]:
    """Inside, a dispatcher that is made delivers nothing from its queue: for commands that only look."""
    token = _looks_only.set(True)
    try:
        yield
    finally:
        _looks_only.reset(token)


def queue_faults(queue: Any) -> list[str]:
    """What an object lacks to be a Queue."""
    methods = ("open", "put", "conclude", "flush", "close", "forget")
    missing = [name for name in methods if not callable(getattr(queue, name, None))]
    return [f"a {type(queue).__name__} has no {name}()" for name in missing]
