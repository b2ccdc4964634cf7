"""One database: its connections, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import weakref
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.schema import CreateTable

from alert_core import QueueError
from alert_outbox.commits import Commits, Entry
from alert_outbox.schema import MIGRATIONS, VERSION, VERSION_TABLE
from alert_outbox.statements import Connection, Statement

_T = TypeVar("_T")
BUSY: Final = 5.0
"""Seconds that a SQLite database which another process writes to is waited for."""
_WORDS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the database is read-only",
    "SQLITE_BUSY": f"another process has held the database locked for {BUSY:g} s",
    "SQLITE_CORRUPT": "the database is corrupt",
    "SQLITE_NOTADB": "the file is no SQLite database",
    "SQLITE_CANTOPEN": "the file cannot be opened: does its folder exist, and may this user write there?",
    "SQLITE_IOERR": "the disk failed",
}
_live: Final[weakref.WeakSet[Database]] = weakref.WeakSet()
_parents: Final[list[Connection]] = []
"""Connections of this process's parent: never used, never closed, since that would tell the parent's server."""


class Database(ABC):
    """Opens connections when they are needed, and brings the tables to this version first.

    Writing goes through `write()`: one connection, one transaction at a time, shared by the threads that wait for it.
    """

    dialect: Dialect

    def __init__(self) -> None:
        self._closed = False
        self.forget()
        _live.add(self)
        self._insert_version = Statement(sa.insert(VERSION_TABLE).values(version=sa.bindparam("v")), self.dialect)
        self._delete_version = Statement(sa.delete(VERSION_TABLE), self.dialect)
        self._select_version = Statement(sa.select(VERSION_TABLE.c.version), self.dialect)

    def forget(self) -> None:
        """At first, and in the child of a fork: no connection, and new locks."""
        if (connection := getattr(self, "_writer", None)) is not None:
            _parents.append(connection)
        self._writer: Connection | None = None
        self._using = threading.Lock()
        self._commits = Commits(self._transact)

    def write(self, work: Callable[[Connection, bool], _T]) -> _T:
        """Let `work(connection, again)` write; returns once it is committed.

        Args:
            work: called in a transaction that others share, and once more, alone, where that failed; `again` says so:
                then what it writes may be there already.

        Raises:
            QueueError: the database refused.
        """
        return self._commits.run(work)

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Let `work(connection)` read, on a connection of its own and outside of any transaction.

        Raises:
            QueueError: the database refused, or has no tables of this version.
        """
        with self._told():
            connection = self._connect(readonly=True)
            try:
                self._check(self._version(connection))
                return work(connection)
            finally:
                connection.close()

    def close(self) -> None:
        """Let go of the connection; an attempt that ends later opens one for itself."""
        with self._using:
            self._closed = True
            self._drop()

    def is_busy(self, error: Exception) -> bool:  # noqa: ARG002 - PostgreSQL waits
        """Whether another process holds the database: then nobody's work is tried again."""
        return False

    @abstractmethod
    def explain(self, error: Exception) -> str:
        """What a driver's error says, without a value, a user or a host."""

    @abstractmethod
    def _connect(self, *, readonly: bool = False) -> Connection: ...

    @abstractmethod
    def _begin(self, connection: Connection) -> None: ...

    @abstractmethod
    def _has_table(self, connection: Connection, name: str) -> bool: ...

    @abstractmethod
    def _lock_schema(self, connection: Connection) -> None: ...

    def _is_stale(self) -> bool:
        return False

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except QueueError:
            raise
        except Exception as error:  # noqa: BLE001 - a driver's, or the file system's
            text = self.explain(error)
        else:
            return
        raise QueueError(f"the outbox's database refused: {text}")

    def _transact(self, entries: Sequence[Entry]) -> None:
        with self._using:
            try:
                error = self._attempt(entries, again=False)
                if error is not None and self.is_busy(error):
                    self._fail(entries, error)
                elif error is not None:
                    for entry in entries:
                        if (error := self._attempt([entry], again=True)) is not None:
                            self._fail([entry], error)
            finally:
                if self._closed:
                    self._drop()

    def _attempt(self, entries: Sequence[Entry], *, again: bool) -> Exception | None:
        try:
            self._together(entries, again=again)
        except Exception as error:  # noqa: BLE001 - a driver's, or of one entry's work
            self._drop()
            return error
        return None

    def _together(self, entries: Sequence[Entry], *, again: bool) -> None:
        if self._writer is not None and self._is_stale():
            self._drop()
        if self._writer is None:
            self._writer = self._connect()
            self._migrate(self._writer)
        with self.transaction(self._writer):
            results = [entry.work(self._writer, again) for entry in entries]
        for entry, result in zip(entries, results, strict=True):
            entry.result = result

    def _fail(self, entries: Sequence[Entry], error: Exception) -> None:
        text = self.explain(error)
        for entry in entries:
            refused = error if isinstance(error, QueueError) else QueueError(f"the outbox's database refused: {text}")
            entry.error = refused

    @contextlib.contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Commit what is done inside, or roll it back."""
        self._begin(connection)
        try:
            yield
            connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(Exception):
                connection.execute("ROLLBACK")
            raise

    def _drop(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    def _migrate(self, connection: Connection) -> None:
        if self._version(connection) == VERSION:
            return
        with self.transaction(connection):
            self._lock_schema(connection)
            version = self._version(connection)
            self._check(version, exact=False)
            if version == 0:
                connection.execute(self._compiled(CreateTable(VERSION_TABLE)))
            for migration in MIGRATIONS[version:]:
                for statement in migration():
                    connection.execute(self._compiled(statement))
            self._delete_version.run(connection)
            self._insert_version.run(connection, v=VERSION)

    def _compiled(self, statement: Any) -> str:
        return str(statement.compile(dialect=self.dialect))

    def _version(self, connection: Connection) -> int:
        if not self._has_table(connection, VERSION_TABLE.name):
            return 0
        found = self._select_version.one(connection)
        return int(found[0]) if found else 0

    @staticmethod
    def _check(version: int, *, exact: bool = True) -> None:
        if version > VERSION:
            raise QueueError(
                f"the outbox's tables are of version {version}, and this alert-outbox knows {VERSION}: upgrade it"
            )
        if exact and version < VERSION:
            raise QueueError("the outbox's tables are not there yet, or older: they are made when the queue is used")


_forking: Final[list[Database]] = []


def _before_fork() -> None:
    """Wait until no thread is inside a driver: SQLite's own locks would be held for ever in the child."""
    _forking.extend(one for one in list(_live) if one._using.acquire(timeout=2 * BUSY))  # noqa: SLF001 - our own


