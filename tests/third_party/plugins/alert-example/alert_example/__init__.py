"""A processor, a redactor, an observer and a command, from one plugin."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from alert_core import Alert, CommandSpec, DeliveryReport, ProcessorSpec, RedactorSpec, hookimpl

TICKET = re.compile(r"TICKET-\d+")


def process(alert: Alert) -> Alert | None:
    """Drop what is tagged noise, and tag the rest."""
    return None if "noise" in alert.tags else alert.evolve(tags=(*alert.tags, "example"))


def redact(text: str) -> str:
    """Mask the numbers of tickets."""
    return TICKET.sub("[TICKET]", text)


@hookimpl
def alert_register() -> Iterator[ProcessorSpec | RedactorSpec | CommandSpec]:
    """One of each."""
    yield ProcessorSpec("example", process)
    yield RedactorSpec("ticket", redact)
    yield CommandSpec("hello", "alert_example.cli:hello", "Greet")


@hookimpl
def alert_dropped(reason: str, dropped_by: str) -> None:
    """Note it."""
    note("dropped", reason, dropped_by)


@hookimpl
def alert_dispatch_finished(alert: Alert, report: DeliveryReport) -> None:
    """Note it."""
    note("finished", alert.message, list(report.sent))


def note(*what: object) -> None:
    """Add a line to the file that EXAMPLE_NOTES names."""
    with Path(os.environ["EXAMPLE_NOTES"]).open("a") as file:
        file.write(json.dumps(what) + "\n")
