"""A few rows that outlive the process: in the outbox's database, else in a SQLite file of the gateway's own."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from alert_core import QueueError

_T = TypeVar("_T")
MEMORY: Final = ":memory:"
_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS alert_gateway_heartbeats (
        name TEXT PRIMARY KEY, beat DOUBLE PRECISION NOT NULL, state TEXT NOT NULL, claimed DOUBLE PRECISION NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS alert_gateway_overflow (
        id TEXT PRIMARY KEY, source TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, severity TEXT NOT NULL,
        title TEXT NOT NULL, targets TEXT NOT NULL DEFAULT '', batch TEXT, claimed DOUBLE PRECISION NOT NULL
    )""",
    "CREATE TABLE IF NOT EXISTS alert_gateway_replays (id TEXT PRIMARY KEY, at DOUBLE PRECISION NOT NULL)",
    "CREATE INDEX IF NOT EXISTS alert_gateway_replays_at ON alert_gateway_replays (at)",
)
_HAS_TARGETS: Final = "SELECT 1 FROM pragma_table_info('alert_gateway_overflow') WHERE name = 'targets'"
_ADD_TARGETS: Final = "ALTER TABLE alert_gateway_overflow ADD COLUMN{} targets TEXT NOT NULL DEFAULT ''"
"""An earlier version's table had none; what is in it is told by the routes."""
_BUSY: Final = 5.0


class Rows:
    """A connection inside a transaction, for statements that SQLite and PostgreSQL both know, `?` for each value."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.is_sqlite = isinstance(connection, sqlite3.Connection)

    def run(self, statement: str, *values: Any) -> int:
        """Change rows; how many."""
        count: int = self._execute(statement, values).rowcount
        return count

    def all(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read rows."""
        found: list[tuple[Any, ...]] = self._execute(statement, values).fetchall()
        return found

    def _execute(self, statement: str, values: Iterable[Any]) -> Any:
        text = statement if self.is_sqlite else statement.replace("?", "%s")
        return self._connection.execute(text, tuple(values))


class State:
    """Where the rows are. Several threads and, with a file or a server, several processes share them.

    Args:
        queue: the dispatcher's; one with a `database` whose `write(work)` runs `work(connection, again)` in a
            transaction, as alert-outbox's, keeps them.
        path: of the SQLite file otherwise; `":memory:"` for none.
    """

    def __init__(self, queue: object, path: str = MEMORY) -> None:
        self._database = getattr(queue, "database", None)
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._made = False
        self._process = os.getpid()
        self._is_lost = False
        _live.add(self)

    def write(self, work: Callable[[Rows], _T]) -> _T:
        """What `work` returns, once what it has written is committed. It may be called a second time.

        Raises:
            QueueError: the database refused.
        """
        if self._database is None:
            with self._lock:
                return self._alone(work)

        def together(connection: Any, _again: bool) -> _T:
            return self._prepared(connection, work)

        found: _T = self._database.write(together)
        self._made = True
        return found

    def check(self) -> None:
        """Return where rows can be written.

        Raises:
            QueueError: they cannot.
        """
        self.write(lambda _rows: None)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _alone(self, work: Callable[[Rows], _T]) -> _T:
        if self._is_lost:
            raise QueueError("the gateway's state was in use for too long when this process was forked")
        if self._process != os.getpid():  # what is in memory is the parent's
            self._connection, self._made, self._process = None, False, os.getpid()
        try:
            if self._connection is None:
                self._connection = sqlite3.connect(
                    self._path, timeout=_BUSY, isolation_level=None, check_same_thread=False
                )
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                found = self._prepared(self._connection, work)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", type(error).__name__)
        else:
            self._made = True
            return found
        raise QueueError(f"the gateway's state cannot be written ({name}); see [gateway] state")

    def _prepared(self, connection: Any, work: Callable[[Rows], _T]) -> _T:
        rows = Rows(connection)
        if not self._made:
            if not rows.is_sqlite:  # PostgreSQL lets two make the same table at once, and refuses one of them
                rows.all("SELECT pg_advisory_xact_lock(hashtext('alert_gateway'))")
            for table in _TABLES:
                rows.run(table)
            if not rows.is_sqlite:
                rows.run(_ADD_TARGETS.format(" IF NOT EXISTS"))
            elif not rows.all(_HAS_TARGETS):
                rows.run(_ADD_TARGETS.format(""))
        return work(rows)


_live: Final[weakref.WeakSet[State]] = weakref.WeakSet()
_held: Final[list[State]] = []
_forking: Final = threading.RLock()


def _before_fork() -> None:
    """Close the files: a child takes its parent's SQLite locks for its own, and has none."""
    ends = time.monotonic() + 2 * _BUSY
    _forking.acquire()
    for one in list(_live):
        if one._lock.acquire(timeout=max(ends - time.monotonic(), 0.0)):  # noqa: SLF001 - our own
            _held.append(one)
            if one._path != MEMORY:  # noqa: SLF001 - as above
                one._drop()  # noqa: SLF001 - as above


def _after_fork() -> None:
    for one in _held:
        one._lock.release()  # noqa: SLF001 - as above
    _held.clear()
    _forking.release()


def _in_child() -> None:
    for one in list(_live):
        if one not in _held:
            one._lock, one._is_lost = threading.Lock(), True  # noqa: SLF001 - as above
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
