"""Which requests came already: the ids that senders give them, for a day."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Iterator
from typing import Final

from alert_core import QueueError
from alert_core.queues import Clock
from alert_gateway.events import TryLaterError
from alert_gateway.state import Rows, State

KEPT_FOR: Final = 24 * 3600.0
MOST: Final = 100_000
"""Ids that are remembered: some 15 MB."""
_PRUNE_EVERY: Final = 600.0
_KNOWN: Final = "SELECT 1 FROM alert_gateway_replays WHERE id = ? AND at > ?"
_NOTE: Final = """INSERT INTO alert_gateway_replays (id, at) VALUES (?, ?)
    ON CONFLICT (id) DO UPDATE SET at = excluded.at"""
_OLD: Final = "DELETE FROM alert_gateway_replays WHERE at <= ?"
_MANY: Final = """DELETE FROM alert_gateway_replays
    WHERE at <= (SELECT at FROM alert_gateway_replays ORDER BY at DESC LIMIT 1 OFFSET ?)"""
_log = logging.getLogger(__name__)


class Replays:
    """The rows outlive the process, and gateways that share a database know each other's.

    An id is noted after its alerts are accepted, never before: who dies in between is sent the request again, and tells
    it twice, but never loses it.

    Args:
        state: where the rows are.
        clock: whose `time()` counts.
        most: ids that are remembered; the oldest are forgotten first.
    """

    def __init__(self, state: State, clock: Clock, *, most: int = MOST) -> None:
        self._state = state
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._under_way: set[str] = set()
        self._prune_at = 0.0

    @contextlib.contextmanager
    def once(self, source: str, request_id: str | None) -> Iterator[bool]:
        """Whether the request is new. It is noted where the block ends without an exception.

        Args:
            source: whose id it is.
            request_id: None: the sender gives none, and the request is always new.

        Raises:
            TryLaterError: it is under way here already: whether it will be accepted is not known.
            QueueError: the rows could not be read.
        """
        if request_id is None:
            yield True
            return
        key = hashlib.sha256(f"{source}\0{request_id}".encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            if key in self._under_way:
                raise TryLaterError("a request of this id is under way")
            self._under_way.add(key)
        try:
            since = self._clock.time() - KEPT_FOR
            is_new = not self._state.write(lambda rows: rows.all(_KNOWN, key, since))
            yield is_new
            if is_new:
                self._note(key)
        finally:
            with self._lock:
                self._under_way.discard(key)

    def _note(self, key: str) -> None:
        now = self._clock.time()

        def note(rows: Rows) -> None:
            rows.run(_NOTE, key, now)
            if now >= self._prune_at:
                rows.run(_OLD, now - KEPT_FOR)
                rows.run(_MANY, self._most)

        try:
            self._state.write(note)
        except QueueError as error:  # its alerts are accepted: that is what the sender is to be told
            _log.warning("a request's id could not be kept (%s)", type(error).__name__)
        if now >= self._prune_at:
            self._prune_at = now + _PRUNE_EVERY
