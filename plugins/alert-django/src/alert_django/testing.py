"""For a project's tests: the alerts that it would have sent."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

from alert_core.testing import capture_alerts as capturing
from alert_django import dispatchers, transactions

if TYPE_CHECKING:
    from alert_core.testing import Captured

__all__ = ["AlertsMixin", "capture_alerts"]


@contextlib.contextmanager
def capture_alerts() -> Iterator[Captured]:
    """Collect what would have been sent, as `alert_core.testing.capture_alerts` does; nothing is delivered or stored.

    Targets, routes and defaults are those of the settings as they are when it begins. Where none are set, every alert
    goes to one target, and `targets=` may have any name. What waits for a transaction (`on_commit=True`; or the outbox
    on the project's database, in an `atomic()` block of the code under test) is collected once that has committed: in a
    `TestCase` inside of `captureOnCommitCallbacks(execute=True)`.

    Raises:
        ConfigError: the settings are wrong.
        AssertionError: at the end, where an alert could not cross a queue.
    """
    dispatchers.forget()
    like = dispatchers.build_dispatcher(delivers=False)
    with ExitStack() as stack:
        if like is not None:
            stack.callback(like.close, 0)
        before, transactions.captured = transactions.captured, getattr(like and like.queue, "using", None)
        stack.callback(setattr, transactions, "captured", before)
        yield stack.enter_context(capturing(like))


class AlertsMixin:
    """For a TestCase: `self.alerts` has what the test would have sent, as `capture_alerts()` yields it."""

    alerts: Captured

    def setUp(self) -> None:
        """Begin, before the rest is set up."""
        stack = ExitStack()
        self.addCleanup(stack.close)  # type: ignore[attr-defined]  # a TestCase has it
        self.alerts = stack.enter_context(capture_alerts())
        super().setUp()  # type: ignore[misc]  # as above


if importlib.util.find_spec("pytest"):
    import pytest

    @pytest.fixture
    def alerts() -> Iterator[Captured]:
        """What the test would have sent: name it in a conftest.py, `from alert_django.testing import alerts`."""
        with capture_alerts() as captured:
            yield captured
