"""The connections that wait for the next message."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from alert_smtp.connection import Connection

MAX_IDLE: Final = 60.0
"""Seconds that a connection is kept unused. Servers wait five minutes (RFC 5321), firewalls less."""


class Pool:
    """At most `size` idle connections, the last used on top. Once closed, it closes what is brought back."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        self._idle: list[tuple[float, Connection]] = []

    def take(self) -> Connection | None:
        """An idle connection that looks open, or None. The server may still close it before it is used."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                since, connection = self._idle.pop()
            if time.monotonic() - since < MAX_IDLE and connection.is_quiet():
                return connection
            connection.leave()

    def give(self, connection: Connection) -> None:
        """Keep a connection on which no transaction is open."""
        with self._lock:
            if len(self._idle) < self._size:
                self._idle.append((time.monotonic(), connection))
                return
        connection.leave()

    def close(self) -> None:
        """Say QUIT on each connection and close it, waiting for no reply."""
        with self._lock:
            self._size = 0
            idle, self._idle = self._idle, []
        for _, connection in idle:
            connection.leave()

    def forget(self) -> None:
        """Close the sockets without a word, in the child of a fork: the connections are the parent's."""
        for _, connection in self._idle:
            connection.close()
