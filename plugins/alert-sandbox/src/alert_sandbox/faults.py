"""How an exchange goes wrong on request: one fault, or a plan of them, set by header, by path or from the page."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

import attrs

from alert_core.text import number

FAULTS: Final = {
    "ok": "no fault",
    "429": "too many requests; 429:7 asks to wait 7 s",
    "500": "an internal error",
    "503": "unavailable",
    "hang": "read the request, answer nothing",
    "reset-before": "reset the connection before the request is read",
    "reset-after": "take the request, then reset the connection instead of answering",
    "drip": "answer a byte at a time; drip:2 waits 2 s before each",
    "error": "a 200 that says no; error:CODE with the provider's own code",
}
LIMIT: Final = 100
"""Faults in a plan."""
_REMEMBERED: Final = 1000
_DAY: Final = 86_400.0


@attrs.frozen
class Fault:
    """One fault: its name of FAULTS, and its argument."""

    name: str
    argument: str = ""

    @classmethod
    def parse(cls, text: str) -> Fault:
        """Read `429:7`.

        Raises:
            ValueError: there is no such fault.
        """
        name, _, argument = text.strip().partition(":")
        if name not in FAULTS:
            raise ValueError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        return cls(name, argument)

    def seconds(self, default: float) -> float:
        """The argument as seconds; a day at most."""
        value = number(self.argument) if self.argument else None
        return default if value is None else min(value, _DAY)

    def __str__(self) -> str:
        return f"{self.name}:{self.argument}" if self.argument else self.name


def parse_plan(text: str) -> tuple[Fault, ...]:
    """Read a plan, `429:1,500,ok`: a fault a request, the last one for all that follow.

    Raises:
        ValueError: it names no fault, an unknown one, or too many.
    """
    plan = tuple(Fault.parse(item) for item in text.split(","))
    if len(plan) > LIMIT:
        raise ValueError(f"a plan has at most {LIMIT} faults")
    return plan


class Faults:
    """The plans, and how far each has come. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._set: dict[str, tuple[Fault, ...]] = {}
        self._asked: OrderedDict[str, int] = OrderedDict()

    def set(self, kind: str, plan: tuple[Fault, ...]) -> None:
        """Use a plan from now on for a kind, or for every kind (`*`). None of it is left where it ends in `ok`."""
        with self._lock:
            self._set[kind] = plan

    def clear(self, kind: str | None = None) -> None:
        """Forget the plan of a kind, or every plan."""
        with self._lock:
            if kind is None:
                self._set.clear()
                self._asked.clear()
            else:
                self._set.pop(kind, None)

    def plans(self) -> dict[str, str]:
        """What is left of each plan that was set."""
        with self._lock:
            return {kind: ",".join(map(str, plan)) for kind, plan in self._set.items()}

    def next(self, kind: str, asked: str = "", *, where: str = "") -> Fault:
        """The fault of this request.

        Args:
            kind: of the provider.
            asked: a plan that the request itself brings, by header or path; it goes before what was set.
            where: tells apart the senders of one such plan: its place in it is remembered for each.

        Raises:
            ValueError: `asked` is no plan.
        """
        if asked:
            plan = parse_plan(asked)
            with self._lock:
                place = self._asked.pop(f"{kind} {where} {asked}", 0)
                self._asked[f"{kind} {where} {asked}"] = place + 1
                if len(self._asked) > _REMEMBERED:
                    self._asked.popitem(last=False)
            return plan[min(place, len(plan) - 1)]
        with self._lock:
            key = kind if kind in self._set else "*"
            left = self._set.get(key, (Fault("ok"),))
            if len(left) > 1:
                self._set[key] = left[1:]
            if self._set.get(key) == (Fault("ok"),):
                del self._set[key]
        return left[0]
