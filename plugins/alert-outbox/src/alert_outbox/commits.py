"""Group commit: several threads that write at the same time share one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import attrs

from alert_core import QueueError

_T = TypeVar("_T")
MOST: Final = 256
"""Entries that share one transaction."""


@attrs.define(eq=False)
class Entry:
    """What one thread wants written, and what became of it."""

    work: Callable[[Any, bool], Any]
    """Called with the connection, and with whether it may have been committed before; its result is the caller's."""
    result: Any = None
    error: BaseException | None = None
    done: bool = False
    leads: bool = False
    wake: threading.Lock = attrs.field(factory=threading.Lock)


class Commits:
    """A leader commits for itself and for who came while the commit before it ran. There is no writer thread.

    Args:
        transact: writes the entries' work in one transaction, or each in one of its own; fills in result or error.
    """

    def __init__(self, transact: Callable[[Sequence[Entry]], None]) -> None:
        self._transact = transact
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._led = False

    def run(self, work: Callable[[Any, bool], _T]) -> _T:
        """Let it be written; its result, once it is committed. What it or the commit raised is raised here."""
        entry = Entry(work)
        entry.wake.acquire()
        with self._lock:
            self._waiting.append(entry)
            entry.leads = not self._led
            self._led = True
        if not entry.leads:
            self._wait(entry)
        if not entry.done:
            self._lead()
        if entry.error is not None:
            raise entry.error
        result: _T = entry.result
        return result

    def _wait(self, entry: Entry) -> None:
        try:
            entry.wake.acquire()
        except BaseException:  # a signal in the main thread: leave, but not with the lead
            with self._lock:
                if entry in self._waiting and not entry.leads:
                    self._waiting.remove(entry)
            if entry.leads and not entry.done:
                self._lead()
            raise

    def _lead(self) -> None:
        with self._lock:
            batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._transact(batch)
        except BaseException:
            for entry in batch:
                entry.error = entry.error or QueueError("interrupted; the alert was not accepted")
            raise
        finally:
            with self._lock:
                following = self._waiting[0] if self._waiting else None
                self._led = following is not None
                if following is not None:
                    following.leads = True
            for entry in batch:
                entry.done = True
                entry.wake.release()
            if following is not None:
                following.wake.release()
