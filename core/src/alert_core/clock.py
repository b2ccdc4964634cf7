"""Time, so that tests can turn it: `alert_core.testing.VirtualClock` has the same methods."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading


class Clock:
    """The system's clock, and the waiting that depends on it."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def time(self) -> float:
        """Seconds since 1970, which a change of the system's clock moves: for what outlives the process."""
        return time.time()

    def wait(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait for a notification of the condition, whose lock is held, at most `timeout` seconds."""
        condition.wait(timeout)

    def notify(self, condition: threading.Condition, n: int = 1) -> None:
        """Wake `n` waiters of the condition, whose lock is held."""
        condition.notify(n)

    def start(self, thread: threading.Thread) -> None:
        """Start a thread that will wait on this clock."""
        thread.start()
