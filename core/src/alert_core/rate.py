"""How often a target may be called: a token bucket that only delays."""

from __future__ import annotations

import re
from typing import Final

import attrs

_RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{0,6})\s*(s|m|h)")  # not \d, which takes the digits of every script
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}


@attrs.frozen
class Rate:
    """So many attempts in so many seconds."""

    count: int
    seconds: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `"30/5m"`: thirty in five minutes; units are s, m and h, and a missing number is 1.

        Raises:
            ValueError: it is of another form, or a number in it is 0.
        """
        found = _RATE.fullmatch(text.strip())
        if found is None or int(found[1]) == 0 or found[2].strip("0") == "" != found[2]:
            raise ValueError('a rate is a count and a time, as "30/5m" (units: s, m, h)')
        return cls(int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])


class Bucket:
    """The tokens of one rate. Not thread-safe: its lane's lock guards it."""

    def __init__(self, rate: Rate, now: float) -> None:
        self._rate = rate
        self._tokens = float(rate.count)
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until a token is there; 0 where one is."""
        self._tokens = min(self._rate.count, self._tokens + (now - self._at) * self._rate.count / self._rate.seconds)
        self._at = now
        missing = 1 - self._tokens
        return 0.0 if missing <= 1e-9 else missing * self._rate.seconds / self._rate.count  # noqa: PLR2004 - rounding

    def take(self) -> None:
        """Use up one token, which `wait` said is there."""
        self._tokens -= 1
