"""Dead man's switches: an alert when what should report stays away, and a resolve when it is back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from alert_core import Alert, Severity, Status
from alert_core.queues import Clock
from alert_gateway.config import HeartbeatTable
from alert_gateway.state import Rows, State

Enqueue = Callable[[Alert, Sequence[str] | None], Any]
UP: Final = "up"
TELLING: Final = "telling"
"""A gateway has seen that it is late, and is about to tell; another takes over where that one dies."""
LATE: Final = "late"
CLAIM: Final = 60.0
"""Seconds that a gateway has to tell of it."""
LONGEST_SLEEP: Final = 60.0
_HEARD: Final = """INSERT INTO alert_gateway_heartbeats (name, beat, state, claimed) VALUES (?, ?, 'up', 0)
    ON CONFLICT (name) DO UPDATE SET beat = excluded.beat"""
_FIRST: Final = """INSERT INTO alert_gateway_heartbeats (name, beat, state, claimed) VALUES (?, ?, 'up', 0)
    ON CONFLICT (name) DO NOTHING"""
_STATE: Final = "SELECT state FROM alert_gateway_heartbeats WHERE name = ?"
_ALL: Final = "SELECT name, beat, state, claimed FROM alert_gateway_heartbeats"
_CLAIM: Final = """UPDATE alert_gateway_heartbeats SET state = 'telling', claimed = ?
    WHERE name = ? AND beat = ? AND (state = 'up' OR (state = 'telling' AND claimed < ?))"""
_TOLD: Final = """UPDATE alert_gateway_heartbeats SET state = 'late'
    WHERE name = ? AND beat = ? AND state = 'telling'"""
_BACK: Final = "UPDATE alert_gateway_heartbeats SET state = 'up' WHERE name = ?"


class Heartbeats:
    """What was heard when, and who has been told.

    A heartbeat counts from when it is first configured. The rows outlive the process, and gateways that share a
    database tell once. What was due while this gateway was down has `grace` more to be heard of.

    Args:
        tables: by name.
        state: where the rows are.
        enqueue: takes an alert, and the names of its targets, or None for the routes.
        clock: whose `time()` counts.
    """

    def __init__(self, tables: Mapping[str, HeartbeatTable], state: State, enqueue: Enqueue, clock: Clock) -> None:
        self.tables = tables
        self._state = state
        self._enqueue = enqueue
        self._clock = clock
        self._started = clock.time()

    def beat(self, name: str) -> float:
        """It was heard; returns when it is late if not heard again, seconds since 1970.

        Raises:
            QueueError: that could not be kept.
        """
        now = self._clock.time()

        def heard(rows: Rows) -> str:
            rows.run(_HEARD, name, now)
            return str(rows.all(_STATE, name)[0][0])

        if self._state.write(heard) != UP:
            self._back(name, now)
        return now + self.tables[name].patience

    def check(self) -> float:
        """Tell of those that are late; returns the seconds until the next can be.

        Raises:
            QueueError: the rows could not be read, or an alert not be enqueued.
        """
        if not self.tables:
            return LONGEST_SLEEP
        now = self._clock.time()
        found = self._state.write(lambda rows: self._found(rows, now))
        waits = [LONGEST_SLEEP]
        for name, table in self.tables.items():
            beat, state, claimed = found[name]
            left = max(beat + table.patience, self._started + table.patience - table.every) - now
            if (state == UP and left <= 0) or (state == TELLING and claimed < now - CLAIM):
                self._tell(name, beat, now)
            elif state == LATE and left > 0 and beat < now - CLAIM / 2:
                self._back(name, now)  # it was heard, and who heard it has died before telling
            elif state == UP:
                waits.append(left)
        return min(waits)

    def snapshot(self) -> dict[str, tuple[float, str]]:
        """Of each: when it was last heard, or first configured, and its state.

        Raises:
            QueueError: the rows could not be read.
        """
        found = self._state.write(lambda rows: self._found(rows, self._clock.time())) if self.tables else {}
        return {name: (beat, state) for name, (beat, state, _) in found.items()}

    def _found(self, rows: Rows, now: float) -> dict[str, tuple[float, str, float]]:
        known = rows.all(_ALL)
        found = {name: (beat, state, claimed) for name, beat, state, claimed in known if name in self.tables}
        for name in self.tables.keys() - found.keys():
            rows.run(_FIRST, name, now)
            found[name] = (now, UP, 0.0)
        return found

    def _tell(self, name: str, beat: float, now: float) -> None:
        """Claim it, tell of it, and note that: whoever dies in between is followed by another."""
        if not self._state.write(lambda rows: rows.run(_CLAIM, now, name, beat, now - CLAIM)):
            return
        table = self.tables[name]
        since = datetime.fromtimestamp(beat, UTC)
        self._send(
            name,
            f"Heartbeat {name} is late",
            f"Nothing was heard of {name} since {since:%Y-%m-%d %H:%M:%S} UTC; it should report every"
            f" {span(table.every)}, and has {span(table.patience - table.every)} more.",
            table.severity,
            Status.FIRING,
        )
        if not self._state.write(lambda rows: rows.run(_TOLD, name, beat)):
            self._back(name, now)  # it was heard meanwhile

    def _back(self, name: str, now: float) -> None:
        at = datetime.fromtimestamp(now, UTC)
        message = f"{name} was heard again at {at:%Y-%m-%d %H:%M:%S} UTC."
        self._send(name, f"Heartbeat {name} is back", message, self.tables[name].severity, Status.RESOLVED)
        self._state.write(lambda rows: rows.run(_BACK, name))

    def _send(self, name: str, title: str, message: str, severity: Severity, status: Status) -> None:
        alert = Alert(
            title,
            message,
            severity=severity,
            source="heartbeat",
            tags=(name,),
            metadata={"heartbeat": name},
            status=status,
            dedup_key=f"heartbeat:{name}",
        )
        self._enqueue(alert, self.tables[name].targets or None)


def span(seconds: float) -> str:
    """A time as people write it: `1 d`, `90 min`, `36 s`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds / 60:.0f} min" if seconds >= 600 else f"{seconds:g} s"  # noqa: PLR2004 - ten minutes
