"""The tables, and how a database of an earlier version becomes one of this."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

METADATA: Final = sa.MetaData()

VERSION_TABLE: Final = sa.Table("alert_outbox_schema", METADATA, sa.Column("version", sa.Integer, nullable=False))

WAITING: Final = "waiting"
"""To be tried at `due`; under way where it has a `lease`, which ends at `due`."""
HELD: Final = "held"
"""Behind an earlier delivery of the same dedup key to the same recipient: a resolve never overtakes its firing."""
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
"""Given up: refused for good, or not delivered within `give_up_after`."""

_ID: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up an INTEGER PRIMARY KEY alone

ALERTS: Final = sa.Table(
    "alert_outbox_alerts",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),  # of the dispatch: an alert that is sent twice has two rows
    sa.Column("alert_id", sa.Text, nullable=False, index=True),
    sa.Column("body", sa.Text, nullable=False),  # Alert.to_dict(), masked, as JSON
    sa.Column("stored", sa.Double, nullable=False),  # all times: seconds since 1970
    sa.Column("open", sa.Integer, nullable=False),  # deliveries that have not ended
    sa.Column("closed", sa.Double),  # when the last of them ended; its history is kept for a while
    sa.Column("finished", sa.Double),  # when its end was told to the observers
)

DELIVERIES: Final = sa.Table(
    "alert_outbox_deliveries",
    METADATA,
    sa.Column("id", _ID, primary_key=True),  # counts up: the order of a dedup key's deliveries
    sa.Column("dispatch", sa.String(32), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),  # among the deliveries of its dispatch
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("recipient", sa.Text),
    sa.Column("order_key", sa.String(32), nullable=False),  # hash of target, recipient and dedup key
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("lease", sa.String(32)),  # of the process that has it under way
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("stored", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("result", sa.Text),  # of the last attempt: Delivery.to_dict() as JSON
    sa.Column("arrived", sa.Text),  # of a failover: who has it already, as JSON
    sqlite_autoincrement=True,
)


def is_state(*states: str) -> sa.ColumnElement[bool]:
    """The condition as a literal: a partial index is not used for a parameter."""
    if len(states) == 1:
        return DELIVERIES.c.state == sa.literal_column(f"'{states[0]}'")
    return DELIVERIES.c.state.in_([sa.literal_column(f"'{state}'") for state in states])


_PARTIAL: Final = {
    "due": (DELIVERIES.c.target, DELIVERIES.c.due, DELIVERIES.c.id, is_state(WAITING)),
    "order": (DELIVERIES.c.order_key, DELIVERIES.c.id, is_state(WAITING, HELD)),
    "dead": (DELIVERIES.c.id, is_state(DEAD)),
}
for _name, (*_columns, _where) in _PARTIAL.items():
    sa.Index(f"ix_alert_outbox_deliveries_{_name}", *_columns, sqlite_where=_where, postgresql_where=_where)
sa.Index("ix_alert_outbox_alerts_closed", ALERTS.c.closed)


def _created(*tables: sa.Table) -> Iterable[Any]:
    for table in tables:
        yield CreateTable(table)
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            yield CreateIndex(index)


Migration = Callable[[], Iterable[Any]]

MIGRATIONS: Final[tuple[Migration, ...]] = (lambda: _created(ALERTS, DELIVERIES),)
"""Each makes the statements from one version to the next; the first starts with an empty database.

One that has been released is never changed: a later version of the tables appends another.
"""
VERSION: Final = len(MIGRATIONS)
