"""What is written and read: each method is one unit of work on one connection, in the transaction of its caller."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

import attrs
from sqlalchemy.engine import Dialect

from alert_core import Alert, Delivery, PermanentDeliveryError, Severity
from alert_core.queues import Dispatch, Outcome, Part
from alert_outbox.queries import CLAUSES
from alert_outbox.schema import DEAD, DELIVERED
from alert_outbox.statements import Connection, Row, Statements

_log = logging.getLogger(__name__)
_UNREADABLE: Final = Alert("an alert that cannot be read", "see alertctl outbox list --state dead")
Placed = tuple[Part, str | None]
"""A delivery, and the bucket in which it is gathered, if it is."""
RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}
CRITICAL: Final = RANKS[Severity.CRITICAL]
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
    """What ending a delivery brought about: whether it was still open, and the report if that was the last one."""

    was_open: bool
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
        is_summary: bool = False,
    ) -> None:
        """Insert an alert and its deliveries."""
        body = json.dumps(dispatch.alert.to_dict(), separators=(",", ":"))
        self.sql.insert_alert.run(
            connection, id_=dispatch.id, alert_id_=dispatch.alert.id, body_=body, stored_=now, open_=len(placed)
        )
        self.sql.insert_delivery.run_many(
            connection,
            [
                {
                    "dispatch_": dispatch.id,
                    "position_": position,
                    "target_": part.target,
                    "recipient_": part.recipient,
                    "order_key_": order_key(part, dispatch.alert.dedup_key),
                    "bucket_": bucket,
                    "rank_": SUMMARY if is_summary else RANKS[dispatch.alert.severity],
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
        rows = self.sql.due.rows(connection, target_=target, now=now, most=most + len(mine))
        rows = [row for row in rows if row[0] not in mine]
        if limit is not None:
            rows = self._within(connection, target, rows, limit, now)
        taken = [one for row in rows[:most] if (one := self._readable(connection, row, now, until))]
        self.sql.lease.run_many(
            connection,
            [
                {"id_": one.row, "lease_": self.token, "due_": until, "attempts_": one.attempts + one.crashed}
                for one in taken
            ],
        )
        return taken

    def _within(self, connection: Connection, target: str, rows: list[Row], limit: Any, now: float) -> list[Row]:
        """Those that the target's rate lets pass: critical ones three times as many. The others are gathered."""
        spent, at = self.sql.spent.one(connection, target_=target) or (None, now)
        if spent is None:
            self.sql.insert_spent.run(connection, target_=target, now=now)
        used = max((spent or 0.0) - max(now - at, 0.0) * limit.count / limit.seconds, 0.0)
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
        if over >= 0:
            bucket = f"rate:{target}"
            self.sql.gather.run(connection, target_=target, bucket_=bucket, most_rank=over)
            self.sql.free_heads.run(connection, target_=target)
            self.open_bucket(connection, bucket, "rate", target, target, now + limit.seconds, now)
        return passed

    def open_bucket(
        self, connection: Connection, bucket: str, kind: str, name: str, label: str, due: float, now: float
    ) -> float:
        """Let a bucket be told at `due`, or when it is to be told already if that is sooner; when that is."""
        found = self.sql.bucket.one(connection, id_=bucket)
        if found is None:
            self.sql.insert_bucket.run(connection, id_=bucket, kind_=kind, name_=name, label_=label, due_=due)
            return due
        due = due if found[0] is None else min(found[0], due)
        self.sql.set_bucket.run(connection, id_=bucket, due_=max(due, now), told_=found[1])
        return due

    def _readable(self, connection: Connection, row: Row, now: float, until: float) -> Taken | None:
        """The row, or None where nobody can read its alert: it is a dead letter then, and holds up no other."""
        try:
            return Taken.of(row, until)
        except (ValueError, TypeError, KeyError):
            _log.error("delivery %d cannot be read; it is a dead letter", row[0])
        unreadable = Taken(
            row=row[0],
            dispatch=Dispatch(id=row[1], alert=_UNREADABLE, parts=()),
            part=Part(row[2], row[3]),
            attempts=row[4],
            stored=row[5],
            crashed=False,
        )
        self._bury(connection, unreadable, "the stored alert cannot be read", now)
        return None

    def _bury(self, connection: Connection, taken: Taken, why: str, now: float) -> None:
        """End a delivery that no attempt can be made of."""
        error = PermanentDeliveryError(why)
        delivery = Delivery(
            target=taken.part.target,
            kind="",
            recipient=taken.part.recipient,
            outcome=Outcome.PERMANENT,
            attempts=taken.attempts,
            error=error,
        )
        self.sql.lease.run(connection, id_=taken.row, lease_=self.token, due_=now, attempts_=taken.attempts)
        self.end(connection, taken, delivery, now)

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
            "result_": json.dumps(delivery.to_dict()),
            "arrived_": arrived,
        }
        if delivered:
            ended = self.sql.end.one(connection, **values)
        else:
            ended = self.sql.end_if_leased.one(connection, **values, token=self.token)
        if ended is None:
            return Ended(was_open=False)
        self.sql.free_next.run(connection, order_key_=ended[0])
        (left,) = self.sql.close_one.one(connection, id_=taken.dispatch.id, now=now) or (1,)
        if left or not self.sql.finish.run(connection, id_=taken.dispatch.id, now=now):
            return Ended(was_open=True)
        return Ended(was_open=True, report=tuple(self.sql.report.rows(connection, id_=taken.dispatch.id)))

    def abandon(self, connection: Connection, target: str, now: float, before: float) -> list[Taken]:
        """End what has waited since before then for a target that no configuration has any more: dead letters."""
        rows = self.sql.open_of_target.rows(connection, target_=target, before=before, most=1_000)
        lost = [Taken.of(row) for row in rows]
        for one in lost:
            self._bury(connection, one, "no target of this name is configured any more", now)
        return lost

    def revive(self, connection: Connection, now: float, number: int | None, target: str | None) -> int:
        """Let dead letters wait again, as if they were enqueued now: the one, those of a target, or all; how many."""
        found = self.sql.dead.rows(connection, number=number, target_=target)
        for row, dispatch, key in found:
            self.sql.revive.run(connection, id_=row, now=now)
            self.sql.open_one.run(connection, id_=dispatch)
            self.sql.free_next.run(connection, order_key_=key)
        return len(found)

    def purge(self, connection: Connection, before: float, most: int) -> int:
        """Delete alerts whose last delivery ended before then; how many."""
        found = [{"id_": row[0]} for row in self.sql.old.rows(connection, before=before, most=most)]
        self.sql.delete_deliveries.run_many(connection, found)
        self.sql.delete_alert.run_many(connection, found)
        return len(found)


def order_key(part: Part, dedup_key: str) -> str:
    """What deliveries that must keep their order share."""
    text = json.dumps([part.target, part.recipient, dedup_key])
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def arrived_json(arrived: Iterable[tuple[str, str | None]]) -> str:
    """Who has a failover's alert already, as `Taken.of()` reads it."""
    return json.dumps(sorted(arrived, key=str))
