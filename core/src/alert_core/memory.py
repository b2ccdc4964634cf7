"""What waits in this process's memory: a lane for each target."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from alert_core.alert import Alert
from alert_core.background import background
from alert_core.clock import Clock
from alert_core.config import FailoverConfig
from alert_core.errors import QueueError, QueueFull
from alert_core.failover import Failover
from alert_core.jobs import Job
from alert_core.lanes import Lane
from alert_core.pipeline import Ready
from alert_core.plugins import Observers
from alert_core.redaction import Redactor
from alert_core.report import Ticket
from alert_core.retry import RetryPolicy
from alert_core.settings import Settings

CLOSING: Final = 1.0  # seconds that close() waits for a transport's own
Refusals = Sequence[str | None]
"""For each delivery of a dispatch why its lane refused it, if it did."""


class Memory:
    """The lanes of all targets, failovers among them.

    Args:
        targets: transports, or the FailoverConfig of one, by name.
        settings: what each of the transports has set.
        deadline: seconds of a failover's pass over its children.
        retry: for targets that set none of their own.
        redactor: for the errors of attempts.
        observers: told of each attempt.
        drop: `drop(alert, reason, dropped_by)`: counts and tells it.
        clock: of the dispatcher.
    """

    def __init__(
        self,
        targets: Mapping[str, Any],
        settings: Mapping[str, Settings],
        *,
        deadline: float,
        retry: RetryPolicy,
        redactor: Redactor,
        observers: Observers,
        drop: Callable[[Alert, str, str], None],
        clock: Clock,
    ) -> None:
        self._deadline = deadline
        self._retry = retry
        self._redactor = redactor
        self._observers = observers
        self._drop = drop
        self._clock = clock
        self.lanes: dict[str, Lane] = {}
        for name, target in targets.items():
            self.add(name, target, settings.get(name))

    def add(self, name: str, target: Any, settings: Settings | None = None) -> None:
        """Make a target's lane."""
        attempt = None
        if isinstance(target, FailoverConfig):
            target = Failover(
                name,
                target.targets,
                self.lanes,
                deadline=self._deadline,
                min_severity=target.min_severity,
                retry=target.retry,
                clock=self._clock,
            )
            attempt = target.attempt
        self.lanes[name] = Lane(
            name,
            target,
            settings=settings or cast("Settings", Settings.of(target)[0]),
            redactor=self._redactor,
            observers=self._observers,
            on_drop=self._drop,
            clock=self._clock,
            attempt=attempt,
        )

    def put(self, ready: Ready, ends: float | None) -> tuple[Ticket, Refusals]:
        """Let an alert be delivered, by `ends` if that is given; its ticket, and what was refused."""
        ticket = Ticket(
            ready.alert.id,
            clock=self._clock,
            on_finished=lambda report: self._observers.tell("alert_dispatch_finished", alert=ready.told, report=report),
            dropped=ready.dropped,
        )
        jobs = self._jobs(ready, ticket, ends)
        ticket.open(jobs)
        refusals = [job.lane.put(job) for job in jobs]
        return ticket, refusals

    def flush(self, ends: float | None) -> bool:
        """Wait until every lane is empty and its observers are done, at most until `ends`; whether all are."""
        flushed = [lane.flush(ends) for lane in self.lanes.values()]
        return all(flushed)

    def drop(self, reason: str) -> None:
        """End what is still here, for this reason."""
        for lane in self.lanes.values():
            lane.drop(reason, close=False)

    def close(self) -> None:
        """End what is still here, take nothing any more, and close the transports, all at once."""
        lanes = self.lanes.values()
        for lane in lanes:
            lane.drop("closed", close=True)
        for thread in [background(functools.partial(one.close, CLOSING), f"{one.name}-close") for one in lanes]:
            if thread is not None:
                thread.join(CLOSING)

    def forget(self) -> None:
        """In the child of a fork: nothing is here."""
        for lane in self.lanes.values():
            lane.forget()

    def _jobs(self, ready: Ready, ticket: Ticket, ends: float | None) -> list[Job]:
        now = self._clock.monotonic()
        lanes = [self.lanes[name] for name in ready.names]
        each = ((lane, recipient) for lane in lanes for recipient in lane.settings.recipients)
        return [
            Job(
                alert=ready.alert,
                told=ready.told,
                lane=lane,
                ticket=ticket,
                index=index,
                recipient=recipient,
                began=now,
                deadline=ends,
                retry=lane.settings.retry or self._retry,
            )
            for index, (lane, recipient) in enumerate(each)
        ]


def accepted(ticket: Ticket, refusals: Refusals) -> Ticket:
    """The ticket.

    Raises:
        QueueFull: no lane had room for it.
        QueueError: the dispatcher is closed.
    """
    if refusals and all(refusals):
        if "closed" in refusals:
            raise QueueError("the dispatcher is closed; the alert was not accepted")
        if set(refusals) == {"queue_full"}:
            raise QueueFull("every lane is full; the alert was not accepted")
    return ticket
