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
_LOOK: Final = 1.0
"""Seconds until who waits looks for itself: an interrupted leader may have woken nobody."""


@attrs.define(eq=False)
class Entry:
    """What one thread wants written, and what became of it."""

    work: Callable[[Any, bool], Any]
    """Called with the connection, and with whether it may have been committed before; its result is the caller's."""
    result: Any = None
    error: BaseException | None = None
    done: bool = False
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
        self._leader: Entry | None = None
        self._batch: list[Entry] = []

    def run(self, work: Callable[[Any, bool], _T]) -> _T:
        """Let it be written; its result, once it is committed. What it or the commit raised is raised here."""
        entry = Entry(work)
        entry.wake.acquire()
        try:
            self._write(entry)
        except BaseException:  # a signal's, in the main thread, between any two steps
            self._leave(entry)
            raise
        if entry.error is not None:
            raise entry.error
        result: _T = entry.result
        return result

    def join(self) -> Sequence[Entry]:
        """For the leader's `transact`: everybody who waits by now shares what becomes of its entries; all of these."""
        with self._lock:
            self._batch, self._waiting = [*self._batch, *self._waiting], []
        return self._batch

    def _write(self, entry: Entry) -> None:
        with self._lock:
            self._waiting.append(entry)
            self._leader = self._leader or entry
        while not (entry.done or self._leader is entry):
            entry.wake.acquire(timeout=_LOOK)
        if entry.done:
            return
        with self._lock:
            self._batch, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
        try:
            self._transact(self._batch)
        except BaseException:
            for one in self._batch:
                one.error = one.error or QueueError("interrupted: it is not known whether the alert was accepted")
            raise
        self._hand_on()

    def _leave(self, entry: Entry) -> None:
        with self._lock:
            if entry in self._waiting:
                self._waiting.remove(entry)
        if self._leader is entry:
            self._hand_on()

    def _hand_on(self) -> None:
        """Wake who is done, and the next leader. The leader may begin it twice: the first time may be interrupted."""
        for one in self._batch:
            one.done = True
            if one.wake.locked():
                one.wake.release()
        with self._lock:
            self._batch = []
            self._leader = self._waiting[0] if self._waiting else None
            if self._leader is not None:
                self._leader.wake.release()
