"""A target's rate, kept by each worker process: what is over it gets a later time, and no worker waits for it."""

from __future__ import annotations

import threading

from alert_core.queues import Settings


class Paces:
    """When the next delivery of each target is due (the generic cell rate algorithm)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: dict[str, float] = {}

    def wait(self, target: str, settings: Settings, now: float, longest: float) -> float:
        """Seconds that a delivery waits from `now`, or 0; its turn is kept for it, unless that is after `longest`."""
        rate = settings.rate
        if rate is None:
            return 0.0
        apart = rate.seconds / rate.count
        with self._lock:
            due = max(self._due.get(target, 0.0), now)
            pause = max(due - (rate.seconds - apart) - now, 0.0)
            if pause <= longest:
                self._due[target] = due + apart
        return pause
