"""One lane a target: its queue, its workers, its retries and its rate. A hung target blocks its own lane alone."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from alert_core.alert import Alert
from alert_core.attempts import Caller, ended
from alert_core.clock import Clock
from alert_core.errors import DeliveryError, RetryableDeliveryError, UncertainDeliveryError
from alert_core.jobs import Job
from alert_core.plugins import Observers
from alert_core.rate import Bucket
from alert_core.redaction import Redactor
from alert_core.report import Delivery, Outcome
from alert_core.settings import Settings
from alert_core.transport import delivering

_log = logging.getLogger(__name__)

CAPACITY: Final = 10_000
"""Deliveries that one lane holds; more are dropped, and told."""


class Lane:
    """The workers of one target. Any object with `name` and `send(alert)` is a transport."""

    def __init__(
        self,
        name: str,
        transport: Any,
        *,
        settings: Settings,
        redactor: Redactor,
        observers: Observers,
        on_drop: Callable[[Alert, str, str], None],
        clock: Clock,
        attempt: Callable[[Job], object] | None = None,
    ) -> None:
        self.name = name
        self.transport = transport
        self.kind = str(getattr(transport, "kind", "") or type(transport).__name__)
        self.settings = settings
        self.clock = clock
        self._redactor = redactor
        self._observers = observers
        self._on_drop = on_drop
        self._attempt = attempt or self._send
        self._order = itertools.count()
        self.reset()

    def reset(self) -> None:
        """Begin anew: at first, and in the child of a fork, where locks and queues are the parent's."""
        lock = threading.Lock()
        self.lock = threading.Condition(lock)
        self._emptied = threading.Condition(lock)
        self._ready: deque[Job] = deque()
        self._later: list[tuple[float, int, Job]] = []
        self._held: dict[tuple[str, str | None], deque[Job]] = {}
        self._running: set[Job] = set()
        self._open = 0
        self._idle = 0
        self._workers = 0
        self._closed: str | None = None
        self._told: str | None = None
        self._bucket = Bucket(self.settings.rate, self.clock.monotonic()) if self.settings.rate else None
        self._call = Caller(self.transport, self.name)

    def put(self, job: Job) -> str | None:
        """Take a delivery, or say why not: then it has ended, dropped or retryable, and that was told."""
        with self.lock:
            refusal = self._refusal(job)
            waiting = self._take_waiting() if refusal is not None and refusal[0] == "stalled" else []
            if refusal is None:
                self._open += 1
                if (held := self._held.get(job.key)) is not None:
                    held.append(job)
                    return None
                self._held[job.key] = deque()
                self._ready.append(job)
                self.clock.notify(self.lock)
                start = len(self._ready) > self._idle and self._workers < self.settings.concurrency
                self._workers += start
        if refusal is not None:
            self._end([job], *refusal, opened=False)
            if waiting:
                self._end_aside(waiting, *refusal)
            return refusal[0]
        if start:
            self._start(job)
        return None

    def abandon(self, job: Job) -> Delivery:
        """The delivery's end at its deadline."""
        cancelled = None
        with self.lock:
            if job.result is None:
                if job.started is not None:
                    error: DeliveryError = UncertainDeliveryError("still running at the deadline")
                else:
                    error = job.error or RetryableDeliveryError("still waiting in its lane at the deadline")
                    cancelled = "deadline" if not job.attempts else None
                    self._leave(job)
                    self._opened(-1)
                job.result = job.delivery(Outcome.of(error), error=error)
        if cancelled:
            self._drop(job, cancelled)
        return job.result

    def flush(self, ends: float | None) -> bool:
        """Wait until the lane is empty and its observers are done, at most until `ends`; whether it is."""
        with self.lock:
            while self._open:
                left = None if ends is None else ends - self.clock.monotonic()
                if left is not None and left <= 0:
                    return False
                self.clock.wait(self._emptied, left)
        return True

    def drop(self, reason: str, *, close: bool) -> None:
        """End what is still here, for this reason; `close` the lane for good, and its transport."""
        with self.lock:
            self._closed = reason if close else None
            waiting = self._take_waiting()
            running = [job for job in self._running if job.result is None and job.claim is None]
            for job in running:
                error = UncertainDeliveryError(f"still running when the dispatcher ended ({reason})")
                job.result = job.delivery(Outcome.UNCERTAIN, error=error)
            self.clock.notify(self.lock, self.settings.concurrency)
        self._end(waiting, reason, Outcome.DROPPED, DeliveryError(f"dropped: {reason}"))
        for job in running:
            if not close:  # the process ends: no event of its own will follow
                self._drop(job, reason)
            self._settle(job)

    def close(self, limit: float) -> None:
        """Close the transport, which may take `limit` seconds."""
        self._call.close(limit)

    def forget(self) -> None:
        """In the child of a fork: new locks, an empty queue, and the parent's sockets let alone."""
        closed = self._closed
        self.reset()
        self._closed = closed
        with contextlib.suppress(Exception):  # its fault does not cost the other lanes their new locks
            getattr(self.transport, "_forget", lambda: None)()

    def _refusal(self, job: Job) -> tuple[str, Outcome, DeliveryError] | None:
        """Why the lane does not take it: a reason, an outcome and an error."""
        if self._closed is not None:
            return self._closed, Outcome.DROPPED, DeliveryError(f"dropped: {self._closed}")
        if self._open >= CAPACITY:
            return ("queue_full", Outcome.DROPPED, DeliveryError(f"dropped: {CAPACITY} deliveries wait already"))
        late = job.began - self.settings.timeout
        if len(self._running) >= self.settings.concurrency and all(
            other.started is not None and other.started < late for other in self._running
        ):
            late_by = f"past their timeout of {self.settings.timeout:g} s"
            text = f"target stalled: all {self.settings.concurrency} workers are {late_by}"
            return "stalled", Outcome.RETRYABLE, RetryableDeliveryError(text)
        return None

    def _leave(self, job: Job) -> None:
        """Take one that waits out of its queue, so that nothing abandoned gathers behind what hangs."""
        if job in (held := self._held.get(job.key, deque())):
            held.remove(job)
        elif job in self._ready:
            self._ready.remove(job)
            self._release(job)

    def _take_waiting(self) -> list[Job]:
        """Everything that no worker has: out of the lane."""
        jobs = [*self._ready, *(job for _, _, job in self._later), *itertools.chain(*self._held.values())]
        self._ready.clear()
        self._later.clear()
        self._held = {job.key: deque() for job in self._running}
        return [job for job in jobs if job.result is None]

    def _end(
        self, jobs: list[Job], reason: str, outcome: Outcome, error: DeliveryError, *, opened: bool = True
    ) -> None:
        for job in jobs:
            with self.lock:
                if job.result is not None:  # abandoned meanwhile
                    continue
                job.result = job.delivery(outcome if job.claim is None else Outcome.QUEUED, error=error)
            self._drop(job, reason)
            self._settle(job)
            if opened:
                with self.lock:
                    self._opened(-1)

    def _end_aside(self, jobs: list[Job], reason: str, outcome: Outcome, error: DeliveryError) -> None:
        """End thousands in a thread of their own: the caller, perhaps an event loop, waits for none of them."""
        arguments = (jobs, reason, outcome, error)
        try:
            self.clock.start(
                threading.Thread(target=self._end, args=arguments, name=f"alert-core-{self.name}-end", daemon=True)
            )
        except RuntimeError:  # no thread can start any more: this one will do
            self._end(*arguments)

    def _drop(self, job: Job, reason: str) -> None:
        if job.budget is None and job.claim is None:
            if self._told != reason:  # once, not ten thousand times: the observers hear of each
                self._told = reason
                _log.warning("%s: deliveries are dropped (%s)", self.name, reason)
            self._on_drop(job.told, reason, self.name)

    def _settle(self, job: Job) -> None:
        if job.result is not None:
            job.ticket.settle(job.index, job.result)

    def _opened(self, change: int) -> None:
        self._open += change
        if not self._open:
            self.clock.notify(self._emptied, 1_000)

    def _start(self, job: Job) -> None:
        """Start a worker; where no thread can start (Python 3.12+ at shutdown), deliver in this one."""
        try:
            self.clock.start(threading.Thread(target=self._work, name=f"alert-core-{self.name}", daemon=True))
        except RuntimeError:
            with self.lock:
                self._workers -= 1
                alone = not self._workers
            if alone:
                self._work(until=job)

    def _work(self, until: Job | None = None) -> None:
        token = delivering.set(True)
        try:
            while (job := self._next(until)) is not None:
                self._run(job)
        finally:
            delivering.reset(token)

    def _next(self, until: Job | None) -> Job | None:
        """The next job that may start now, waiting for one; None once this worker is to end."""
        with self.lock:
            while self._closed is None and (until is None or until.result is None or self._ready):
                now = self.clock.monotonic()
                while self._later and self._later[0][0] <= now:
                    self._ready.append(heapq.heappop(self._later)[2])
                while self._ready and self._ready[0].result is not None:  # abandoned while it waited
                    self._release(self._ready.popleft())
                pause = self._later[0][0] - now if self._later else None
                if self._ready:
                    pause = self._bucket.wait(now) if self._bucket and self._is_delayed(self._ready[0]) else 0.0
                    if not pause:
                        return self._begin(self._ready.popleft(), now)
                self._idle += 1
                try:
                    self.clock.wait(self.lock, pause)
                finally:
                    self._idle -= 1
        return None

    def _begin(self, job: Job, now: float) -> Job:
        if self._bucket and self._is_delayed(job):
            self._bucket.take()
        self._running.add(job)
        job.started = now
        job.attempts += 1
        return job

    def _is_delayed(self, job: Job) -> bool:
        """Whether the lane keeps the target's rate for it; a durable queue keeps the one that the target itself set."""
        return job.claim is None or self.settings.limit is None

    def _release(self, job: Job) -> None:
        """Let the next delivery of its key go."""
        held = self._held.get(job.key)
        if held:
            self._ready.append(held.popleft())
            self.clock.notify(self.lock)
        else:
            self._held.pop(job.key, None)

    def _run(self, job: Job) -> None:
        """One attempt, its record, its events, and what follows from it."""
        if job.claim is not None and not job.claim.begin():
            self._hand_back(job)
            return
        about: dict[str, Any] = {"alert": job.told, "target": self.name, "attempt": job.attempts}
        self._observers.tell("alert_delivery_started", **about)
        receipt, error = ended(lambda: self._attempt(job), job.recipient, self._redactor)
        again = None
        with self.lock:
            self._running.discard(job)
            job.started = None
            if error is not None and job.result is None and self._closed is None:
                job.error, again = error, self._again(job, error)
            if job.result is None and again is None:
                outcome = Outcome.of(error) if error else Outcome.DELIVERED
                job.result = job.delivery(outcome, receipt=receipt, error=error)
        will_retry = again is not None
        if job.claim is not None and job.result is not None:
            will_retry = job.claim.record(job.result, frozenset(job.arrived))
        if error is None:
            self._told = None
            self._observers.tell("alert_delivery_succeeded", **about, receipt=receipt)
        else:
            if not will_retry and job.budget is None:
                _log.warning("%s: %s after %d attempts", self.name, type(error).__name__, job.attempts)
            self._observers.tell("alert_delivery_failed", **about, error=error, will_retry=will_retry)
        with self.lock:
            if again is not None and job.result is None:
                if self._closed is None:
                    heapq.heappush(self._later, (again, next(self._order), job))
                    self.clock.notify(self.lock)
                    return
                again, job.result = None, job.delivery(Outcome.of(job.error), error=job.error)  # type: ignore[arg-type]
        self._settle(job)
        with self.lock:
            self._release(job)
            if again is None:  # else it was abandoned between two attempts, and left the lane then
                self._opened(-1)

    def _hand_back(self, job: Job) -> None:
        """End a delivery whose attempt may not be made: its queue has it, or another worker."""
        with self.lock:
            self._running.discard(job)
            job.attempts -= 1
            job.result = job.delivery(Outcome.QUEUED)
        self._settle(job)
        with self.lock:
            self._release(job)
            self._opened(-1)

    def _again(self, job: Job, error: DeliveryError) -> float | None:
        """When it is tried again, or None: never past the deadline."""
        delay = job.retry.delay(job.attempts, error)
        if delay is None:
            return None
        due = self.clock.monotonic() + delay
        return None if job.deadline is not None and due >= job.deadline else due

    def _send(self, job: Job) -> object:
        limit = self.settings.timeout if job.budget is None else min(self.settings.timeout, job.budget)
        return self._call(job.alert, job.recipient, limit)
