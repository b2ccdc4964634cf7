"""The worker: it takes deliveries out, lets the desk attempt them, and writes down what came of each."""

from __future__ import annotations

import logging
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from alert_core import Delivery, QueueError, UncertainDeliveryError
from alert_core.queues import Desk, Dispatch, Outcome
from alert_outbox.database import Database
from alert_outbox.reports import report_of
from alert_outbox.state import State, next_time
from alert_outbox.statements import Connection, Row
from alert_outbox.store import Ended, Store, Taken, arrived_json
from alert_outbox.summaries import Buckets, Told

MARGIN: Final = 5.0
"""Seconds by which a lease outlives the attempt's timeout."""
AHEAD: Final = 4
"""Deliveries taken out for each of a target's workers, so that one commit serves several."""
TROUBLE: Final = (1.0, 30.0)
"""Seconds of the first and the longest pause while the database refuses."""
_log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Rules:
    """When a delivery is tried again, and when it is given up; seconds."""

    poll: float = 1.0
    give_up_after: float = 86_400.0
    longest_backoff: float = 300.0
    keep: float = 30 * 86_400.0
    empty_digests: bool = False
    dead_letter_target: str | None = None


@attrs.define(eq=False)
class _Claim:
    """One delivery under way: the lane calls it as the attempt goes."""

    worker: Worker
    taken: Taken
    began: bool = False
    is_dead: bool = False
    ended: Ended | None = None
    recorded: bool = False

    def begin(self) -> bool:
        self.began = self.worker.may_begin(self)
        return self.began

    def record(self, delivery: Delivery, arrived: frozenset[tuple[str, str | None]]) -> bool:
        self.recorded = True
        return self.worker.record(self, delivery, arrived_json(arrived))

    def settle(self, index: int, delivery: Delivery) -> None:  # noqa: ARG002 - the ticket's signature
        self.worker.settle(self, delivery)


