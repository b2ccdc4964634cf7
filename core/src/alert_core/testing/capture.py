"""For an application's tests: what it would have sent."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs

from alert_core import default
from alert_core.alert import Alert, Severity
from alert_core.dispatcher import Dispatcher
from alert_core.transport import Receipt

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping

TARGET = "captured"
"""The one target there is where the application has configured none."""


@attrs.frozen
class Sent:
    """An alert, and the target that would have got it."""

    target: str
    alert: Alert

    def __str__(self) -> str:
        return f"{self.target}: {self.alert.severity} {self.alert.status} {self.alert.title!r}"


class Captured:
    """What would have been sent, in the order in which it was delivered."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent: list[Sent] = []
        self._faults: list[str] = []
        self._dispatcher: Dispatcher | None = None

    @property
    def sent(self) -> list[Sent]:
        """Each alert, once for each target, everything enqueued included."""
        if self._dispatcher is not None:
            self._dispatcher.flush(timeout=10)
        with self._lock:
            return list(self._sent)

    @property
    def alerts(self) -> list[Alert]:
        """Each alert, once."""
        return list({sent.alert.id: sent.alert for sent in self.sent}.values())

    def assert_sent(
        self, *, target: str | None = None, severity: str | None = None, times: int | None = None, **fields: Any
    ) -> list[Alert]:
        """Check that an alert was sent.

        Args:
            target: the name of the target that got it; default: any.
            severity: its severity.
            times: how many such alerts there are; default: one or more.
            fields: other fields of Alert, each with the value that it must have: `title="Disk full"`; of `tags`, those
                that it must have at least.

        Returns:
            The alerts that it was.

        Raises:
            AssertionError: none was, or another number; it says what was sent.
        """
        wanted = fields if severity is None else {**fields, "severity": Severity(severity)}
        found = {
            sent.alert.id: sent.alert
            for sent in self._checked()
            if target in (None, sent.target) and all(_has(sent.alert, *field) for field in wanted.items())
        }
        if len(found) != times and (times is not None or not found):
            conditions = {"target": target, **wanted} if target is not None else wanted
            such = ", ".join(f"{name}={value!r}" for name, value in conditions.items()) or "any alert"
            count = f"{len(found) or 'none'} {'were' if len(found) > 1 else 'was'} sent"
            wish = "" if times is None else f" {times} times"
            raise AssertionError(f"expected {such}{wish}; {count}.\n{self}")
        return list(found.values())

    def assert_nothing_sent(self) -> None:
        """Check that no alert was sent.

        Raises:
            AssertionError: one was; it says which.
        """
        if self._checked():
            raise AssertionError(f"expected nothing to be sent.\n{self}")

    def clear(self) -> None:
        """Forget what was sent so far."""
        _ = self.sent
        with self._lock:
            self._sent.clear()

    def add(self, target: str, alert: Alert) -> None:
        """Keep an alert as it comes out of a queue: through JSON and back."""
        try:
            restored = Alert.from_dict(json.loads(json.dumps(alert.to_dict())))
        except (TypeError, ValueError) as error:
            self._faults.append(f"{target}: {alert!r} cannot cross a queue: {error}")
            return
        if restored.to_dict() != alert.to_dict():
            self._faults.append(f"{target}: {alert!r} is another one after a queue")
        with self._lock:
            self._sent.append(Sent(target, restored))

    def __str__(self) -> str:
        lines = [f"  {sent}" for sent in self.sent]
        drops = self._dispatcher.drops if self._dispatcher is not None else {}
        dropped = [f"  dropped ({reason}): {count}" for reason, count in drops.items()]
        return "\n".join(["Sent:", *(lines or ["  nothing"]), *dropped])

    def _checked(self) -> list[Sent]:
        sent = self.sent
        if self._faults:
            raise AssertionError("\n".join(self._faults))
        return sent


@contextmanager
def capture_alerts(like: Dispatcher | str | os.PathLike[str] | Mapping[str, Any] | None = None) -> Iterator[Captured]:
    """Take the place of the default dispatcher, and collect what would have been sent.

    ```python
    with capture_alerts() as captured:
        charge(order)
    captured.assert_sent(title="Payment provider timeout", severity="critical", times=1)
    ```

    Targets, routes, defaults, processors and masking are those of the default dispatcher; nothing is delivered. Each
    alert goes through JSON and back, so that what could not cross a queue fails here.

    Args:
        like: instead of the default dispatcher's: a dispatcher, the path of an alerts.toml, or a mapping of its form.
            Where nothing is configured, every alert goes to one target, and `targets=` may have any name.

    Raises:
        ConfigError: `like` is wrong.
        AssertionError: at the end, where an alert could not cross a queue.
    """
    if like is not None and not isinstance(like, Dispatcher):
        with Dispatcher.from_config(like) as built:
            like = built
    captured = Captured()
    previous = default.replace(None)
    dispatcher = _Capturing(captured, like or previous)
    captured._dispatcher = dispatcher  # noqa: SLF001 - two halves of one thing
    default.replace(dispatcher)
    try:
        yield captured
        captured._checked()  # noqa: SLF001 - as above
    finally:
        default.replace(previous)
        dispatcher.close()


class _Recorder:
    """A target that only keeps."""

    def __init__(self, name: str, captured: Captured, like: object = None) -> None:
        self.name = name
        self.min_severity = Severity(getattr(like, "min_severity", Severity.INFO))
        self._captured = captured

    def send(self, alert: Alert) -> Receipt:
        self._captured.add(self.name, alert)
        return Receipt(id=alert.id)


class _Capturing(Dispatcher):
    """A dispatcher that decides as another one does, and delivers to nobody."""

    def __init__(self, captured: Captured, like: Dispatcher | None) -> None:
        self._captured = captured
        self._open = like is None
        if like is None:
            super().__init__([_Recorder(TARGET, captured)])
            return
        recorders = [_Recorder(name, captured, target) for name, target in like.targets.items()]
        super().__init__(recorders, redactor=like.redactor, deadline=like.deadline)
        # Its routes are right already, though some need a queue that keeps state, which nothing here does.
        self._pipeline = attrs.evolve(like._pipeline, lanes=self._lanes, drop=self._drop)  # noqa: SLF001 - its own class

    def _checked(self, targets: Iterable[str]) -> list[str]:
        if self._open:
            targets = [targets] if isinstance(targets, str) else list(targets)
            for name in targets:
                if name not in self._lanes:
                    self._memory.add(name, _Recorder(name, self._captured))
        return super()._checked(targets)


def _has(alert: Alert, name: str, value: Any) -> bool:
    return set(value) <= set(alert.tags) if name == "tags" else bool(getattr(alert, name) == value)
