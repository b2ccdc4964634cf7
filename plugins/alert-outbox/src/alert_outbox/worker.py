"""The worker: one thread that takes deliveries out when they are due."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterable, Mapping
from typing import Final

import attrs

from alert_core import Delivery, QueueError
from alert_core.queues import Desk
from alert_outbox.claims import Claims, Rules
from alert_outbox.database import Database
from alert_outbox.housekeeping import Housekeeping
from alert_outbox.intake import Intake, Planned, tell
from alert_outbox.reports import delivery_of
from alert_outbox.state import State
from alert_outbox.statements import Connection
from alert_outbox.store import Store, Taken
from alert_outbox.summaries import Buckets

TROUBLE: Final = (1.0, 30.0)
"""Seconds of the first and the longest pause while the database refuses."""
AWAITED: Final = 200
"""Dispatches whose tickets are told, in one look, of what other processes have done."""
_log = logging.getLogger(__name__)


@attrs.frozen
class _Found:
    """What one look at the database gives."""

    taken: list[Taken]
    following: Mapping[str, float | None]
    bucket_due: float | None
    known: list[tuple[str, float | None, list[Delivery]]]
    planned: list[Planned]


class Worker:
    """One thread that leases; the lanes' threads attempt, and record what came of it."""

    def __init__(
        self, database: Database, store: Store, state: State, intake: Intake, desk: Desk, rules: Rules
    ) -> None:
        self._database = database
        self._store = store
        self._intake = intake
        self._desk = desk
        self._poll = rules.poll
        self._clock = desk.clock
        self._changed = threading.Condition()
        self._due: dict[str, float] = dict.fromkeys(desk.targets, 0.0)  # when to look; 0: at once
        self._bucket_due: float | None = None
        self._claims = Claims(database, store, desk, rules, self._changed, self._look)
        self._housekeeping = Housekeeping(database, store, state, desk, rules, self._claims)
        self._buckets = Buckets(store, desk, empty_digests=rules.empty_digests)
        self._looked = 0.0
        self._trouble = 0.0
        self._closing = threading.Event()
        self._drained = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its thread runs, or is about to."""
        return self._thread is not None and not self._closing.is_set()

    @property
    def counts(self) -> Mapping[str, int]:
        """What came of the attempts of this process: how many were `delivered`, `retried`, or given up: `dead`."""
        return self._claims.counts

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

    def notify(self, targets: Iterable[str], bucket_due: float | None = None) -> None:
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
        """Take nothing out any more, and wait until `ends` for what runs; whether nothing does.

        Raises:
            QueueError: the database refuses what an attempt came to.
        """
        with self._changed:
            self._closing.set()
            self._clock.notify(self._changed, 1_000)
        return self._claims.close(ends)

    def _look(self, target: str, due: float) -> None:
        """There will be something to do for a target."""
        with self._changed:
            self._due[target] = min(self._due[target], due)
            self._clock.notify(self._changed, 1_000)

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
            self._claims.write_unwritten()
            if woken := self._housekeeping.run(self._clock.time()):
                self.notify(woken)
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
            due = [due for target, due in self._due.items() if self._claims.room(target) > 0]
            due += [one for one in (self._bucket_due, self._housekeeping.silence_ends) if one is not None]
            soonest = min(due, default=now + self._poll)
            if soonest == 0.0:
                return 0.0
            if self._claims.is_idle and soonest > now and not self._drained:
                self._drained = True
                self._clock.notify(self._changed, 1_000)
            return max(min(soonest - now, self._poll), 0.001)

    def _take(self) -> int:
        """Lease what is due where there is room, and start it; how many."""
        now = self._clock.time()
        looks_at_all = not 0 <= now - self._looked < self._poll  # other processes write too, and clocks go back
        with self._changed:
            wanted = {
                target: room
                for target, due in self._due.items()
                if (looks_at_all or due <= now) and (room := self._claims.room(target)) > 0
            }
            for target in wanted:
                self._due[target] = now + self._poll
        if looks_at_all:
            self._looked = now
        elif not wanted:
            return 0
        awaited = self._awaited() if looks_at_all else []
        try:
            found = self._database.write(
                lambda connection, _: self._leased(connection, wanted, awaited, now, takes_in=looks_at_all)
            )
        except BaseException:
            self.notify(wanted)
            raise
        with self._changed:
            self._bucket_due = found.bucket_due
            for target, due in found.following.items():
                if due is not None and self._due[target]:  # 0: something came meanwhile
                    self._due[target] = min(self._due[target], max(due, now))
        tell(self._desk, found.planned)
        for taken in found.taken:
            self._claims.start(taken)
        for dispatch_id, due, deliveries in found.known:
            self._desk.found(dispatch_id, deliveries, due)
        return len(found.taken)

    def _leased(
        self, connection: Connection, wanted: Mapping[str, int], awaited: Iterable[str], now: float, *, takes_in: bool
    ) -> _Found:
        """Lease what is due, planned just now or before; and look who waits, and when something is due next."""
        planned = self._intake.plan(connection, self._desk) if takes_in else []
        taken = [
            one
            for target, room in wanted.items()
            for one in self._store.take(
                connection,
                target,
                now=now,
                until=self._claims.lease(target, now),
                most=room,
                mine=self._claims.mine(target),
                limit=self._desk.targets[target].limit,
            )
        ]
        following = {target: self._store.next_due(connection, target) for target in wanted}
        bucket_due = self._store.sql.next_bucket.one(connection)
        quiet = [found for one in awaited if (found := self._store.sql.quiet.one(connection, id_=one))]
        known = [(*one, [*map(delivery_of, self._store.sql.report.rows(connection, id_=one[0]))]) for one in quiet]
        return _Found(taken, following, bucket_due[0] if bucket_due else None, known, planned)

    def _awaited(self) -> list[str]:
        """Dispatches of this process that another one may have ended, or gathered."""
        awaited = self._desk.awaited
        return awaited if len(awaited) <= AWAITED else random.sample(awaited, AWAITED)

    def _tell_buckets(self) -> int:
        """Tell the groups and digests that are due; to how many targets."""
        now = self._clock.time()
        if self._bucket_due is None or self._bucket_due > now:
            return 0
        told = self._database.write(lambda connection, _: self._buckets.tell(connection, now))
        self._buckets.finish(told)
        with self._changed:
            self._bucket_due = None  # the next look at the database says
        self.notify([*told.targets, *self._due])
        return len(told.targets)
