"""Wall-clock values of a route: durations, times of day in a zone, weekly windows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, tzinfo
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import attrs

from alert_core.errors import ConfigError
from alert_core.values import structure_fields

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_FULL_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(s|m|h|d)")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TIME: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")
_MIDNIGHT: Final = time(0)


def parse_duration(value: object) -> float:
    """Seconds, from a number of them or a text as `"90s"`, `"5m"`, `"4h"`, `"1d"`; else a ValueError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf"):
        return float(value)
    if isinstance(value, str) and (found := _DURATION.fullmatch(value.strip())):
        return float(found[1]) * _UNITS[found[2]]
    raise ValueError('must be a time, as "30s", "5m", "4h", "1d", or a number of seconds')


def _time(value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None:
        return value
    text = value.strip() if isinstance(value, str) else ""
    if text == "24:00":
        return _MIDNIGHT
    if not _TIME.fullmatch(text):
        raise ValueError('must be a time of day from "00:00" to "24:00"')
    return time.fromisoformat(text)


def _zone(value: object) -> tzinfo:
    try:
        return UTC if value == "UTC" else ZoneInfo(value)  # type: ignore[arg-type]  # TypeError where it is no str
    except (KeyError, ValueError, OSError, TypeError, AttributeError):  # OSError: a folder of zones, as "Africa"
        raise ValueError(
            'is no time zone known here; write it as "Africa/Luanda" (no zones here: pip install tzdata)'
        ) from None


def _days(value: object) -> frozenset[int]:
    items = value.split(",") if isinstance(value, str) else value if isinstance(value, Sequence) else ()
    found: set[int] = set()
    for item in items:
        ends = [part.strip().lower() for part in str(item).split("-")]
        numbers = [names.index(end) for end in ends for names in (DAYS, _FULL_DAYS) if end in names]
        if not len(numbers) == len(ends) <= 2:  # noqa: PLR2004 - a range's ends
            found.clear()
            break
        found |= {(numbers[0] + step) % 7 for step in range((numbers[-1] - numbers[0]) % 7 + 1)}
    if not found:
        raise ValueError('must be days, as "mon-fri", "sat,sun" or ["mon", "wed"]')
    return frozenset(found)


_WINDOW: Final[Mapping[str, Any]] = {
    "days": Annotated[frozenset[int], _days],
    "from": Annotated[time, _time],
    "to": Annotated[time, _time],
    "tz": Annotated[tzinfo, _zone],
}


@attrs.frozen
class TimeWindow:
    """Hours of some days of the week. One that ends before it starts goes on over midnight.

    Attributes:
        days: on which it starts; Monday 0 to Sunday 6.
        start: first moment in it.
        end: first moment after it; midnight is the day's end.
        tz: the zone in which all of this is meant.
    """

    days: frozenset[int] = frozenset(range(7))
    start: time = _MIDNIGHT
    end: time = _MIDNIGHT
    tz: tzinfo = UTC

    @classmethod
    def parse(cls, value: Any) -> TimeWindow:
        """Read `{ days = "mon-fri", from = "08:00", to = "18:00", tz = "UTC" }`; each may be left out.

        Raises:
            ConfigError: every key that is wrong.
        """
        if isinstance(value, TimeWindow):
            return value
        fields, faults = structure_fields(value, _WINDOW)
        if faults:
            raise ConfigError(faults)
        if not fields.keys() - {"tz"}:
            raise ConfigError("a time window needs days, from or to")
        start, end = fields.pop("from", _MIDNIGHT), fields.pop("to", _MIDNIGHT)
        if start == end != _MIDNIGHT:
            raise ConfigError([("to", "is the same time as from; leave both out for the whole day")])
        return cls(start=start, end=end, **fields)

    def __contains__(self, moment: datetime) -> bool:
        local = moment.astimezone(self.tz)
        day, at = local.weekday(), local.time()
        if self.end == _MIDNIGHT or self.start < self.end:
            return day in self.days and self.start <= at and (self.end == _MIDNIGHT or at < self.end)
        return (day in self.days and at >= self.start) or ((day - 1) % 7 in self.days and at < self.end)

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in sorted(self.days))
        end = "24:00" if self.end == _MIDNIGHT else f"{self.end:%H:%M}"
        return f"{days} {self.start:%H:%M}-{end} {self.tz}"


@attrs.frozen
class DailyTime:
    """A time of every day, in a zone: `"08:00 Africa/Luanda"`."""

    at: time
    tz: tzinfo = UTC

    @classmethod
    def parse(cls, value: Any) -> DailyTime:
        """Read a time and a zone, UTC where it has none; else a ValueError."""
        if isinstance(value, DailyTime):
            return value
        at, _, zone = value.strip().partition(" ") if isinstance(value, str) else ("", "", "")
        return cls(_time(at), _zone(zone.strip() or "UTC"))