def _after_fork() -> None:
    for database in _forking:
        with contextlib.suppress(RuntimeError):  # in the child its dispatcher has given it another
            database._using.release()  # noqa: SLF001 - our own
    _forking.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)


class SQLite(Database):
    """A file on a local disk, shared by the processes of one host: WAL, every commit on the disk before it returns."""

    def __init__(self, path: str) -> None:
        self.dialect = sqlite.dialect(paramstyle="qmark")
        self.path = Path(path)
        self._inode: tuple[int, int] | None = None
        super().__init__()

    def is_busy(self, error: Exception) -> bool:
        """Waiting has failed once: nobody waits a second time."""
        return isinstance(error, sqlite3.Error) and _code(error) == "SQLITE_BUSY"

    def explain(self, error: Exception) -> str:
        """SQLite's own code, in words."""
        if isinstance(error, sqlite3.Error):
            return _WORDS.get(_code(error), _code(error))
        if isinstance(error, OSError):
            return f"{os.strerror(error.errno)} ({self.path.name})" if error.errno else type(error).__name__
        return type(error).__name__

    def _connect(self, *, readonly: bool = False) -> Connection:
        if readonly:
            if not self.path.exists():
                raise QueueError(f"there is no {self.path} yet: it is made when the first alert is enqueued")
        else:
            # Masked alerts are still nobody else's; SQLite gives its other files the same permissions.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600)) if not self.path.exists() else None
        connection = sqlite3.connect(self.path, timeout=BUSY, isolation_level=None, check_same_thread=False)
        try:
            if not readonly:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
                self._inode = self._found()
        except BaseException:
            connection.close()
            raise
        return connection

    def _found(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _is_stale(self) -> bool:
        """Whether the file was removed or replaced: what is written into it would be gone with this process."""
        return self._found() != self._inode

    def _begin(self, connection: Connection) -> None:
        connection.execute("BEGIN IMMEDIATE")

    def _has_table(self, connection: Connection, name: str) -> bool:
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (name,))
        return found.fetchone() is not None

    def _lock_schema(self, connection: Connection) -> None:
        """BEGIN IMMEDIATE has locked all of it."""


class PostgreSQL(Database):
    """A server that several hosts share."""

    def __init__(self, url: URL) -> None:
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        self.dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        arguments, options = self.dialect.create_connect_args(url)  # type: ignore[no-untyped-call]
        self._arguments: Final[tuple[Any, ...]] = tuple(arguments)
        self._options: Final[dict[str, Any]] = {"connect_timeout": 5, **options}
        super().__init__()

    def explain(self, error: Exception) -> str:
        """The driver's class and PostgreSQL's SQLSTATE: its messages name hosts and users."""
        state = getattr(error, "sqlstate", None)
        return f"{type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"

    def _connect(self, *, readonly: bool = False) -> Connection:  # noqa: ARG002 - there is no difference
        import psycopg

        return psycopg.connect(*self._arguments, **self._options, autocommit=True)

    def _begin(self, connection: Connection) -> None:
        connection.execute("BEGIN")

    def _has_table(self, connection: Connection, name: str) -> bool:
        found: bool = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()[0]
        return found

    def _lock_schema(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('alert_outbox_schema'))")


def _code(error: sqlite3.Error) -> str:
    """SQLite's primary result code: SQLITE_BUSY of SQLITE_BUSY_SNAPSHOT."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    return "_".join(name.split("_")[:2])
