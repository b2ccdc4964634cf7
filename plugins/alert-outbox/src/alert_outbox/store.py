"""What is written and read: each method is one unit of work on one connection, in the transaction of its caller."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import attrs
from sqlalchemy.engine import Dialect

from alert_core import Alert, Delivery, DeliveryError, PermanentDeliveryError, Severity, Status
from alert_core.queues import Dispatch, Outcome, Part
from alert_outbox.queries import CLAUSES
from alert_outbox.schema import DEAD, DELIVERED, GATHERED, HELD, WAITING
from alert_outbox.statements import Connection, Row, Statements

_log = logging.getLogger(__name__)
_UNREADABLE: Final = Alert("an alert that cannot be read", "see alertctl outbox list --state dead")
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode
Placed = tuple[Part, str | None]
"""A delivery, and the bucket in which it is gathered, if it is."""
CRITICAL: Final = Severity.CRITICAL.rank
_RESOLVED: Final = Status.RESOLVED.value
TELL_WITHIN: Final = 60.0
"""Seconds after which a dead letter that nobody has told of is told by whichever process looks."""
SUMMARY: Final = 9
"""The rank of a summary: no rate holds it up a second time."""


@attrs.frozen(kw_only=True)
class Taken:
    """One delivery as a worker takes it out.

    Attributes:
        row: its id in the table.
        dispatch: the alert, and the id of its dispatch.
        part: target and recipient.
        attempts: made so far.
        stored: when it was enqueued, seconds since 1970.
        crashed: a worker had it, and its lease ran out: an attempt may have been under way.
        arrived: of a failover, who has it already.
        until: when the lease ends.
    """

    row: int
    dispatch: Dispatch
    part: Part
    attempts: int
    stored: float
    crashed: bool
    arrived: tuple[tuple[str, str | None], ...] = ()
    rank: int = 0
    until: float = 0.0

    @property
    def is_readable(self) -> bool:
        """Whether it has the alert that was stored, and no stand-in."""
        return self.dispatch.alert is not _UNREADABLE

    def delivery(self, outcome: Outcome, error: DeliveryError, attempts: int) -> Delivery:
        """A record of an end that no attempt brought about."""
        part = self.part
        return Delivery(
            target=part.target, kind="", recipient=part.recipient, outcome=outcome, attempts=attempts, error=error
        )

    @classmethod
    def of(cls, row: Row, until: float = 0.0) -> Taken:
        """Read what `_taken()` selects."""
        number, dispatch, target, recipient, attempts, stored, lease, arrived, body, rank = row
        alert = Alert.from_dict(json.loads(body))
        part = Part(target, recipient)
        return cls(
            row=number,
            dispatch=Dispatch(id=dispatch, alert=alert, parts=(part,)),
            part=part,
            attempts=attempts,
            stored=stored,
            crashed=lease is not None,
            arrived=tuple((child, to) for child, to in json.loads(arrived or "[]")),
            rank=rank,
            until=until,
        )


@attrs.frozen(kw_only=True)
class Ended:
    """What ending a delivery brought about.

    Attributes:
        was_open: whether it was still open.
        is_dead: it is a dead letter now.
        report: of its dispatch, where that was the last one: it is to be told.
    """

    was_open: bool
    is_dead: bool = False
    report: tuple[Row, ...] | None = None


class Store:
    """The statements in one database's dialect, and the process's name for its leases."""

    def __init__(self, dialect: Dialect, token: str) -> None:
        self.sql = Statements(dialect, CLAUSES)
        self.token = token

    def put(
        self,
        connection: Connection,
        dispatch: Dispatch,
        placed: Sequence[Placed],
        now: float,
        *,
        is_own: bool = False,
        is_summary: bool = False,
    ) -> None:
        """Insert an alert and its deliveries. The outbox's own alerts are no events; a rate holds no summary up."""
        alert, body = dispatch.alert, dispatch.alert.to_dict()
        self.sql.insert_alert.run(
            connection,
            id_=dispatch.id,
            alert_id_=alert.id,
            title_=alert.title,
            severity_=alert.severity.rank,
            source_=alert.source,
            status_=body["status"],
            dedup_key_=alert.dedup_key,
            body_=_compact(body),
            own_=int(is_own or is_summary),
            stored_=now,
            open_=len(placed),
        )
        self.sql.insert_delivery.run_many(
            connection,
            [
                {
                    "dispatch_": dispatch.id,
                    "position_": position,
                    "target_": part.target,
                    "recipient_": part.recipient,
                    "order_key_": order_key(part, alert.dedup_key, bucket),
                    "bucket_": bucket,
                    "rank_": SUMMARY if is_summary else alert.severity.rank,
                    "due_": now,
                    "stored_": now,
                }
                for position, (part, bucket) in enumerate(placed)
            ],
        )

    def take(
        self,
        connection: Connection,
        target: str,
        *,
        now: float,
        until: float,
        most: int,
        mine: Collection[int],
        limit: Any = None,
    ) -> list[Taken]:
        """Lease at most `most` deliveries that are due, but none of `mine`, which this process has already."""
        # The rate first, then deliveries: of two hosts, neither has locked what the other waits for.
        spent = None if limit is None else self._spent(connection, target, now)
        rows = self.sql.due.rows(connection, target_=target, now=now, most=most + len(mine))
        rows, over = [row for row in rows if row[0] not in mine][:most], -1
        if spent is not None:
            rows, over = self._within(connection, target, rows, limit, spent, now)
        taken = [one for row in rows if (one := self._readable(connection, row, now, until))]
        self.sql.lease.run_many(
            connection,
            [
                {"id_": one.row, "lease_": self.token, "due_": until, "attempts_": one.attempts + one.crashed}
                for one in taken
            ],
        )
        if over >= 0:  # what has passed is leased by now: it is not gathered
            bucket = f"rate:{target}"
            self.sql.gather.run(connection, target_=target, bucket_=bucket, most_rank=over)
            self.sql.gather_resolves.run(connection, target_=target, bucket_=bucket)
            self.sql.free_heads.run(connection, target_=target)
            self.open_bucket(connection, bucket, "rate", target, target, now + limit.seconds, now)
        return taken

    def _spent(self, connection: Connection, target: str, now: float) -> Row:
        """How much of a target's rate was spent, and when that was so; now locked."""
        while (found := self.sql.spent.one(connection, target_=target)) is None:
            self.sql.insert_spent.run(connection, target_=target, now=now)
        return found

    def _within(
        self, connection: Connection, target: str, rows: list[Row], limit: Any, spent: Row, now: float
    ) -> tuple[list[Row], int]:
        """Those that the target's rate lets pass, critical ones three times as many; up to which rank others wait."""
        used = max(spent[0] - max(now - spent[1], 0.0) * limit.count / limit.seconds, 0.0)
        passed, over = [], -1
        for row in rows:
            rank, is_first = row[-1], row[4] == 0 and row[6] is None
            allowed = limit.count * (3 if rank == CRITICAL else 1)
            if rank == SUMMARY or not is_first:
                passed.append(row)
            elif used + 1 <= allowed + 1e-9:
                used += 1
                passed.append(row)
            else:
                over = max(over, rank if rank == CRITICAL else CRITICAL - 1)
        self.sql.spend.run(connection, target_=target, spent_=used, now=now)
        return passed, over

    def open_bucket(
        self, connection: Connection, bucket: str, kind: str, name: str, label: str, due: float, now: float
    ) -> float:
        """Let a bucket be told at `due`, or when it is to be told already if that is sooner; when that is."""
        found = self.sql.bucket.one(connection, id_=bucket)
        if found is None:
            self.sql.insert_bucket.run(connection, id_=bucket, kind_=kind, name_=name, label_=label, due_=due)
            found = self.sql.bucket.one(connection, id_=bucket)
        until, told = found or (due, None)
        due = due if until is None else min(until, due)
        self.sql.set_bucket.run(connection, id_=bucket, due_=max(due, now), told_=told)
        return due

    def gathered(self, connection: Connection, bucket: str) -> list[Taken]:
        """What is to be told together; one that nobody can read goes its own way, and ends as a dead letter."""
        found = [_read(row) for row in self.sql.gathered.rows(connection, bucket_=bucket)]
        for one in found:
            if not one.is_readable:
                self.tell_alone(connection, one, one.stored)
        return [one for one in found if one.is_readable]

    def digest(self, connection: Connection, route: str) -> list[Taken]:
        """What a route's digest has gathered so far; only read."""
        found = map(_read, self.sql.gathered_now.rows(connection, bucket_=f"digest:{route}"))
        return [one for one in found if one.is_readable]

    def tell_alone(self, connection: Connection, one: Taken, now: float) -> None:
        """Let go what is gathered."""
        if (found := self.sql.tell_alone.one(connection, id_=one.row, now=now)) is not None:
            self._in_order(connection, one.row, found[0])

    def _in_order(self, connection: Connection, row: int, key: str) -> None:
        """Let the first of this row's key go before those that wait already; what is under way is."""
        locked: list[Row] | None = None
        while (found := self.sql.lock_key.rows(connection, id_=row)) != locked:
            locked = found  # and once more: the end of one that was waited for has let another go
        self.sql.hold.run(connection, order_key_=key)
        self.sql.free_next.run(connection, order_key_=key)

    def gathering(self, connection: Connection, key: str) -> tuple[str, float] | None:
        """The bucket in which the last delivery of a key is still gathered, now locked, and when that is told."""
        found = self.sql.last.one(connection, order_key_=key)
        if found is not None and found[1] in {WAITING, HELD}:  # another process may gather it just now
            found = self.sql.last_locked.one(connection, order_key_=key)
        if found is None or found[1] != GATHERED:
            return None
        bucket = found[2]
        due, _ = self.sql.bucket.one(connection, id_=bucket) or (None, None)  # none: told just now
        return None if due is None else (bucket, due)

    def is_overtaken(self, connection: Connection, one: Taken) -> bool:
        """Whether a later one of its key went out while it was gathered."""
        key = order_key(one.part, one.dispatch.alert.dedup_key)
        return bool((self.sql.last.one(connection, order_key_=key) or (0,))[0] > one.row)

    def _readable(self, connection: Connection, row: Row, now: float, until: float) -> Taken | None:
        """The row, or None where nobody can read its alert: it is a dead letter then, and holds up no other."""
        taken = _read(row, until)
        if taken.is_readable:
            return taken
        _log.error("delivery %d cannot be read; it is a dead letter", taken.row)
        self._bury(connection, taken, PermanentDeliveryError("the stored alert cannot be read"), now)
        return None

    def _bury(self, connection: Connection, taken: Taken, error: DeliveryError, now: float) -> None:
        """End a delivery that no attempt can be made of; it is told when somebody looks for what is not."""
        delivery = taken.delivery(Outcome.PERMANENT, error, taken.attempts)
        self.sql.lease.run(connection, id_=taken.row, lease_=self.token, due_=now, attempts_=taken.attempts)
        self.end(connection, taken, delivery, now)
        self.sql.put_off.run(connection, id_=taken.row, due_=now)

    def next_due(self, connection: Connection, target: str) -> float | None:
        """When the next delivery of a target is due, or its lease ends."""
        found = self.sql.next_due.one(connection, target_=target)
        return None if found is None else found[0]

    def retry_later(self, connection: Connection, taken: Taken, delivery: Delivery, due: float, arrived: str) -> None:
        """Note a failed attempt, unless another worker has the delivery meanwhile."""
        self.sql.retry_later.run(
            connection,
            id_=taken.row,
            token=self.token,
            due_=due,
            attempts_=delivery.attempts,
            result_=json.dumps(delivery.to_dict()),
            arr=arrived,
        )

    def end(self, connection: Connection, taken: Taken, delivery: Delivery, now: float, arrived: str = "[]") -> Ended:
        """Note the end of a delivery: delivered, or dead. What was delivered is so whoever has the lease now."""
        delivered = delivery.outcome is Outcome.DELIVERED
        values: dict[str, Any] = {
            "id_": taken.row,
            "state_": DELIVERED if delivered else DEAD,
            "ended_": now,
            "attempts_": delivery.attempts,
            "due_": now if delivered else now + TELL_WITHIN,
            "result_": json.dumps(delivery.to_dict()),
            "arrived_": arrived,
        }
        self.sql.lock_key.run(connection, id_=taken.row)
        if delivered:
            ended = self.sql.end.one(connection, **values)
        else:
            ended = self.sql.end_if_leased.one(connection, **values, token=self.token)
        if ended is None:
            return Ended(was_open=False)
        self.sql.free_next.run(connection, order_key_=ended[0])
        (left,) = self.sql.close_one.one(connection, id_=taken.dispatch.id, now=now) or (1,)
        if left or not self.sql.finish.run(connection, id_=taken.dispatch.id, now=now):
            return Ended(was_open=True, is_dead=not delivered)
        return Ended(
            was_open=True, is_dead=not delivered, report=tuple(self.sql.report.rows(connection, id_=taken.dispatch.id))
        )

    def abandon(
        self, connection: Connection, target: str, error: DeliveryError, now: float, before: float, most: int
    ) -> list[Taken]:
        """End what has waited since before then for a target: dead letters, still to be told; what it was."""
        lost = [
            _read(row)
            for row in self.sql.open_of_target.rows(connection, target_=target, before=before, now=now, most=most)
        ]
        for one in lost:
            self._bury(connection, one, error, now)
        return lost

    def untold(self, connection: Connection, now: float) -> list[Taken]:
        """Dead letters that are to be told here: who was to tell them is gone, or nobody was."""
        found = [_read(row) for row in self.sql.untold.rows(connection, now=now, most=1_000)]
        self.sql.put_off.run_many(connection, ({"id_": one.row, "due_": now + TELL_WITHIN} for one in found))
        return found

    def revive(self, connection: Connection, now: float, number: int | None, target: str | None) -> int:
        """Let dead letters wait again, as if they were enqueued now: the one, those of a target, or all; how many.

        A resolve of what has fired anew since stays dead: it would close that.
        """
        count = 0
        for row, dispatch, key, status in self.sql.dead.rows(connection, number=number, target_=target):
            state, later = self.sql.later.one(connection, order_key_=key, id_=row) or (None, status)
            if status == _RESOLVED and later != _RESOLVED:
                _log.warning("delivery %d resolves what has fired anew since: it is not tried again", row)
                continue
            if state == DELIVERED:
                _log.warning("delivery %d is tried again after a later one of its dedup key was delivered", row)
            count += 1
            self.sql.revive.run(connection, id_=row, now=now)
            self.sql.open_one.run(connection, id_=dispatch)
            self._in_order(connection, row, key)
        return count

    def purge(self, connection: Connection, before: float, most: int) -> int:
        """Delete alerts whose last delivery ended before then; how many."""
        found = [{"id_": row[0]} for row in self.sql.old.rows(connection, before=before, most=most)]
        self.sql.delete_deliveries.run_many(connection, found)
        self.sql.delete_alert.run_many(connection, found)
        return len(found)


def _read(row: Row, until: float = 0.0) -> Taken:
    """What `_taken()` selects; a stand-in for an alert that nobody can read."""
    try:
        return Taken.of(row, until)
    except (ValueError, TypeError, KeyError):
        number, dispatch, target, recipient, attempts, stored, *_ = row
        return Taken(
            row=number,
            dispatch=Dispatch(id=dispatch, alert=_UNREADABLE, parts=()),
            part=Part(target, recipient),
            attempts=attempts,
            stored=stored,
            crashed=False,
        )


def order_key(part: Part, dedup_key: str, bucket: str | None = None) -> str:
    """What deliveries that must keep their order share; what a digest gathers holds up nothing else."""
    digest = [bucket] if bucket is not None and bucket.startswith("digest:") else []
    text = json.dumps([part.target, part.recipient, dedup_key, *digest])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def arrived_json(arrived: Iterable[tuple[str, str | None]]) -> str:
    """Who has a failover's alert already, as `Taken.of()` reads it."""
    return json.dumps(sorted(arrived, key=str))
