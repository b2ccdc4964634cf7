"""Silences: what is kept quiet, from when to when, by whom and why."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import attrs
import sqlalchemy as sa

from alert_core import Alert, ConfigError, Route
from alert_outbox.database import Database
from alert_outbox.records import Record, moment
from alert_outbox.schema import SILENCES
from alert_outbox.statements import Connection, Row, Statements, param

_log = logging.getLogger(__name__)
_S: Final = SILENCES.c
_COLUMNS: Final = (_S.id, _S.match, _S.starts, _S.ends, _S.author, _S.reason, _S.made)
_CLAUSES: Final[Mapping[str, Any]] = {
    "holding": lambda: (
        sa.select(_S.id, _S.match).where(_S.starts <= param("now"), _S.ends > param("now")).order_by(_S.id)
    ),
    "next_end": lambda: sa.select(sa.func.min(_S.ends)).where(_S.ends > param("now")),
    "listed": lambda: sa.select(*_COLUMNS).where(_S.ends > param("after")).order_by(_S.id),
    "add": lambda: (
        sa.insert(SILENCES)
        .values({column: param(f"{column.name}_", column.type) for column in _COLUMNS[1:]})
        .returning(*_COLUMNS)
    ),
    "expire": lambda: (
        sa.update(SILENCES).values(ends=param("now")).where(_S.id == param("id_"), _S.ends > param("now"))
    ),
}


@attrs.frozen(kw_only=True)
class Silence(Record):
    """One silence.

    Attributes:
        id: its number.
        match: the fields of the alerts that it keeps quiet, as a route's `match`.
        starts: aware, UTC; so are the others.
        ends: when it ends, or ended.
        author: who made it.
        reason: why.
        made: when it was made.
    """

    id: int
    match: Mapping[str, Any]
    starts: datetime
    ends: datetime
    author: str
    reason: str
    made: datetime


class Silences:
    """The silences of one outbox: `Outbox.silences`. Another process may deliver: it hears of them within a minute."""

    def __init__(self, database: Database, time: Callable[[], float]) -> None:
        self._database = database
        self._time = time
        self._sql = Statements(database.dialect, _CLAUSES)

    def add(
        self,
        match: Mapping[str, Any],
        *,
        author: str,
        reason: str,
        starts: datetime | None = None,
        ends: datetime | None = None,
        lasts: float = 3600.0,
    ) -> Silence:
        """Keep alerts quiet; it is committed when this returns.

        Args:
            match: fields as in a route's `match`: `{"source": "db", "severity": ">=error"}`.
            author: who asks for it.
            reason: for those who read of it.
            starts: aware; default: now.
            ends: aware; default: `lasts` seconds after the start.
            lasts: seconds; default: an hour.

        Raises:
            ConfigError: `match` names a field that there is not, or a value that it cannot have.
            ValueError: it would end before it starts, or has ended already.
            QueueError: the database refused.
        """
        Route(targets=[], match=match)
        now = self._time()
        begins = moment(now) if starts is None else starts
        until = begins + timedelta(seconds=lasts) if ends is None else ends
        if until <= begins:
            raise ValueError("a silence must end after it starts")
        if until.timestamp() <= now:
            raise ValueError("it would have ended already")
        values = {
            "match_": json.dumps(dict(match)),
            "starts_": begins.timestamp(),
            "ends_": until.timestamp(),
            "author_": author,
            "reason_": reason,
            "made_": now,
        }

        (row,) = self._database.write(lambda c, _: self._sql.add.rows(c, **values))
        return _silence(row)

    def list(self, *, ended: bool = False) -> list[Silence]:
        """Those that hold now or later, and with `ended` those that did; in the order in which they were made.

        Raises:
            QueueError: the database refused, or is not there yet.
        """
        after = 0.0 if ended else self._time()
        return [_silence(row) for row in self._database.read(lambda c: self._sql.listed.rows(c, after=after))]

    def expire(self, number: int) -> bool:
        """End a silence now; whether it was still to end. What fires still is told within a minute.

        Raises:
            QueueError: the database refused.
        """
        now = self._time()
        return bool(self._database.write(lambda c, _: self._sql.expire.run(c, id_=number, now=now)))

    def holding(self, connection: Connection, alert: Alert, now: float) -> int | None:
        """The number of the first silence that holds for the alert."""
        for number, match in self._sql.holding.rows(connection, now=now):
            try:
                holds = Route(targets=[], match=json.loads(match)).matches(alert)
            except (ConfigError, ValueError):
                _log.warning("silence %d cannot be read, and holds for nothing", number)
            else:
                if holds:
                    return int(number)
        return None

    def next_end(self, connection: Connection, now: float) -> float | None:
        """When the next silence ends."""
        found = self._sql.next_end.one(connection, now=now)
        return None if found is None else found[0]


def _silence(row: Row) -> Silence:
    number, match, starts, ends, author, reason, made = row
    return Silence(
        id=number,
        match=json.loads(match),
        starts=moment(starts),
        ends=moment(ends),
        author=author,
        reason=reason,
        made=moment(made),
    )
