"""What an outbox holds: for the command line, status pages and metrics. It only reads, and needs no worker.

Every method opens a connection of its own and reads what is committed, whichever process wrote it. `since` and `until`
are aware datetimes; each record has `to_dict()`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from alert_core import Severity, Status
from alert_outbox.database import Database
from alert_outbox.records import Firing, Hour, Latency, Overview, StoredAlert, StoredDelivery, TargetOverview, moment
from alert_outbox.schema import ALERTS, DEAD, DELIVERED, DELIVERIES, EVENTS, GATHERED, HELD, WAITING
from alert_outbox.statements import Row, Statement

STATES: Final = (WAITING, HELD, GATHERED, DELIVERED, DEAD)
"""What a delivery may be: `waiting` for its attempt, `held` behind an earlier one of its dedup key, `gathered` for a
group, a digest or a rate's summary, `delivered`, or `dead`: given up."""
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
_SEVERITIES: Final = tuple(Severity)
_A: Final = ALERTS.c
_D: Final = DELIVERIES.c
_E: Final = EVENTS.c


class Inspection:
    """What an outbox holds: `Outbox.inspection`. Its methods raise QueueError where the database refuses or has no
    tables yet.
    """

    def __init__(self, database: Database, time: Callable[[], float]) -> None:
        self._database = database
        self._time = time

    def overview(self) -> Overview:
        """All deliveries, by target and state."""
        now = self._time()
        is_open = _D.state.in_([sa.literal_column(f"'{state}'") for state in (WAITING, HELD, GATHERED)])
        under_way = sa.and_(_D.state == WAITING, _D.lease.is_not(None), _D.due > now)
        rows = self._rows(
            sa.select(
                _D.target,
                *(sa.func.count(sa.case((_D.state == state, 1))) for state in STATES),
                sa.func.count(sa.case((under_way, 1))),
                sa.func.min(sa.case((is_open, _D.stored))),
                sa.func.max(sa.case((is_open, _D.attempts), else_=0)),
            )
            .group_by(_D.target)
            .order_by(_D.target)
        )
        names = ("target", *STATES, "under_way", "oldest_open", "most_attempts")
        found = [dict(zip(names, row, strict=True)) for row in rows]
        targets = tuple(TargetOverview(**one | {"oldest_open": moment(one["oldest_open"])}) for one in found)
        return Overview(at=moment(now), targets=targets)

    def deliveries(  # noqa: PLR0913 - each is a filter of its own
        self,
        *,
        state: str | None = None,
        target: str | None = None,
        alert_id: str | None = None,
        severity: Severity | str | None = None,
        source: str | None = None,
        text: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 50,
    ) -> list[StoredDelivery]:
        """Deliveries, the latest first; of each filter that is given, those to which it applies.

        Args:
            state: one of STATES.
            target: the target's name.
            alert_id: of the alert.
            severity: this one; as ">=error", at least this one.
            source: exactly this one.
            text: in the title, in whatever case.
            since: enqueued then or later.
            until: enqueued before.
            before: earlier than the delivery of this number: the last one's of a page gives the next page.
            limit: at most so many.

        Raises:
            ValueError: a state or severity that there is not.
        """
        if state is not None and state not in STATES:
            raise ValueError(f"a delivery is never {state!r}; its states are {', '.join(STATES)}")
        equal = {_D.state: state, _D.target: target, _A.alert_id: alert_id, _A.source: source}
        conditions: list[Any] = [column == value for column, value in equal.items() if value is not None]
        if severity is not None:
            conditions.append(_severe(str(severity)))
        if text is not None:
            conditions.append(sa.func.lower(_A.title, type_=sa.Text).contains(text.lower(), autoescape=True))
        if since is not None:
            conditions.append(_D.stored >= since.timestamp())
        if until is not None:
            conditions.append(_D.stored < until.timestamp())
        if before is not None:
            conditions.append(_D.id < before)
        return self._deliveries(_LISTED.where(*conditions).order_by(_D.id.desc()).limit(limit))

    def delivery(self, number: int) -> StoredDelivery | None:
        """The delivery of this number, or None."""
        found = self._deliveries(_LISTED.where(_D.id == number))
        return found[0] if found else None

    def alert(self, alert_id: str) -> StoredAlert | None:
        """The alert of this id with all its deliveries, or None."""
        body = self._rows(sa.select(_A.body).where(_A.alert_id == alert_id).order_by(_A.stored.desc()).limit(1))
        if not body:
            return None
        deliveries = self._deliveries(_LISTED.where(_A.alert_id == alert_id).order_by(_D.id))
        return StoredAlert(alert=json.loads(body[0][0]), deliveries=tuple(deliveries))

    def firing(self, since: datetime | None = None) -> list[Firing]:
        """What fires now, the latest first.

        What a route with `repeat_every` remembers, or a silence keeps quiet, is known however long ago it was heard.
        Of other alerts, the history since then is looked through.

        Args:
            since: default: a day ago.
        """
        found = {one.dedup_key: one for one in self._in_history(self._since(since))}
        events = self._rows(
            sa.select(_E.dedup_key, _E.route, _E.count, _E.first_seen, _E.last_seen, _E.silenced, _E.body).order_by(
                _E.last_seen, _E.route
            )
        )
        for key in dict.fromkeys(row[0] for row in events):
            mine = [row for row in events if row[0] == key]
            found[key] = Firing(
                dedup_key=key,
                alert=json.loads(mine[-1][6]),
                routes=tuple(row[1] for row in mine),
                count=max(row[2] for row in mine),
                first_seen=moment(min(row[3] for row in mine)),
                last_seen=moment(mine[-1][4]),
                silenced=any(row[5] for row in mine),
            )
        return sorted(found.values(), key=lambda one: (one.last_seen, one.dedup_key), reverse=True)

    def hours(self, count: int = 24) -> list[Hour]:
        """The alerts of the last so many hours by severity, the earliest first; the last hour is the current one.

        Hours are whole ones of UTC. Summaries and notices of dead letters are no alerts of their own.
        """
        first = (self._time() // HOUR - count + 1) * HOUR
        clause = (
            sa.select(_A.severity, sa.func.count())
            .where(_A.stored >= sa.bindparam("first"), _A.stored < sa.bindparam("first") + HOUR, _A.own == 0)
            .group_by(_A.severity)
        )
        statement = Statement(clause, self._database.dialect)
        starts = [first + number * HOUR for number in range(count)]
        counted = self._database.read(lambda c: [statement.rows(c, first=start) for start in starts])
        return [
            Hour(start=moment(start), **{_SEVERITIES[rank].value: number for rank, number in rows})
            for start, rows in zip(starts, counted, strict=True)
        ]

    def latencies(self, since: datetime | None = None) -> list[Latency]:
        """How long the deliveries took that were delivered since then, by target.

        Args:
            since: default: a day ago.
        """
        took = (_D.ended - _D.stored).label("took")
        ranked = (
            sa.select(
                _D.target,
                took,
                sa.func.row_number().over(partition_by=_D.target, order_by=took).label("rank"),
                sa.func.count().over(partition_by=_D.target).label("count"),
            )
            .where(_D.state == DELIVERED, _D.ended >= self._since(since), _D.attempts > 0)
            .subquery()
        )
        c = ranked.c
        at = [sa.func.min(sa.case((c.rank * 100 >= c.count * percent, c.took))) for percent in (50, 95)]
        rows = self._rows(sa.select(c.target, sa.func.max(c.count), *at).group_by(c.target).order_by(c.target))
        return [Latency(target=row[0], count=row[1], p50=max(row[2], 0.0), p95=max(row[3], 0.0)) for row in rows]

    def _in_history(self, since: float) -> Iterable[Firing]:
        window: dict[str, Any] = {"partition_by": _A.dedup_key}
        seen = (
            sa.select(
                _A.dedup_key,
                _A.status,
                _A.body,
                sa.func.row_number().over(order_by=(_A.stored.desc(), _A.id), **window).label("latest"),
                sa.func.count().over(**window).label("count"),
                sa.func.min(_A.stored).over(**window).label("first_seen"),
                _A.stored,
            )
            .where(_A.stored >= since, _A.own == 0)
            .subquery()
        )
        c = seen.c
        clause = sa.select(c.dedup_key, c.body, c.count, c.first_seen, c.stored)
        for key, body, count, first, last in self._rows(clause.where(c.latest == 1, c.status != Status.RESOLVED.value)):
            yield Firing(
                dedup_key=key,
                alert=json.loads(body),
                routes=(),
                count=count,
                first_seen=moment(first),
                last_seen=moment(last),
            )

    def _since(self, given: datetime | None) -> float:
        return self._time() - DAY if given is None else given.timestamp()

    def _rows(self, clause: sa.Select[Any]) -> list[Row]:
        statement = Statement(clause, self._database.dialect)
        return self._database.read(statement.rows)

    def _deliveries(self, clause: sa.Select[Any]) -> list[StoredDelivery]:
        now = self._time()
        return [_delivery(row, now) for row in self._rows(clause)]


def _severe(wanted: str) -> Any:
    rank = Severity(wanted.removeprefix(">=")).rank
    return _A.severity >= rank if wanted.startswith(">=") else _A.severity == rank


_COLUMNS: Final[Sequence[sa.Column[Any]]] = (
    *(_D.id, _A.alert_id, _D.dispatch, _A.title, _A.severity, _A.source, _A.status, _A.dedup_key, _D.target),
    *(_D.recipient, _D.state, _D.attempts, _D.due, _D.stored, _D.ended, _D.lease, _D.result),
)
_LISTED: Final = sa.select(*_COLUMNS).join(ALERTS, _A.id == _D.dispatch)


def _delivery(row: Row, now: float) -> StoredDelivery:
    found = {column.name: value for column, value in zip(_COLUMNS, row, strict=True)}
    lease, last = found.pop("lease"), json.loads(found.pop("result") or "{}")
    error, receipt = last.get("error"), last.get("receipt") or {}
    is_open = found["state"] not in {DELIVERED, DEAD}
    return StoredDelivery(
        **found
        | {
            "severity": _SEVERITIES[found["severity"]],
            "status": Status(found["status"]),
            "due": moment(found["due"]) if is_open else None,
            "stored": moment(found["stored"]),
            "ended": moment(found["ended"]),
        },
        under_way=found["state"] == WAITING and lease is not None and found["due"] > now,
        outcome=last.get("outcome"),
        receipt=receipt.get("id"),
        summarised=(receipt.get("detail") or {}).get("summarised"),
        error=error and f"{error['type']}: {error['message']}",
    )
