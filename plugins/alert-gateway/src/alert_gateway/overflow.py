"""What a source tells beyond its rate: kept, and told together once a window. Nothing is refused, and nothing lost."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final

from alert_core import Alert, Severity, Status
from alert_core.queues import Clock
from alert_core.text import one_line, truncate
from alert_gateway.config import Rate
from alert_gateway.heartbeats import CLAIM, LONGEST_SLEEP, span
from alert_gateway.state import Rows, State

WINDOW: Final = 60.0
"""Seconds of the window where the source has no rate, but one body held more alerts than are taken one by one."""
SHOWN: Final = 20
MAX_TITLE: Final = 200
CRITICAL_FACTOR: Final = 3
"""As at the targets: critical alerts pass up to three times the rate."""
_INSERT: Final = """INSERT INTO alert_gateway_overflow (id, source, at, severity, title, targets, claimed)
    VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO NOTHING"""
_WINDOWS: Final = """SELECT source, targets, MIN(at) FROM alert_gateway_overflow WHERE claimed < ?
    GROUP BY source, targets"""
_CLAIM: Final = """UPDATE alert_gateway_overflow SET batch = ?, claimed = ?
    WHERE source = ? AND targets = ? AND claimed < ?"""
_BATCH: Final = "SELECT severity, title FROM alert_gateway_overflow WHERE batch = ? ORDER BY at, id"
_DELETE: Final = "DELETE FROM alert_gateway_overflow WHERE batch = ?"


class Overflow:
    """A bucket for each source, and the rows of what it did not let pass.

    Args:
        rates: by source.
        state: where the rows are: committed before the sender is told yes.
        route: the targets of an alert: the summary goes where each that it tells would have gone.
        enqueue: takes the summary and its targets; None: the routes decide.
        clock: for the buckets and windows.
        is_limited: whether any source has a rate: then an earlier process may have left rows.
    """

    def __init__(
        self,
        rates: Callable[[str], Rate | None],
        state: State,
        route: Callable[[Alert], Sequence[str]],
        enqueue: Callable[[Alert, Sequence[str] | None], Any],
        clock: Clock,
        *,
        is_limited: bool = True,
    ) -> None:
        self._rates = rates
        self._state = state
        self._route = route
        self._enqueue = enqueue
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[float, float]] = {}
        self._used = is_limited

    def sift(self, source: str, alerts: Sequence[Alert]) -> tuple[list[Alert], list[Alert]]:
        """Those that are told one by one, and those that are told together.

        A resolve always goes by itself, and what goes to no target is for the dispatcher to drop.
        """
        rate = self._rates(source)
        if rate is None:
            return list(alerts), []
        passed: list[Alert] = []
        gathered: list[Alert] = []
        with self._lock:
            now = self._clock.monotonic()
            spent, at = self._spent.get(source, (0.0, now))
            spent = max(spent - (now - at) * rate.count / rate.seconds, 0.0)
            for alert in alerts:
                most = rate.count * (CRITICAL_FACTOR if alert.severity is Severity.CRITICAL else 1)
                if alert.status is Status.RESOLVED:
                    passed.append(alert)
                elif spent + 1 <= most:
                    spent += 1
                    passed.append(alert)
                elif not self._route(alert):
                    passed.append(alert)
                else:
                    gathered.append(alert)
            self._spent[source] = (spent, now)
        return passed, gathered

    def keep(self, source: str, alerts: Sequence[Alert]) -> None:
        """Keep them for the summary; those that go to no target are told to nobody.

        Raises:
            QueueError: they could not be kept; nothing was.
        """
        now = self._clock.time()
        kept = [
            (uuid.uuid4().hex, source, now, alert.severity.value, truncate(one_line(alert.title), MAX_TITLE), targets)
            for alert in alerts
            if (targets := json.dumps([*self._route(alert)])) != "[]"
        ]
        if not kept:
            return

        def insert(rows: Rows) -> None:
            for row in kept:
                rows.run(_INSERT, *row)

        self._used = True
        self._state.write(insert)

    def flush(self, *, at_once: bool = False) -> float:
        """Tell of those whose window has ended, or of all `at_once`; returns the seconds until the next window ends.

        Raises:
            QueueError: the rows could not be read, or an alert not be enqueued.
        """
        if not self._used:
            return LONGEST_SLEEP
        now = self._clock.time()
        found = self._state.write(lambda rows: rows.all(_WINDOWS, now - CLAIM))
        waits = [LONGEST_SLEEP]
        for source, targets, since in found:
            left = since + self._window(source) - now
            if left > 0 and not at_once:
                waits.append(left)
            else:
                self._tell(source, targets, now)
        return min(waits)

    def _window(self, source: str) -> float:
        rate = self._rates(source)
        return rate.seconds if rate else WINDOW

    def _tell(self, source: str, targets: str, now: float) -> None:
        batch = uuid.uuid4().hex

        def claim(rows: Rows) -> list[tuple[Any, ...]]:
            rows.run(_CLAIM, batch, now, source, targets, now - CLAIM)
            return rows.all(_BATCH, batch)

        if found := self._state.write(claim):
            told = summary(source, [(Severity(word), title) for word, title in found], self._window(source))
            self._enqueue(told, json.loads(targets) if targets else None)
            self._state.write(lambda rows: rows.run(_DELETE, batch))


def summary(source: str, found: Sequence[tuple[Severity, str]], window: float) -> Alert:
    """One alert for many: as severe as the worst of them, the worst first."""
    ordered = sorted(found, key=lambda one: -one[0].rank)
    lines = [f"[{severity.upper()}] {title}" for severity, title in ordered[:SHOWN]]
    if len(ordered) > SHOWN:
        lines.append(f"and {len(ordered) - SHOWN} more")
    count = f"{len(found)} more alert{'' if len(found) == 1 else 's'}"
    return Alert(
        f"{count} from {source} within {span(window)}",
        "\n".join(lines),
        severity=ordered[0][0],
        source=source,
        metadata={"summarised": len(found)},
    )
