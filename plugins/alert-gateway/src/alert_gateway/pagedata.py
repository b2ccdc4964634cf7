"""What is known, as the status page and its API have it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from alert_core import Severity
from alert_core.text import truncate
from alert_gateway.history import History, Record

MAX_TITLE: Final = 300
"""Characters of a title in a list."""
FRESH: Final = 2.0
"""Seconds for which all who look at the page are told the same; more where it takes long to find out."""
SHARE: Final = 20
"""One part in so many of the time goes into finding out, at most."""
_OPEN: Final = ("waiting", "held", "gathered")
_DELIVERY: Final = (
    *("id", "target", "recipient", "state", "under_way", "attempts", "due", "stored", "ended", "outcome"),
    *("receipt", "summarised", "error"),
)

Row = Mapping[str, Any]
T = TypeVar("T")


class Kept(Generic[T]):
    """What takes a while to find out: asked for once for all who look, and for a small part of the time at most."""

    def __init__(self, find: Callable[[], T]) -> None:
        self._find = find
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = float("-inf")

    def value(self) -> T:
        """What was found, a few seconds ago at most."""
        with self._lock:
            began = time.monotonic()
            if self._value is None or began >= self._until:
                self._value = self._find()
                ended = time.monotonic()
                self._until = ended + max(FRESH, SHARE * (ended - began))
            return self._value

    def forget(self) -> None:
        """Find it out anew when it is asked for next."""
        self._until = float("-inf")


def counted(history: History, targets: Iterable[str]) -> dict[str, Any]:
    """The alerts of the last 24 hours by hour, and the deliveries of each target; `targets` are the configured ones."""
    hours = [one.to_dict() for one in history.hours()]
    found = {one["target"]: one for one in history.overview().to_dict()["targets"]}
    took = {one["target"]: one for one in (row.to_dict() for row in history.latencies())}
    told = [_target(name, found.get(name, {}), took.get(name, {})) for name in dict.fromkeys([*targets, *found])]
    return {
        "counts": {
            "alerts": sum(hour[severity.value] for hour in hours for severity in Severity),
            **{name: sum(one[name] for one in told) for name in ("delivered", "waiting", "dead")},
        },
        "hours": [{"at": hour["start"], **{s.value: hour[s.value] for s in Severity}} for hour in hours],
        "targets": told,
    }


def worst_first(firing: Iterable[Record]) -> list[dict[str, Any]]:
    """What fires, the most severe first."""
    return sorted((one.to_dict() for one in firing), key=lambda one: -Severity(one["alert"]["severity"]).rank)


def listed(rows: list[dict[str, Any]], limit: int) -> dict[str, Any]:
    """Alerts, each with its deliveries, of at most so many rows; of one more row is known that there are more.

    Of an alert that does not fit whole there is nothing, unless it is the only one.
    """
    more = rows[limit:]
    rows = rows[:limit]
    while more and rows[-1]["dispatch"] == more[0]["dispatch"] != rows[0]["dispatch"]:
        rows.pop()
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row["dispatch"], []).append(row)
    return {
        "alerts": [_alert(group) for group in groups.values()],
        "more": bool(more),
        "next": rows[-1]["id"] if more else None,
    }


def whole(told: Row) -> dict[str, Any]:
    """One alert, all that it says, with all its deliveries."""
    alert, rows = told["alert"], told["deliveries"]
    at = min((row["stored"] for row in rows), default=alert["created_at"])
    return {**alert, "at": at, "deliveries": [_delivery(row) for row in rows]}


def event(told: Row) -> dict[str, Any]:
    """What fires."""
    alert = told["alert"]
    return {
        "id": told["dedup_key"],
        "alert": alert["id"],
        "title": truncate(alert["title"], MAX_TITLE),
        **{name: alert[name] for name in ("severity", "status", "source", "tags", "metadata")},
        **{name: told[name] for name in ("dedup_key", "routes", "count", "first_seen", "last_seen", "silenced")},
    }


def state(silence: Any, now: float) -> str:
    """Of a silence: `active`, `later` or `ended`."""
    if silence.ends.timestamp() <= now:
        return "ended"
    return "active" if silence.starts.timestamp() <= now else "later"


def _alert(rows: list[dict[str, Any]]) -> dict[str, Any]:
    first = rows[-1]
    return {
        "id": first["alert_id"],
        "at": first["stored"],
        "title": truncate(first["title"], MAX_TITLE),
        **{name: first[name] for name in ("dispatch", "severity", "status", "source", "dedup_key")},
        "deliveries": [_delivery(row) for row in reversed(rows)],
    }


def _delivery(row: Row) -> dict[str, Any]:
    """A delivery, and the seconds that it took, once it has ended."""
    seconds = None
    if row["ended"]:
        took = datetime.fromisoformat(row["ended"]) - datetime.fromisoformat(row["stored"])
        seconds = max(round(took.total_seconds(), 3), 0.0)
    return {**{name: row[name] for name in _DELIVERY}, "seconds": seconds}


def _target(name: str, found: Row, took: Row) -> dict[str, Any]:
    return {
        "name": name,
        "delivered": took.get("count", 0),
        "dead": found.get("dead", 0),
        "waiting": sum(found.get(one, 0) for one in _OPEN),
        "p50": took.get("p50"),
        "p95": took.get("p95"),
    }
