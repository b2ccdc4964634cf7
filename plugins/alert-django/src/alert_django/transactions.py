"""Whether this thread is in a transaction of the project's, and alerts that are to outlive it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextvars import ContextVar

from django.db import connections

captured: str | None = None
"""In `alert_django.testing.capture_alerts()`: the database of the outbox whose place it takes."""
_outside: ContextVar[bool] = ContextVar("alert_django_outside", default=False)


@contextlib.contextmanager
def outside_transaction() -> Iterator[None]:
    """Inside, an alert for the outbox on the project's database is stored at once, whatever the transaction comes to.

    SQLite has one writer, which may be this very transaction: there the outbox refuses the alert at once (QueueError),
    and `send()` delivers it from memory.
    """
    token = _outside.set(True)
    try:
        yield
    finally:
        _outside.reset(token)


def is_outside() -> bool:
    """Whether the caller is in `outside_transaction()`; never in tests, whose transactions undo all they did."""
    return _outside.get() and not is_testing()


def in_transaction(using: str, *, but_tests: bool = False) -> bool:
    """Whether this thread is in a transaction of that database, by `atomic()` or because autocommit is off.

    `but_tests`: in an `atomic()` block that is not TestCase's own.
    """
    connection = connections[using]
    if not but_tests:
        return connection.in_atomic_block or (connection.connection is not None and not connection.autocommit)
    return any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def is_testing() -> bool:
    """Whether Django's `setup_test_environment()` was called, as `manage.py test` and pytest-django do."""
    utilities = sys.modules.get("django.test.utils")  # loading it takes long, and only tests do
    return hasattr(getattr(utilities, "_TestState", None), "saved_data")
