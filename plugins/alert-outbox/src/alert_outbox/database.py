"""One database: its connections, its transactions, and what its errors mean."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from alert_core import QueueError
from alert_outbox.commits import Commits, Entry
from alert_outbox.forks import Forkable
from alert_outbox.schema import MIGRATIONS, VERSION, VERSION_TABLE
from alert_outbox.statements import Connection, Statement

_T = TypeVar("_T")
_INSIDE: Final = "alert_outbox"
BUSY: Final = 5.0
"""Seconds that a database which another process writes to is waited for, at most."""
_parents: Final[list[Connection]] = []
"""Connections of this process's parent: never used, never closed, since that would tell the parent's server."""


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
                with self._looking(connection, self.patience):
                    self._check(self._version(connection))
                    return work(connection)
            finally:
                connection.close()

    def is_unused(self) -> bool:
        """Whether nothing was ever stored; False where that cannot be known: whoever reads is told why."""
        with contextlib.suppress(Exception), contextlib.closing(self._connect(readonly=True)) as connection:
            return not self._has_table(connection, VERSION_TABLE.name)
        return False

    def close(self) -> None:
        """Let go of the connection; an attempt that ends later opens one for itself."""
        with self._using:
            self._closed = True
            self._drop()

    def is_busy(self, error: Exception) -> bool:  # noqa: ARG002 - a row, not all of it
        """Whether another process holds the database: then nobody's work is tried again, or waits any longer."""
        return False

    def gave_way(self, error: Exception) -> bool:  # noqa: ARG002 - SQLite has one writer
        """Whether two transactions waited for each other, and this one had to end: it may go on afterwards."""
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

    @contextlib.contextmanager
    def _looking(self, connection: Connection, seconds: float) -> Iterator[None]:  # noqa: ARG002 - for a server
        """Nothing that is read inside is waited for longer than so many seconds."""
        yield

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
                    self._one_by_one(entries, error)
            finally:
                if not self._is_kept():
                    self._drop()

    def _one_by_one(self, entries: Sequence[Entry], error: Exception) -> None:
        """Each in a transaction of its own, while there is time; then who came meanwhile has waited long enough too."""
        failed: Exception | None = error
        for entry in entries:
            failed = error
            while failed is not None and time.monotonic() < self._ends:
                failed = self._attempt([entry], again=True)
                if failed is not None and not self.gave_way(failed):
                    break
            if failed is not None:
                self._fail([entry], failed)
        if failed is not None and time.monotonic() >= self._ends:
            self._fail(self._commits.join()[len(entries) :], failed)

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
        with self._looking(connection, self._ends - time.monotonic()):
            version = self._version(connection)
        if version == VERSION:
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
