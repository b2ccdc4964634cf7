"""The outbox in a file: SQLite, for the processes of one host."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from pathlib import Path
from typing import Final

from sqlalchemy.dialects import sqlite

from alert_core import QueueError
from alert_outbox.database import Database
from alert_outbox.files import make
from alert_outbox.forks import PATIENCE
from alert_outbox.statements import Connection

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
_lost: Final[set[str]] = set()
"""SQLite files that somebody used when this process was forked: it would write there without a lock."""


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

    def is_unused(self) -> bool:
        """Whether there is no file yet, or one without the outbox's tables."""
        return not self.path.exists() or super().is_unused()

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


def _code(error: sqlite3.Error) -> str:
    """SQLite's primary result code: SQLITE_BUSY of SQLITE_BUSY_SNAPSHOT."""
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    return "_".join(name.split("_")[:2])
