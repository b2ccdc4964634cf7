"""The outbox on a server: PostgreSQL, for several hosts."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy.engine import URL

from alert_outbox.database import Database
from alert_outbox.statements import Connection

STALLED: Final = 2.0
"""Seconds between two statements after which the server ends the transaction of a process that stands still."""
_GONE: Final = 10
"""Seconds after which a server that does not answer on an open connection is given up."""


class PostgreSQL(Database):
    """A server that several hosts share."""

    def __init__(self, url: URL) -> None:
        from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

        self.dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        arguments, options = self.dialect.create_connect_args(url)  # type: ignore[no-untyped-call]
        self._arguments: Final[tuple[Any, ...]] = tuple(arguments)
        self._options: Final[dict[str, Any]] = {
            "connect_timeout": 5,
            "keepalives_idle": _GONE // 2,
            "keepalives_interval": _GONE // 2,
            "tcp_user_timeout": _GONE * 1000,
            **options,
        }
        super().__init__()

    def gave_way(self, error: Exception) -> bool:
        """Whether it was a deadlock."""
        return getattr(error, "sqlstate", None) == "40P01"

    def explain(self, error: Exception) -> str:
        """The driver's class and PostgreSQL's SQLSTATE, or what to look at: its messages name hosts and users."""
        import psycopg

        if isinstance(error, psycopg.errors.LockNotAvailable):
            return "somebody holds locked what it needs"
        state = getattr(error, "sqlstate", None)
        if state is None and isinstance(error, psycopg.OperationalError):
            return "there is no connection to the server: does it run, and has it this user and database?"
        return f"{type(error).__name__}{f' (SQLSTATE {state})' if state else ''}"

    def _connect(self, *, readonly: bool = False) -> Connection:  # noqa: ARG002 - there is no difference
        import psycopg

        return psycopg.connect(*self._arguments, **self._options, autocommit=True)

    def _begin(self, connection: Connection) -> None:
        """Half of the time left is for what others hold locked: who needs none of that is tried alone afterwards."""
        self._bound(connection, (self._ends - time.monotonic()) / 2)

    @contextlib.contextmanager
    def _looking(self, connection: Connection, seconds: float) -> Iterator[None]:
        self._bound(connection, seconds)
        yield
        connection.execute("ROLLBACK")

    @staticmethod
    def _bound(connection: Connection, seconds: float) -> None:
        """Begin a transaction; a pooler may give the connection to somebody else after it, so nothing outlives it."""
        connection.execute(
            f"BEGIN; SET LOCAL lock_timeout = {_milliseconds(seconds)};"
            f" SET LOCAL idle_in_transaction_session_timeout = {_milliseconds(STALLED)}"
        )

    def _has_table(self, connection: Connection, name: str) -> bool:
        found: bool = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (name,)).fetchone()[0]
        return found

    def _lock_schema(self, connection: Connection) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('alert_outbox_schema'))")


def _milliseconds(seconds: float) -> int:
    return max(int(seconds * 1000), 1)  # 0 is no limit
