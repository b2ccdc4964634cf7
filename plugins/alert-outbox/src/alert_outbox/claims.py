"""What is under way in this process: who may attempt it, and what came of each attempt, written down and told."""

from __future__ import annotations

import logging
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import attrs

from alert_core import Delivery, DeliveryError, QueueError, UncertainDeliveryError
from alert_core.queues import Desk, Dispatch, Outcome
from alert_outbox.database import Database
from alert_outbox.reports import report_of
from alert_outbox.statements import Connection
from alert_outbox.store import Ended, Store, Taken, arrived_json

MARGIN: Final = 5.0
"""Seconds by which a lease outlives the attempt's timeout."""
AHEAD: Final = 4
"""Deliveries taken out for each of a target's workers, so that one commit serves several."""
_log = logging.getLogger(__name__)
Work = Callable[[Connection, bool], Any]


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
class Claim:
    """One delivery under way: its lane calls it as the attempt goes."""

    claims: Claims
    taken: Taken
    began: bool = False
    released: bool = False
    recorded: bool = False
    ended: Ended | None = None
    """What its end brought about, once that is written."""
    told: bool = False

    def begin(self) -> bool:
        """As `alert_core.queues.Claim` says; so the next two."""
        return self.claims.begin(self)

    def record(self, delivery: Delivery, arrived: frozenset[tuple[str, str | None]]) -> bool:
        """What the attempt came to."""
        self.recorded = True
        return self.claims.record(self, delivery, arrived_json(arrived))

    def settle(self, index: int, delivery: Delivery) -> None:  # noqa: ARG002 - the ticket's signature
        """The observers have heard of it, or no attempt was made."""
        self.claims.settle(self, delivery)


