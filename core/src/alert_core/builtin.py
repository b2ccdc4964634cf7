"""The transports that need no plugin: `noop`, `memory` and `console`."""

from __future__ import annotations

import json
import os
import sys
import threading
from typing import Final, Literal

import attrs

from alert_core.alert import Alert, Severity, Status
from alert_core.specs import TransportSpec
from alert_core.text import one_line, printable
from alert_core.transport import Receipt, Transport, option


class NoopTransport(Transport):
    """Deliver to nobody: the deliberate silence."""

    kind = "noop"

    def send(self, alert: Alert) -> Receipt:
        """Say yes."""
        return Receipt(id=alert.id)


class MemoryTransport(Transport):
    """Keep the alerts in `alerts`, oldest first: for tests and for development."""

    kind = "memory"
    limit: int = option(default=10_000, validator=attrs.validators.ge(1), help="alerts kept; the oldest go first")

    def __attrs_post_init__(self) -> None:
        """Start empty."""
        super().__attrs_post_init__()
        self.alerts: list[Alert] = []
        self._lock = threading.Lock()

    def send(self, alert: Alert) -> Receipt:
        """Append the alert."""
        with self._lock:
            self.alerts.append(alert)
            del self.alerts[: -self.limit]
        return Receipt(id=alert.id)

    def _forget(self) -> None:
        self._lock = threading.Lock()


_COLOURS: Final = {Severity.INFO: "36", Severity.WARNING: "33", Severity.ERROR: "31", Severity.CRITICAL: "1;31"}


class ConsoleTransport(Transport):
    """Write the alert to standard error, or standard output: its first line, then its message, indented."""

    kind = "console"
    stream: Literal["stderr", "stdout"] = option(
        default="stderr", validator=attrs.validators.in_(["stderr", "stdout"]), help="stderr or stdout"
    )

    def send(self, alert: Alert) -> Receipt:
        """Write one block, in one call, so that the lines of several threads do not mix."""
        stream = sys.stdout if self.stream == "stdout" else sys.stderr
        text = render(alert, colour=stream.isatty() and not os.environ.get("NO_COLOR"))
        encoding = getattr(stream, "encoding", None) or "utf-8"  # what a Celery worker puts in its place has none
        stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()
        return Receipt(id=alert.id)


def render(alert: Alert, *, colour: bool = False) -> str:
    """The alert for a terminal: no control character of its own gets through."""
    label = f"[{alert.severity.upper()}]" if alert.status is Status.FIRING else f"[{alert.status.upper()}]"
    if colour:
        label = f"\x1b[{'32' if alert.status is Status.RESOLVED else _COLOURS[alert.severity]}m{label}\x1b[0m"
    about = [f"source={alert.source}"] if alert.source else []
    about += [f"tags={','.join(alert.tags)}"] if alert.tags else []
    about += [alert.url] if alert.url else []
    first = " ".join([label, one_line(alert.title), *map(one_line, about)])
    message = printable(alert.message) if alert.message != alert.title else ""
    details = [one_line(f"{key}: {_shown(value)}") for key, value in alert.metadata.items()]
    return "".join(f"{line}\n" for line in [first, *(f"    {line}" for line in [*message.splitlines(), *details])])


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


SPECS: Final = (
    TransportSpec("noop", NoopTransport, "Deliver to nobody: the deliberate silence"),
    TransportSpec("memory", MemoryTransport, "Keep alerts in memory, for tests"),
    TransportSpec("console", ConsoleTransport, "Write alerts to the terminal"),
)
