"""The kind `django` of queue: alert-outbox on one of the project's own databases, in the project's transactions."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import attrs
import sqlalchemy as sa
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from alert_core import ConfigError, QueueError
from alert_core.queues import Dispatch, Stored
from alert_django.transactions import in_transaction, is_outside, is_testing
from alert_outbox.database import Database
from alert_outbox.outbox import Outbox
from alert_outbox.postgresql import PostgreSQL
from alert_outbox.sqlite import SQLite
from alert_outbox.statements import Connection

PATIENCE: Final = 2.0
"""Seconds that our own connections to PostgreSQL wait for a lock.

The one that a transaction of the project's holds, if it has made the tables: it may be this very thread's.
"""
_T = TypeVar("_T")
_log = logging.getLogger(__name__)


@attrs.define(kw_only=True, eq=False, repr=False, slots=False)
class DjangoOutbox(Outbox):
    """alert-outbox on a database of `DATABASES`, PostgreSQL or SQLite.

    An alert that is enqueued in a transaction of that database commits or rolls back with it: there it is only noted,
    and planned after the commit. The worker, and what is enqueued elsewhere, have a connection of their own. In tests
    (`setup_test_environment()`) no worker starts, nothing outlives a rollback, and what is refused is dropped.

    Args:
        using: the database's alias.
        others: as of `alert_outbox.Outbox`, but for `path` and `url`.

    Raises:
        ConfigError: every option that is wrong.
    """

    using: str = "default"
    path: str | None = attrs.field(init=False, default=None)
    url: None = attrs.field(init=False, default=None)

    enlists = True

    def __repr__(self) -> str:
        return f"DjangoOutbox(using={self.using!r})"

    @property
    def delivers_here(self) -> bool:
        """Whether a worker of this process delivers what is enqueued now: in a transaction not before it commits."""
        return super().delivers_here and not _enlists(self.using)

    @property
    def memory_when_down(self) -> bool:
        """Whether `enqueue()` too delivers from memory what is refused: outside of transactions, for log records."""
        return is_outside()

    def make_database(self) -> Database:
        """The project's.

        Raises:
            ConfigError: there is none of this alias, or it is of another kind.
        """
        try:
            aliases = list(connections)
        except ImproperlyConfigured:
            raise ConfigError(
                "works within a Django project alone: name its settings in DJANGO_SETTINGS_MODULE"
            ) from None
        if self.using not in aliases:
            raise ConfigError([("using", f"DATABASES has no such database; there are: {', '.join(aliases)}")])
        vendor = connections[self.using].vendor
        if vendor == "sqlite":
            return _SQLite(self.using)
        if vendor != "postgresql":
            raise ConfigError([("using", f"is a {vendor} database; the outbox needs PostgreSQL or SQLite")])
        try:
            import psycopg  # noqa: F401 - what Django talks through too, where it is installed
        except ImportError:
            raise ConfigError([("using", "needs psycopg of version 3: pip install psycopg[binary]")]) from None
        return _PostgreSQL(self.using)

    def start(self) -> None:
        """Start the worker in this process; in tests never."""
        if not is_testing() and not _is_in_memory(self.using):
            super().start()

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        """Store alerts with the transaction of this thread, if it is in one; else commit them.

        What is silenced, or told already, is left out once the transaction commits. In one that can only be rolled
        back all are dropped, with the reason `rolled_back`.

        Raises:
            QueueError: the database refused; nothing was accepted, and the transaction goes on.
        """
        if _enlists(self.using) and _is_doomed(self.using):
            _log.warning("an alert was dropped: its transaction is to be rolled back; survives_rollback=True sends it")
            return self._dropped(dispatches, "rolled_back")
        try:
            return self._noted(dispatches) if _enlists(self.using) else super().put_many(dispatches)
        except QueueError as error:
            if not is_testing():
                raise
            _log.warning("an alert was dropped, since a test is no reason to send it from memory: %s", error)
            return self._dropped(dispatches, "testing")

    def _noted(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        now = self.desk.clock.time()
        self.database.write(lambda connection, _: self.intake.put(connection, dispatches, now))
        self._on_commit(self._plan_committed)
        return [Stored(parts=dispatch.parts) for dispatch in dispatches]

    def _dropped(self, dispatches: Sequence[Dispatch], reason: str) -> list[Stored]:
        for dispatch in dispatches:
            self.desk.drop(dispatch.alert, reason, self.using)
        return [Stored(parts=(), dropped=f"{reason}: {self.using}") for _ in dispatches]

    def notify(self, targets: Collection[str], due: float | None = None) -> None:
        """Tell the worker, once the transaction has committed."""
        if not _enlists(self.using):
            super().notify(targets, due)
            return
        notify = super().notify
        self._on_commit(lambda: notify(targets, due))

    def _plan_committed(self) -> None:
        try:
            self.plan_intake()
        except QueueError as error:
            _log.warning("a worker will see to what has just been committed: %s", error)

    def _on_commit(self, then: Callable[[], None]) -> None:
        """Where autocommit is off and `atomic()` is not used, Django tells of no commit: then a worker looks."""
        connection = connections[self.using]
        if connection.in_atomic_block:
            connection.on_commit(then, robust=True)

    def conclude(self, dispatch_id: str) -> bool:
        """What is in a transaction has not ended: the worker tells of its end."""
        return not _enlists(self.using) and super().conclude(dispatch_id)


class _Project(Database):
    """What is written in a transaction of the project's goes through its connection, else through one of our own."""

    alias: str

    def write(self, work: Callable[[Connection, bool], _T]) -> _T:
        """As `Database.write`, or as a part of this thread's transaction: then `work` is called once."""
        if not in_transaction(self.alias):
            return super().write(work)
        if not is_outside():
            return self.write_inside(self._joined(connections[self.alias].connection), work)
        if isinstance(self, SQLite):
            raise QueueError("SQLite takes one writer at a time, which may be this thread's own transaction")
        return super().write(work)

    def _joined(self, connection: Connection) -> Connection:
        """The project's connection, in a transaction."""
        return connection

    def _is_kept(self) -> bool:
        """In tests each write has a connection of its own, so that the test database can be dropped."""
        return super()._is_kept() and not is_testing()

    def _connect(self, *, readonly: bool = False) -> Connection:  # noqa: ARG002 - there is no difference
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            if is_testing():
                connections[self.alias].ensure_connection()  # a SimpleTestCase may not: nor may we, past it
            return _connected(self.alias)
        with ThreadPoolExecutor(1) as pool:  # Django lets no event loop connect
            return pool.submit(_connected, self.alias).result()


