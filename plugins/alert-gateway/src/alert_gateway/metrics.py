"""Counts since the process began, and the text that Prometheus reads."""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_live: Final[weakref.WeakSet[Counts]] = weakref.WeakSet()
Labels = tuple[str, ...]
Gauge = tuple[str, str, Labels, Mapping[Labels, float]]
"""A name, a help, the names of its labels, and its samples."""


class Counts:
    """One counter, by its labels. Safe to use from several threads."""

    def __init__(self, name: str, help_: str, *labels: str) -> None:
        self.name, self.help, self.labels = name, help_, labels
        self._lock = threading.Lock()
        self._counts: Counter[Labels] = Counter()
        _live.add(self)

    def add(self, *values: str, count: int = 1) -> None:
        """Count one, or more."""
        with self._lock:
            self._counts[values] += count

    def samples(self) -> dict[Labels, float]:
        """What was counted."""
        with self._lock:
            return dict(self._counts)

    def unlock(self) -> None:
        """In the child of a fork: the parent may have held the lock."""
        self._lock = threading.Lock()


def _after_fork() -> None:
    for counts in list(_live):
        counts.unlock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

DELIVERED: Final = Counts("alert_gateway_delivered_total", "Deliveries that a provider took.", "target")
FAILED: Final = Counts("alert_gateway_failed_total", "Deliveries given up after their last attempt.", "target")
RETRIED: Final = Counts("alert_gateway_retried_total", "Failed attempts that another follows.", "target")
DROPPED: Final = Counts("alert_gateway_dropped_total", "Alerts and deliveries that reach no one, and why.", "reason")
"""What the process's dispatchers tell: of the whole process, as its observers are."""


def exposition(counters: Iterable[Counts], gauges: Iterable[Gauge]) -> str:
    """The text format: counters, then gauges."""
    lines: list[str] = []
    for counts in counters:
        lines += _family(counts.name, "counter", counts.help, counts.labels, counts.samples())
    for name, help_, labels, samples in gauges:
        lines += _family(name, "gauge", help_, labels, samples)
    return "\n".join([*lines, ""])


def _family(name: str, kind: str, help_: str, labels: Sequence[str], samples: Mapping[Labels, float]) -> list[str]:
    lines = [f"# HELP {name} {help_}", f"# TYPE {name} {kind}"]
    for values, count in sorted(samples.items()):
        pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(labels, values, strict=True))
        lines.append(f"{name}{{{pairs}}} {count:.10g}" if pairs else f"{name} {count:.10g}")
    return lines


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").encode("utf-8", "replace").decode()