class Worker:
    """One thread that leases; the lanes' threads attempt and record.

    A delivery that is under way here is never taken a second time by this process, whatever its lease says.
    """

    def __init__(self, database: Database, store: Store, state: State, desk: Desk, rules: Rules) -> None:
        self._database = database
        self._store = store
        self._state = state
        self._buckets = Buckets(store, desk, empty_digests=rules.empty_digests)
        self._bucket_due: float | None = None
        self._silence_ends: float | None = None
        self._desk = desk
        self._rules = rules
        self._clock = desk.clock
        self._changed = threading.Condition()
        self._mine: dict[str, dict[int, _Claim]] = {name: {} for name in desk.targets}
        self._due: dict[str, float] = dict.fromkeys(desk.targets, 0.0)  # when to look; 0: at once
        self._unwritten: list[tuple[_Claim | None, Callable[[Connection, bool], object]]] = []
        self._looked = self._kept = 0.0
        self._trouble = 0.0
        self._closing = threading.Event()
        self._drained = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its thread runs, or is about to."""
        return self._thread is not None and not self._closing.is_set()

    def start(self) -> None:
        """Start the thread, once; where none can start any more, what is stored waits for another process."""
        with self._changed:
            if self._thread is not None or self._closing.is_set():
                return
            self._thread = threading.Thread(target=self._work, name="alert-outbox", daemon=True)
        try:
            self._clock.start(self._thread)
        except RuntimeError:
            self._thread = None

    def notify(self, targets: Any, bucket_due: float | None = None) -> None:
        """Something new is due for these targets, and the database has taken it; a bucket is told at `bucket_due`."""
        with self._changed:
            self._drained, self._trouble = False, 0.0
            if bucket_due is not None:
                self._bucket_due = min(self._bucket_due or bucket_due, bucket_due)
            for target in targets:
                self._due[target] = 0.0
            self._clock.notify(self._changed, 1_000)

    def flush(self, ends: float | None) -> bool:
        """Wait until nothing is due or under way, at most until `ends`; whether it is so. False if nobody can know."""
        self.notify(self._due)
        with self._changed:
            while not (self._drained or self._trouble or self._closing.is_set()):
                left = None if ends is None else ends - self._clock.monotonic()
                if left is not None and left <= 0:
                    return False
                self._clock.wait(self._changed, left)
            return self._drained

    def stop(self, ends: float) -> bool:
        """Take nothing out any more, and wait until `ends` for what runs; whether nothing does."""
        with self._changed:
            self._closing.set()
            self._clock.notify(self._changed, 1_000)
            waiting = [claim for claims in self._mine.values() for claim in claims.values() if not claim.began]
            while any(claim.began for claims in self._mine.values() for claim in claims.values()):
                left = ends - self._clock.monotonic()
                if left <= 0:
                    break
                self._clock.wait(self._changed, left)
            drained = not any(claim.began for claims in self._mine.values() for claim in claims.values())
        for claim in waiting:
            if not claim.began:
                self._release(claim)
        self._write_unwritten()
        return drained

    # what a lane's thread calls

    def may_begin(self, claim: _Claim) -> bool:
        """Whether the delivery is still leased to this process, for long enough; else the lease is renewed."""
        if self._closing.is_set():
            return False
        now, timeout = self._clock.time(), self._timeout(claim.taken.part.target)
        if now + timeout <= claim.taken.until:
            return True
        until = now + timeout + MARGIN
        claim.taken = attrs.evolve(claim.taken, until=until)
        renew = self._store.sql.renew
        try:
            return bool(
                self._database.write(
                    lambda connection, _: renew.run(
                        connection, id_=claim.taken.row, token=self._store.token, due_=until
                    )
                )
            )
        except QueueError:
            return False

    def record(self, claim: _Claim, delivery: Delivery, arrived: str) -> bool:
        """Write what an attempt came to; whether it is tried again."""
        taken, now = claim.taken, self._clock.time()
        delay = self._delay(taken, delivery)
        if delay is not None and delivery.error is not None:
            due = now + delay
            self._write(lambda connection, _: self._store.retry_later(connection, taken, delivery, due, arrived))
            self._look_again(taken.part.target, due)
            return True

        notice = self._notice(taken, delivery)

        def end(connection: Connection, _: bool = False) -> None:
            claim.ended = self._store.end(connection, taken, delivery, now, arrived)
            if notice is not None and claim.ended.was_open:
                self._store.put(connection, notice, [(part, None) for part in notice.parts], now)

        self._write(end, claim)
        if delivery.outcome is not Outcome.DELIVERED:
            claim.is_dead = True
        return False

    def settle(self, claim: _Claim, delivery: Delivery) -> None:
        """The observers know of the attempt: tell who waits, and make room for the next."""
        taken = claim.taken
        if not claim.recorded and not self._closing.is_set():
            self._release(claim)
        shown = delivery if claim.ended is not None else attrs.evolve(delivery, outcome=Outcome.QUEUED)
        self._desk.attempted(taken.dispatch.id, shown)
        if claim.is_dead:
            self._bury(taken)
        self._finish(claim)
        with self._changed:
            self._mine[taken.part.target].pop(taken.row, None)
            self._due[taken.part.target] = 0.0
            self._clock.notify(self._changed, 1_000)

    def _finish(self, claim: _Claim) -> None:
        """Tell of the end of a dispatch, if this was its last delivery."""
        if claim.ended is not None and claim.ended.report is not None:
            alert = claim.taken.dispatch.alert
            self._desk.finish(claim.taken.dispatch.id, alert, report_of(alert, claim.ended.report))

    def _bury(self, taken: Taken) -> None:
        _log.warning("%s: a delivery is a dead letter", taken.part.target)
        self._desk.drop(taken.dispatch.alert, "dead_letter", taken.part.target)
        if self._rules.dead_letter_target is not None:
            self.notify([self._rules.dead_letter_target])

    def _notice(self, taken: Taken, delivery: Delivery) -> Dispatch | None:
        """What the dead letter target gets: committed together with the dead letter; of a notice there is none."""
        target, alert = self._rules.dead_letter_target, taken.dispatch.alert
        if target in {None, taken.part.target} or delivery.outcome is Outcome.DELIVERED:
            return None
        told = alert.evolve(
            id=str(uuid.uuid4()),
            title=f"Not delivered to {taken.part.target}: {alert.title}",
            message=f"{alert.message}\n\nGiven up after {delivery.attempts} attempts: {delivery.error}",
            dedup_key=f"dead_letter:{taken.part.target}:{alert.dedup_key}",
        )
        return Dispatch(id=uuid.uuid4().hex, alert=told, parts=self._desk.parts([str(target)]))

    def _delay(self, taken: Taken, delivery: Delivery) -> float | None:
        """Seconds until the next attempt, or None where there is none."""
        error = delivery.error
        if error is None or self._clock.time() - taken.stored >= self._rules.give_up_after:
            return None
        policy = self._desk.retry(taken.part.target)
        longest = max(self._rules.longest_backoff, policy.maximum)
        patient = attrs.evolve(policy, attempts=sys.maxsize, maximum=longest)
        return patient.delay(max(delivery.attempts, 1), error)

    def _write(self, work: Callable[[Connection, bool], object], claim: _Claim | None = None) -> None:
        """Write it now, or as soon as the database takes it: it has happened, and is not to happen again."""
        try:
            self._database.write(work)
        except QueueError as error:
            _log.warning("what an attempt came to is not written yet: %s", error)
            with self._changed:
                self._unwritten.append((claim, work))

    def _release(self, claim: _Claim) -> None:
        """Give a delivery back that was not attempted."""
        due, release = self._clock.time() + (not self._closing.is_set()), self._store.sql.release
        self._write(
            lambda connection, _: release.run(connection, id_=claim.taken.row, token=self._store.token, due_=due)
        )

    # what the worker's own thread does

    def _work(self) -> None:
        while not self._closing.is_set():
            pause = self._round()
            ends = self._clock.monotonic() + pause
            with self._changed:
                while not self._closing.is_set() and pause > 0:
                    self._clock.wait(self._changed, pause)
                    # What is new is no reason to ask a database again that refuses.
                    pause = ends - self._clock.monotonic() if self._trouble else 0.0

    def _round(self) -> float:
        """One look at the database; how long to wait for the next."""
        try:
            self._write_unwritten()
            self._keep_house()
            started = self._tell_buckets() + self._take()
        except QueueError as error:
            first, longest = TROUBLE
            with self._changed:
                self._trouble = min(max(self._trouble * 2, first), longest)
                self._clock.notify(self._changed, 1_000)
            _log.warning("the outbox waits %g s: %s", self._trouble, error)
            return self._trouble
        except Exception as error:  # noqa: BLE001 - the worker outlives whatever is wrong
            _log.error("the outbox's worker failed (%s)", type(error).__name__)
            return TROUBLE[1]
        self._trouble = 0.0
        return 0.0 if started else self._idle()

    def _idle(self) -> float:
        with self._changed:
            now = self._clock.time()
            free = [due for target, due in self._due.items() if len(self._mine[target]) < self._room(target)]
            free += [due for due in (self._bucket_due, self._silence_ends) if due is not None]
            soonest = min(free, default=now + self._rules.poll)
            if soonest == 0.0:
                return 0.0
            busy = any(self._mine.values())
            if not busy and not self._unwritten and soonest > now and not self._drained:
                self._drained = True
                self._clock.notify(self._changed, 1_000)
            return max(min(soonest - now, self._rules.poll), 0.001)

    def _take(self) -> int:
        """Lease what is due where there is room, and start it; how many."""
        now = self._clock.time()
        looks_at_all = not 0 <= now - self._looked < self._rules.poll  # other processes write too, and clocks go back
        with self._changed:
            wanted = {
                target: room
                for target, due in self._due.items()
                if (looks_at_all or due <= now) and (room := self._room(target) - len(self._mine[target])) > 0
            }
            for target in wanted:
                self._due[target] = now + self._rules.poll
            mine = {target: frozenset(self._mine[target]) for target in wanted}
        if looks_at_all:
            self._looked = now
        if not wanted:
            return 0

        def lease(connection: Connection, _: bool) -> tuple[list[Taken], Mapping[str, float | None], float | None]:
            found = [
                one
                for target, room in wanted.items()
                for one in self._store.take(
                    connection,
                    target,
                    now=now,
                    until=now + self._timeout(target) + MARGIN,
                    most=room,
                    mine=mine[target],
                    limit=self._desk.targets[target].limit,
                )
            ]
            following = {target: self._store.next_due(connection, target) for target in wanted}
            return found, following, self._next_bucket(connection)

        try:
            found, following, self._bucket_due = self._database.write(lease)
        except BaseException:
            self.notify(wanted)
            raise
        with self._changed:
            for target, due in following.items():
                if due is not None and self._due[target]:  # 0: something came meanwhile
                    self._due[target] = min(self._due[target], max(due, now))
        for taken in found:
            self._start(taken)
        return len(found)

    def _tell_buckets(self) -> int:
        """Tell the groups and digests that are due; how many summaries and single alerts that made."""
        now = self._clock.time()
        if self._bucket_due is None or self._bucket_due > now:
            return 0
        told = self._database.write(lambda connection, _: self._buckets.tell(connection, now))
        self.finish_gathered(told)
        with self._changed:
            self._bucket_due = None  # the next look at the database says
        self.notify([*told.targets, *self._due])
        return len(told.targets)

    def finish_gathered(self, told: Told) -> None:
        """Tell of the ends of dispatches that a summary has brought about."""
        for dispatch_id, alert, rows in told.finished:
            self._desk.finish(dispatch_id, alert, report_of(alert, rows))

    def _next_bucket(self, connection: Connection) -> float | None:
        found = self._store.sql.next_bucket.one(connection)
        return None if found is None else found[0]

    def _wake(self, connection: Connection, now: float) -> set[str]:
        """Put what was silenced and fires still; the targets that get it."""
        routes = {str(route.name): route for route in self._desk.routes}
        targets = set()
        for name, alert in self._state.woken(connection, now):
            if name not in routes:
                continue
            names = [one for one in routes[name].targets if alert.severity >= self._desk.targets[one].min_severity]
            parts, route = self._desk.parts(names), routes[name]
            dispatch = Dispatch(id=uuid.uuid4().hex, alert=alert, parts=parts, routes=(route,))
            plan = self._state.plan(connection, dispatch, now, self._desk.targets, self._desk.routes)
            if plan.placed:
                self._store.put(connection, dispatch, plan.placed, now)
            targets |= {part.target for part, _ in plan.placed}
        return targets

    def _start(self, taken: Taken) -> None:
        claim = _Claim(self, taken)
        with self._changed:
            if not (is_late := self._closing.is_set()):
                self._mine[taken.part.target][taken.row] = claim
        if is_late:
            self._release(claim)
            return
        if taken.crashed and not self._may_repeat(taken):
            error = UncertainDeliveryError("the process ended during the attempt; it may have arrived")
            delivery = Delivery(
                target=taken.part.target,
                kind="",
                recipient=taken.part.recipient,
                outcome=Outcome.UNCERTAIN,
                attempts=taken.attempts + 1,
                error=error,
            )
            claim.record(delivery, frozenset(taken.arrived))
            claim.settle(0, delivery)
            return
        attempts = taken.attempts + taken.crashed
        self._desk.start(claim, taken.dispatch, taken.part, attempts=attempts, arrived=taken.arrived)

    def _may_repeat(self, taken: Taken) -> bool:
        """Whether an attempt whose process died may be made once more."""
        is_late = self._clock.time() - taken.stored >= self._rules.give_up_after
        return self._desk.retry(taken.part.target).retry_uncertain and not is_late

    def _keep_house(self) -> None:
        """Once a minute: what a clock that went back has put off, targets that nobody has any more, old history."""
        now = self._clock.time()
        if 0 <= now - self._kept < 60 and (self._silence_ends is None or now < self._silence_ends):  # noqa: PLR2004 - a minute
            return
        self._kept = now
        longest = max([self._rules.longest_backoff, *(self._timeout(name) + MARGIN for name in self._desk.targets)])
        longest = max([longest, *(self._desk.retry(name).maximum for name in self._desk.targets)])

        def work(connection: Connection, _: bool) -> tuple[list[Taken], set[str], Row | None]:
            self._store.sql.heal.run(connection, now=now, horizon=now + longest)
            self._store.purge(connection, now - self._rules.keep, 1_000)
            self._state.sql.forget.run(connection, before=now - self._rules.keep)
            self._open_digests(connection, now)
            lost = []
            for target, _count in self._store.sql.targets.rows(connection):
                if target not in self._desk.targets:
                    lost += self._store.abandon(connection, target, now, now - self._rules.give_up_after)
            return lost, self._wake(connection, now), self._state.sql.next_end.one(connection, now=now)

        lost, woken, silence_ends = self._database.write(work)
        self._silence_ends = None if silence_ends is None else silence_ends[0]
        for taken in lost:
            self._bury(taken)
        if woken:
            self.notify(woken)

    def _open_digests(self, connection: Connection, now: float) -> None:
        """Where empty digests are sent too, each waits for its time from the start."""
        for route in self._desk.routes if self._rules.empty_digests else ():
            if route.digest is not None:
                name, due = str(route.name), next_time(route.digest, now)
                self._store.open_bucket(connection, f"digest:{name}", "digest", name, name, due, now)

    def _write_unwritten(self) -> None:
        while self._unwritten:
            claim, work = self._unwritten[0]
            self._database.write(work)
            with self._changed:
                self._unwritten.pop(0)
            if claim is not None:
                self._finish(claim)

    def _look_again(self, target: str, due: float) -> None:
        with self._changed:
            if self._due[target]:
                self._due[target] = min(self._due[target], due)

    def _room(self, target: str) -> int:
        """How many deliveries of a target may be out at once: one a worker where none may be attempted twice."""
        ahead = AHEAD if self._desk.retry(target).retry_uncertain else 1
        return self._desk.targets[target].concurrency * ahead

    def _timeout(self, target: str) -> float:
        return self._desk.targets[target].timeout
