"""One database: its connections, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.schema import CreateTable

from alert_core import QueueError
from alert_outbox.commits import Commits, Entry
from alert_outbox.files import make
from alert_outbox.forks import PATIENCE, Forkable
from alert_outbox.schema import MIGRATIONS, VERSION, VERSION_TABLE
from alert_outbox.statements import Connection, Statement

_T = TypeVar("_T")
_INSIDE: Final = "alert_outbox"
BUSY: Final = 5.0
"""Seconds that a SQLite database which another process writes to is waited for, at most."""
_PAUSE: Final = (0.0005, 0.003)
"""Seconds between two looks at such a database."""
_WORDS: Final = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_READONLY": "the database is read-only",
    "SQLITE_BUSY": "another process has held the database locked for {patience:g} s",
    "SQLITE_CORRUPT": "the database is corrupt",
    "SQLITE_NOTADB": "the file is no SQLite database",
    "SQLITE_CANTOPEN": "the file cannot be opened: does its folder exist, and may this user write there?",
    "SQLITE_IOERR": "the disk failed",
}
_parents: Final[list[Connection]] = []
"""Connections of this process's parent: never used, never closed, since that would tell the parent's server."""
_lost: Final[set[str]] = set()
"""SQLite files that somebody used when this process was forked: it would write there without a lock."""


class Database(Forkable):
    """Opens connections when they are needed, and brings the tables to this version first.

    Writing goes through `write()`: one connection, one transaction at a time, shared by the threads that wait for it.
    """

    dialect: Dialect

    def __init__(self) -> None:
        self.patience = BUSY
        """Seconds that one write waits for other processes'."""
        self._ends = 0.0
        self._closed = False
        self._writer: Connection | None = None
        super().__init__()
        self._insert_version = Statement(sa.insert(VERSION_TABLE).values(version=sa.bindparam("v")), self.dialect)
        self._delete_version = Statement(sa.delete(VERSION_TABLE), self.dialect)
        self._select_version = Statement(sa.select(VERSION_TABLE.c.version), self.dialect)

    def forget(self) -> None:
        """At first, and in the child of a fork: no connection, and new locks."""
        super().forget()
        if self._writer is not None:
            _parents.append(self._writer)
        self._writer = None
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

    def write_inside(self, connection: Connection, work: Callable[[Connection, bool], _T]) -> _T:
        """Let `work(connection, False)` write as a part of a transaction that somebody else has begun, and will end.

        Raises:
            QueueError: the database refused; the transaction is as it was before.
        """
        with self._told():
            connection.execute(f"SAVEPOINT {_INSIDE}")
            try:
                if self._version(connection) != VERSION:
                    self._upgrade(connection)
                result = work(connection, False)
                connection.execute(f"RELEASE SAVEPOINT {_INSIDE}")
            except BaseException:
                with contextlib.suppress(Exception):
                    connection.execute(f"ROLLBACK TO SAVEPOINT {_INSIDE}")
                    connection.execute(f"RELEASE SAVEPOINT {_INSIDE}")
                raise
        return result

    def read(self, work: Callable[[Connection], _T]) -> _T:
        """Let `work(connection)` read, on a connection of its own and outside of any transaction.

        Raises:
            QueueError: the database refused, or has no tables of this version.
        """
        with self._told(), self._reading():
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
        """Whether another process holds the database: then nobody's work is tried again, or waits any longer."""
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

    def _is_kept(self) -> bool:
        """Whether the connection is kept for the next write."""
        return not self._closed

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
            self._ends = time.monotonic() + self.patience
            try:
                error = self._attempt(entries, again=False)
                if error is not None and self.is_busy(error):
                    self._fail(self._commits.join(), error)
                elif error is not None:
                    for entry in entries:
                        if (error := self._attempt([entry], again=True)) is not None:
                            self._fail([entry], error)
            finally:
                if not self._is_kept():
                    self._drop()

    def _attempt(self, entries: Sequence[Entry], *, again: bool) -> Exception | None:
        try:
            self._together(entries, again=again)
        except Exception as error:  # noqa: BLE001 - a driver's, or of one entry's work
            self._drop()
            return error
        except BaseException:
            self._drop()
            raise
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
        try:
            self._begin(connection)
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
            self._upgrade(connection)

    def _upgrade(self, connection: Connection) -> None:
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
            return _WORDS.get(_code(error), _code(error)).format(patience=self.patience)
        if isinstance(error, OSError):
            return f"{os.strerror(error.errno)}: {self.path}" if error.errno else type(error).__name__
        return type(error).__name__

    def _let_go(self) -> None:
        self._drop()

    def _lose(self) -> None:
        _lost.add(os.path.realpath(self.path))

    def _connect(self, *, readonly: bool = False) -> Connection:
        if _lost and os.path.realpath(self.path) in _lost:
            raise QueueError(
                f"{self.path} was in use for more than {PATIENCE:g} s when this process was forked:"
                " what it writes there would be lost"
            )
        if not readonly:
            make(self.path)
        elif not self.path.exists():
            raise QueueError(f"there is no {self.path} yet: it is made when the first alert is enqueued")
        waits = self.patience if readonly else max(self._ends - time.monotonic(), 0.0)
        connection = sqlite3.connect(self.path, timeout=waits, isolation_level=None, check_same_thread=False)
        try:
            if not readonly:
                self._patiently(connection, "PRAGMA journal_mode=WAL")
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

    def _migrate(self, connection: Connection) -> None:
        super()._migrate(connection)
        connection.execute("PRAGMA busy_timeout = 0")  # from now on, `_begin()` waits

    def _begin(self, connection: Connection) -> None:
        self._patiently(connection, "BEGIN IMMEDIATE")

    def _patiently(self, connection: Connection, statement: str) -> None:
        """SQLite itself tries again after up to 100 ms, in which others would starve it, or not at all for a PRAGMA."""
        while not self._is_run(connection, statement, may_wait=time.monotonic() < self._ends):
            time.sleep(random.uniform(*_PAUSE))  # noqa: S311 - not for a secret

    def _is_run(self, connection: Connection, statement: str, *, may_wait: bool) -> bool:
        try:
            connection.execute(statement)
        except sqlite3.Error as error:
            if may_wait and self.is_busy(error):
                return False
            raise
        return True

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
        """The driver's class and PostgreSQL's SQLSTATE, or what to look at: its messages name hosts and users."""
        import psycopg

        state = getattr(error, "sqlstate", None)
        if state is None and isinstance(error, psycopg.OperationalError):
            return "there is no connection to the server: does it run, and has it this user and database?"
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
