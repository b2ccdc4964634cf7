"""The gateway's own thread: what is to be done when its time has come."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from typing import Final

from alert_core import QueueError
from alert_core.queues import Clock
from alert_core.text import one_line

_AGAIN: Final = 5.0
"""Seconds after which what failed is tried again."""
_SHORTEST: Final = 0.01
_log = logging.getLogger(__name__)


class Housekeeping:
    """Calls each task when it says.

    Args:
        tasks: each does what is due, and returns the seconds until it is to be called again.
        clock: for waiting.
    """

    def __init__(self, tasks: Sequence[Callable[[], float]], clock: Clock) -> None:
        self._tasks = tasks
        self._clock = clock
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._process = 0
        self._closed = False

    def start(self) -> bool:
        """Start the thread, once in this process: after a fork a child has none. Whether it was started now."""
        if self._closed or (self._thread is not None and self._process == os.getpid()):
            return False
        if self._process != os.getpid():
            self._condition = threading.Condition()  # a thread of the parent may have held it
        with self._condition:
            if self._thread is None or self._process != os.getpid():
                self._process = os.getpid()
                self._thread = threading.Thread(target=self._run, name="alert-gateway", daemon=True)
                self._clock.start(self._thread)
                return True
        return False

    def wake(self) -> None:
        """Something may be due sooner than it was."""
        with self._condition:
            self._clock.notify(self._condition)

    def close(self, timeout: float) -> None:
        """End it, and wait for a task that runs."""
        with self._condition:
            self._closed = True
            self._clock.notify(self._condition)
        if self._thread is not None and self._process == os.getpid():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            wait = min(map(self._done, self._tasks))
            with self._condition:
                if self._closed:
                    return
                self._clock.wait(self._condition, max(wait, _SHORTEST))
                if self._closed:
                    return

    @staticmethod
    def _done(task: Callable[[], float]) -> float:
        try:
            return task()
        except Exception as error:  # noqa: BLE001 - a store's trouble passes; the thread goes on
            why = one_line(str(error)) if isinstance(error, QueueError) else type(error).__name__
            _log.warning("the gateway could not look after heartbeats and summaries (%s)", why)
            return _AGAIN
