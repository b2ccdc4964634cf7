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
GATHERED: Final = "gathered"
"""To be told with others, when its bucket is due: a group, a digest, or what a target's rate did not let pass."""
DELIVERED: Final = "delivered"
DEAD: Final = "dead"
"""Given up: refused for good, or not delivered within `give_up_after`."""

_ID: Final = sa.BigInteger().with_variant(sa.Integer, "sqlite")  # SQLite counts up an INTEGER PRIMARY KEY alone

ALERTS: Final = sa.Table(
    "alert_outbox_alerts",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),  # of the dispatch: an alert that is sent twice has two rows
    sa.Column("alert_id", sa.Text, nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),  # of the alert, as the next four: for those who look for it
    sa.Column("severity", sa.Integer, nullable=False),  # 0 info to 3 critical
    sa.Column("source", sa.Text),
    sa.Column("status", sa.String(12), nullable=False),
    sa.Column("dedup_key", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # Alert.to_dict(), masked, as JSON
    sa.Column("own", sa.Integer, nullable=False),  # 1: the outbox made it: a summary, a notice of a dead letter
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
    sa.Column("order_key", sa.String(32), nullable=False),  # hash of target, recipient, dedup key; of a digest, apart
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("bucket", sa.Text),  # where it is, or was, gathered
    sa.Column("rank", sa.Integer, nullable=False),  # of the severity: 0 info to 3 critical; 9: a summary of others
    sa.Column("due", sa.Double, nullable=False),
    sa.Column("lease", sa.String(32)),  # of the process that has it under way
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("stored", sa.Double, nullable=False),
    sa.Column("ended", sa.Double),
    sa.Column("result", sa.Text),  # of the last attempt: Delivery.to_dict() as JSON
    sa.Column("arrived", sa.Text),  # of a failover: who has it already, as JSON
    sa.Column("told", sa.Double),  # when its death was told to the observers
    sqlite_autoincrement=True,
)

EVENTS: Final = sa.Table(
    "alert_outbox_events",  # what fires, for a route that does not repeat it, or while it is silenced
    METADATA,
    sa.Column("route", sa.Text, primary_key=True),
    sa.Column("dedup_key", sa.Text, primary_key=True),
    sa.Column("rank", sa.Integer, nullable=False),  # the highest that was told
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("first_seen", sa.Double, nullable=False),
    sa.Column("last_seen", sa.Double, nullable=False),
    sa.Column("notified", sa.Double),
    sa.Column("parts", sa.Text, nullable=False),  # who was told, as JSON: those who hear of the resolve
    sa.Column("silenced", sa.Integer, nullable=False),  # 1: nobody was told when it was last heard
    sa.Column("body", sa.Text, nullable=False),  # the alert that was heard last, as JSON
)

SILENCES: Final = sa.Table(
    "alert_outbox_silences",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("match", sa.Text, nullable=False),  # as a route's, as JSON
    sa.Column("starts", sa.Double, nullable=False),
    sa.Column("ends", sa.Double, nullable=False, index=True),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("made", sa.Double, nullable=False),
    sqlite_autoincrement=True,
)

BUCKETS: Final = sa.Table(
    "alert_outbox_buckets",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.String(10), nullable=False),  # group, digest, rate
    sa.Column("name", sa.Text, nullable=False),  # of the route, or the target
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("due", sa.Double, index=True),  # when it is told; none: it is empty
    sa.Column("told", sa.Double),  # when it was last
)

RATES: Final = sa.Table(
    "alert_outbox_rates",
    METADATA,
    sa.Column("target", sa.Text, primary_key=True),
    sa.Column("spent", sa.Double, nullable=False),  # of the allowance: it leaks away with time
    sa.Column("at", sa.Double, nullable=False),
)


INTAKE: Final = sa.Table(
    "alert_outbox_intake",  # what came with a transaction of the application's, until it is planned
    METADATA,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("dispatch", sa.String(32), nullable=False),
    sa.Column("body", sa.Text, nullable=False),  # alert, deliveries and names of routes, as JSON
    sa.Column("stored", sa.Double, nullable=False),
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
    "untold": (DELIVERIES.c.due, is_state(DEAD) & DELIVERIES.c.told.is_(None)),
    "gathered": (DELIVERIES.c.bucket, DELIVERIES.c.id, is_state(GATHERED)),
}
for _name, (*_columns, _where) in _PARTIAL.items():
    sa.Index(f"ix_alert_outbox_deliveries_{_name}", *_columns, sqlite_where=_where, postgresql_where=_where)
sa.Index("ix_alert_outbox_alerts_stored", ALERTS.c.stored)
_CLOSED: Final = ALERTS.c.closed.is_not(None)
sa.Index("ix_alert_outbox_alerts_closed", ALERTS.c.closed, sqlite_where=_CLOSED, postgresql_where=_CLOSED)


def _created(*tables: sa.Table) -> Iterable[Any]:
    for table in tables:
        yield CreateTable(table)
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            yield CreateIndex(index)


Migration = Callable[[], Iterable[Any]]

MIGRATIONS: Final[tuple[Migration, ...]] = (
    lambda: _created(ALERTS, DELIVERIES, EVENTS, SILENCES, BUCKETS, RATES),
    lambda: _created(INTAKE),
    lambda: [sa.text("CREATE INDEX ix_alert_outbox_deliveries_key ON alert_outbox_deliveries (order_key, id)")],
)
"""Each makes the statements from one version to the next; the first starts with an empty database.

One that has been released is never changed: a later version of the tables appends another.
"""
VERSION: Final = len(MIGRATIONS)
