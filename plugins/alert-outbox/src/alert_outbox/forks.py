"""Forks. The child of one takes its parent's SQLite locks for its own, and has none: so no file is open meanwhile."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Final

PATIENCE: Final = 10.0
"""Seconds that a fork waits for those who use a database."""
_live: Final[weakref.WeakSet[Forkable]] = weakref.WeakSet()
_ready: Final[list[Forkable]] = []
_gate: Final = threading.RLock()
"""Of one fork at a time; nobody begins to read meanwhile."""


class Forkable:
    """What one thread at a time writes to, and several read: a fork waits for them."""

    def __init__(self) -> None:
        self._using: threading.Lock
        self._readers: set[object]
        self.forget()
        _live.add(self)

    def forget(self) -> None:
        """At first, and in the child of a fork: nobody uses it."""
        self._using = threading.Lock()
        self._readers = set()

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        one = object()
        try:
            with _gate:
                self._readers.add(one)
            yield
        finally:
            self._readers.discard(one)

    def _let_go(self) -> None:
        """Before a fork, when nobody uses it."""

    def _lose(self) -> None:
        """In a child, if somebody used it for too long."""

    def _hold(self, ends: float) -> bool:
        if not self._using.acquire(timeout=max(ends - time.monotonic(), 0.0)):
            return False
        while self._readers:
            if time.monotonic() > ends:
                self._using.release()
                return False
            time.sleep(0.001)
        self._let_go()
        return True


def _before() -> None:
    ends = time.monotonic() + PATIENCE
    _gate.acquire()
    _ready.extend(one for one in list(_live) if one._hold(ends))  # noqa: SLF001 - our own


def _in_parent() -> None:
    for one in _ready:
        one._using.release()  # noqa: SLF001 - our own
    _ready.clear()
    _gate.release()


def _in_child() -> None:
    for one in list(_live):
        one.forget()
        if one not in _ready:
            one._lose()  # noqa: SLF001 - our own
    _ready.clear()
    _gate.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