class _SQLite(_Project, SQLite):
    """A file, or what tests have in memory. Its journal is as the project has it."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(str(connections[alias].settings_dict["NAME"]))

    def _is_stale(self) -> bool:
        return False

    def _joined(self, connection: Connection) -> Connection:
        """Where autocommit is off, Python begins with the first change; a savepoint before that would commit."""
        if not connection.in_transaction:
            connection.execute("BEGIN")
        return connection


class _PostgreSQL(_Project, PostgreSQL):
    """A server."""

    def __init__(self, alias: str) -> None:
        self.alias = alias
        super().__init__(sa.URL.create("postgresql"))
        self.patience = PATIENCE


def _connected(alias: str) -> Connection:
    """A DBAPI connection in autocommit, set up as Django's own are: roles, init commands, `connection_created`."""
    wrapper = connections[alias].copy()
    wrapper.settings_dict["AUTOCOMMIT"] = True
    wrapper.settings_dict["OPTIONS"].pop("pool", None)  # it is kept: a pool would miss it
    wrapper.ensure_connection()
    return wrapper.connection


def _enlists(alias: str) -> bool:
    return in_transaction(alias) and not is_outside()


def _is_doomed(alias: str) -> bool:
    """Whether the transaction cannot commit any more."""
    connection = connections[alias]
    if connection.needs_rollback or connection.vendor != "postgresql":
        return bool(connection.needs_rollback)
    from psycopg.pq import TransactionStatus

    return bool(connection.connection.info.transaction_status == TransactionStatus.INERROR)


def _is_in_memory(alias: str) -> bool:
    """Whether it is a SQLite database that threads cannot share without locking each other out."""
    connection: Any = connections[alias]
    return connection.vendor == "sqlite" and bool(connection.is_in_memory_db())
