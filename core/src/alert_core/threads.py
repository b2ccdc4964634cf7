"""Conversations: an acknowledge or a resolve as a reply to the message of its firing."""

from __future__ import annotations

import threading


class Threads:
    """Which message opened the thread of a dedup key, for transports that reply to it. Several may call it at once.

    Args:
        limit: how many are remembered; the oldest go first.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._found: dict[str, str] = {}

    def get(self, key: str) -> str | None:
        """The provider's id of the message that opened it; None where that is not known."""
        return self._found.get(key)

    def remember(self, key: str, message_id: str) -> None:
        """A new message opens the thread."""
        with self._lock:
            self._found.pop(key, None)
            self._found[key] = message_id
            if len(self._found) > self._limit:
                del self._found[next(iter(self._found))]

    def forget(self, key: str) -> bool:
        """Close the thread; whether there was one."""
        with self._lock:
            return self._found.pop(key, None) is not None

    def unlock(self) -> None:
        """Call it in a transport's `_forget()`: the parent of a fork may have held the lock."""
        self._lock = threading.Lock()