class Claims:
    """The deliveries that this process has leased. Their lanes' threads call it, and the worker's.

    A delivery that is under way here is never taken a second time by this process, whatever its lease says.

    Args:
        database: where they are leased.
        store: what is written there.
        desk: makes the attempts.
        rules: when there is another one.
        changed: guards what changes; it is notified when there is room again.
        look: called with a target and when there is something to do for it, seconds since 1970; 0: now.
    """

    def __init__(
        self,
        database: Database,
        store: Store,
        desk: Desk,
        rules: Rules,
        changed: threading.Condition,
        look: Callable[[str, float], None],
    ) -> None:
        self._database = database
        self._store = store
        self._desk = desk
        self._rules = rules
        self._clock = desk.clock
        self._changed = changed
        self._look = look
        self._mine: dict[str, dict[int, Claim]] = {name: {} for name in desk.targets}
        self._unwritten: list[tuple[Claim | None, Work]] = []
        self._closing = False
        self.counts: Counter[str] = Counter()
        """What came of the attempts of this process: `delivered`, `retried`; and the `dead` that it told of."""

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, and nothing is left to write."""
        return not self._unwritten and not any(self._mine.values())

    def mine(self, target: str) -> frozenset[int]:
        """The deliveries of a target that are under way here."""
        return frozenset(self._mine[target])

    def room(self, target: str) -> int:
        """How many more of a target may be taken: one a worker where none may be attempted twice."""
        ahead = AHEAD if self._desk.retry(target).retry_uncertain else 1
        return self._desk.targets[target].concurrency * ahead - len(self._mine[target])

    def lease(self, target: str, now: float) -> float:
        """Until when a delivery is leased that is taken, or begun, now."""
        return now + self._desk.targets[target].timeout + MARGIN

    def start(self, taken: Taken) -> None:
        """Let a delivery that was leased be attempted, in its target's lane."""
        claim = Claim(self, taken)
        with self._changed:
            is_late = self._closing
            if not is_late:
                self._mine[taken.part.target][taken.row] = claim
        if is_late:
            self._release(claim)
        elif taken.crashed and not self._may_repeat(taken):
            error = UncertainDeliveryError("the process ended during the attempt; it may have arrived")
            delivery = taken.delivery(Outcome.UNCERTAIN, error, attempts=taken.attempts + 1)
            claim.record(delivery, frozenset(taken.arrived))
            claim.settle(0, delivery)
        else:
            attempts = taken.attempts + taken.crashed
            self._desk.start(claim, taken.dispatch, taken.part, attempts=attempts, arrived=taken.arrived)

    def close(self, ends: float) -> bool:
        """Begin no other attempt, wait until `ends` for those that run, give back the others; whether none runs."""
        with self._changed:
            self._closing = True
            waiting = [claim for claims in self._mine.values() for claim in claims.values() if not claim.began]
            for claim in waiting:
                claim.released = True
            while running := any(claim.began for claims in self._mine.values() for claim in claims.values()):
                left = ends - self._clock.monotonic()
                if left <= 0:
                    break
                self._clock.wait(self._changed, left)
        for claim in waiting:
            self._release(claim)
        self.write_unwritten()
        return not running

    def begin(self, claim: Claim) -> bool:
        """Whether the delivery may be attempted: it is leased to this process for long enough, or leased anew."""
        now, target = self._clock.time(), claim.taken.part.target
        with self._changed:
            if self._closing or claim.released:
                return False
            claim.began = True  # from here on nobody gives it back
            if now + self._desk.targets[target].timeout <= claim.taken.until:
                return True
        claim.taken = attrs.evolve(claim.taken, until=self.lease(target, now))
        values = {"id_": claim.taken.row, "token": self._store.token, "due_": claim.taken.until}
        try:
            claim.began = bool(self._database.write(lambda c, _: self._store.sql.renew.run(c, **values)))
        except QueueError:
            claim.began = False
        return claim.began

    def record(self, claim: Claim, delivery: Delivery, arrived: str) -> bool:
        """Write what an attempt came to; whether it is tried again."""
        taken, now = claim.taken, self._clock.time()
        delay = self._delay(taken, delivery)
        if delay is not None:
            due = now + delay
            self._write(lambda connection, _: self._store.retry_later(connection, taken, delivery, due, arrived))
            self._look(taken.part.target, due)
            self.counts["retried"] += 1
            return True
        notice = (
            None if delivery.outcome is Outcome.DELIVERED else self.notice(taken, delivery.error, delivery.attempts)
        )

        def end(connection: Connection, _: bool) -> Ended:
            ended = self._store.end(connection, taken, delivery, now, arrived)
            if notice is not None and ended.was_open:
                self.put_notice(connection, notice, now)
            return ended

        self._write(end, claim)
        return False

    def settle(self, claim: Claim, delivery: Delivery) -> None:
        """The observers know of the attempt: tell who waits, and make room for the next."""
        taken = claim.taken
        if not (claim.recorded or claim.released):
            self._release(claim)
        shown = delivery if claim.ended is not None else attrs.evolve(delivery, outcome=Outcome.QUEUED)
        self._desk.attempted(taken.dispatch.id, shown)
        self._tell(claim)
        with self._changed:
            self._mine[taken.part.target].pop(taken.row, None)
        self._look(taken.part.target, 0.0)

    def bury(self, taken: Taken) -> None:
        """Tell of a dead letter, and note that it was told: until then, another process would tell it."""
        _log.warning("%s: a delivery is a dead letter", taken.part.target)
        self.counts["dead"] += 1
        self._desk.drop(taken.dispatch.alert, "dead_letter", taken.part.target)
        now = self._clock.time()
        self._write(lambda connection, _: self._store.sql.tell.run(connection, id_=taken.row, now=now))
        if self._rules.dead_letter_target is not None:
            self._look(self._rules.dead_letter_target, 0.0)

    def notice(self, taken: Taken, error: DeliveryError | None, attempts: int) -> Dispatch | None:
        """What the dead letter target gets; of a notice there is none."""
        target, alert = self._rules.dead_letter_target, taken.dispatch.alert
        if target in {None, taken.part.target}:
            return None
        told = alert.evolve(
            id=str(uuid.uuid4()),
            title=f"Not delivered to {taken.part.target}: {alert.title}",
            message=f"{alert.message}\n\nGiven up after {attempts} attempts: {error}",
            dedup_key=f"dead_letter:{taken.part.target}:{alert.dedup_key}",
        )
        return Dispatch(id=uuid.uuid4().hex, alert=told, parts=self._desk.parts([str(target)]))

    def put_notice(self, connection: Connection, notice: Dispatch, now: float) -> None:
        """Write a notice, in the transaction that makes the dead letter."""
        self._store.put(connection, notice, [(part, None) for part in notice.parts], now, is_own=True)

    def write_unwritten(self) -> None:
        """Write what the database refused so far.

        Raises:
            QueueError: it refuses still.
        """
        while self._unwritten:
            claim, work = self._unwritten[0]
            result = self._database.write(work)
            with self._changed:
                self._unwritten.pop(0)
            if claim is not None:
                claim.ended = result
                self._tell(claim)

    def _tell(self, claim: Claim) -> None:
        """Once the end is written: tell of a dead letter, and of the dispatch if this was its last delivery."""
        with self._changed:
            ended, is_told = claim.ended, claim.told
            claim.told = ended is not None
        if ended is None or is_told or not ended.was_open:
            return
        if ended.is_dead:
            self.bury(claim.taken)
        else:
            self.counts["delivered"] += 1
        if ended.report is not None:
            alert = claim.taken.dispatch.alert
            self._desk.finish(claim.taken.dispatch.id, alert, report_of(alert, ended.report))

    def _delay(self, taken: Taken, delivery: Delivery) -> float | None:
        """Seconds until the next attempt, or None where there is none."""
        error = delivery.error
        if error is None or self._is_late(taken):
            return None
        policy = self._desk.retry(taken.part.target)
        longest = max(self._rules.longest_backoff, policy.maximum)
        patient = attrs.evolve(policy, attempts=sys.maxsize, maximum=longest)
        return patient.delay(max(delivery.attempts, 1), error)

    def _may_repeat(self, taken: Taken) -> bool:
        """Whether an attempt whose process died may be made once more."""
        return self._desk.retry(taken.part.target).retry_uncertain and not self._is_late(taken)

    def _is_late(self, taken: Taken) -> bool:
        return self._clock.time() - taken.stored >= self._rules.give_up_after

    def _write(self, work: Work, claim: Claim | None = None) -> None:
        """Write it now, or as soon as the database takes it: it has happened, and is not to happen again."""
        try:
            result = self._database.write(work)
        except QueueError as error:
            _log.warning("what an attempt came to is not written yet: %s", error)
            with self._changed:
                self._unwritten.append((claim, work))
        else:
            if claim is not None:
                claim.ended = result

    def _release(self, claim: Claim) -> None:
        """Give a delivery back that was not attempted."""
        due = self._clock.time() + (not self._closing)
        values = {"id_": claim.taken.row, "token": self._store.token, "due_": due}
        self._write(lambda connection, _: self._store.sql.release.run(connection, **values))
