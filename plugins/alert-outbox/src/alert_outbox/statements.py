"""Statements: built and compiled by SQLAlchemy Core once, and run through the driver itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Dialect

Connection = Any
"""A DBAPI connection in autocommit: sqlite3's or psycopg's, which have the same methods as far as they are used."""
Row = tuple[Any, ...]


def param(name: str, kind: Any = None) -> Any:
    """A value that is given when the statement is run."""
    return sa.bindparam(name, type_=kind)


def insert_once(table: sa.Table, **values: Any) -> Any:
    """An INSERT that does nothing where the row is there: another process may have made it a moment ago."""
    return postgresql.insert(table).values(**values).on_conflict_do_nothing()  # SQLite has the same words for it


class Statement:
    """One statement of one dialect."""

    def __init__(self, clause: sa.Executable, dialect: Dialect) -> None:
        compiled: Any = clause.compile(dialect=dialect)  # type: ignore[attr-defined]  # every Executable here has it
        self.text = str(compiled)
        self._given: Final[dict[str, Any]] = dict(compiled.params)
        self._order: Final[list[str] | None] = compiled.positiontup

    def rows(self, connection: Connection, **values: Any) -> list[Row]:
        """Run it once; its rows."""
        found: list[Row] = connection.execute(self.text, self._parameters(values)).fetchall()
        return found

    def one(self, connection: Connection, **values: Any) -> Row | None:
        """Run it once; its first row."""
        return next(iter(self.rows(connection, **values)), None)

    def run(self, connection: Connection, **values: Any) -> int:
        """Run it once; how many rows it changed."""
        count: int = connection.execute(self.text, self._parameters(values)).rowcount
        return count

    def run_many(self, connection: Connection, many: Iterable[Mapping[str, Any]]) -> None:
        """Run it for each of these values."""
        parameters = [self._parameters(values) for values in many]
        if len(parameters) == 1:
            connection.execute(self.text, parameters[0])
        elif parameters:
            connection.cursor().executemany(self.text, parameters)

    def _parameters(self, values: Mapping[str, Any]) -> Any:
        merged = {**self._given, **values} if self._given else values
        if self._order is None:
            return {name: _storable(value) for name, value in merged.items()}
        return tuple(_storable(merged[name]) for name in self._order)


def _storable(value: Any) -> Any:
    """A text without NUL, which PostgreSQL does not store, and without half a surrogate pair, which no UTF-8 has."""
    if isinstance(value, str) and ("\0" in value or not value.isascii()):
        return value.encode("utf-8", "replace").replace(b"\0", b"?").decode()
    return value


class Statements:
    """Compiles each attribute, a function of no arguments, when it is first used."""

    def __init__(self, dialect: Dialect, clauses: Mapping[str, Any]) -> None:
        self._dialect = dialect
        self._clauses = clauses

    def __getattr__(self, name: str) -> Statement:
        if name.startswith("_") or name not in self._clauses:
            raise AttributeError(name)
        statement = Statement(self._clauses[name](), self._dialect)
        setattr(self, name, statement)
        return statement
