"""What `alertctl` prints: masked, one line each, coloured on a terminal alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

from alert_core.errors import ConfigError
from alert_core.redaction import redact
from alert_core.report import Delivery, DeliveryReport, Outcome
from alert_core.text import one_line, printable

COLOURS: Final = {
    Outcome.DELIVERED: "green",
    Outcome.QUEUED: "yellow",
    Outcome.RETRYABLE: "red",
    Outcome.UNCERTAIN: "magenta",
    Outcome.PERMANENT: "red",
    Outcome.DROPPED: "red",
}


def say(text: str = "") -> None:
    """Print a line to standard output, without control characters of its content."""
    click.echo(printable(text))


def fail(text: str) -> None:
    """Print a line to standard error, masked."""
    click.echo(styled("Error: ", "red") + one_line(str(redact(text))), err=True)


def styled(text: str, colour: str) -> str:
    """The text in a colour, which `click.echo` drops again where there is no terminal."""
    return text if os.environ.get("NO_COLOR") else click.style(text, fg=colour)


def as_json(value: Any) -> None:
    """Print JSON, in ASCII."""
    click.echo(json.dumps(value, indent=2, default=str))


def json_faults(error: ConfigError, **more: str) -> int:
    """Print the faults of a configuration as JSON; the exit status."""
    as_json({"ok": False, "faults": [fault._asdict() for fault in error.faults], **more})
    return 2


def table(rows: Iterable[Sequence[str]], colours: dict[str, str] | None = None) -> None:
    """Print rows in columns, the cells made safe; a cell that is a key of `colours` in its colour."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)]
        for index, cell in enumerate(row):
            if colour := (colours or {}).get(cell):
                padded[index] = styled(cell, colour) + padded[index][len(cell) :]
        click.echo("  ".join(padded).rstrip())


def show_report(report: DeliveryReport) -> None:
    """Print a line a delivery: target, outcome, receipt or error, attempts."""
    if report.dropped:
        say(f"sent to no target ({one_line(report.dropped)})")
    table(map(_row, report.deliveries), {outcome.value: colour for outcome, colour in COLOURS.items()})


def _row(delivery: Delivery) -> tuple[str, ...]:
    target = f"{delivery.target} → {delivery.recipient}" if delivery.recipient else delivery.target
    detail = str(delivery.error) if delivery.error else (delivery.receipt and delivery.receipt.id) or "-"
    attempts = f"{delivery.attempts} attempt{'' if delivery.attempts == 1 else 's'}"
    return target, delivery.outcome.value, detail, f"{attempts}, {delivery.elapsed:.2f} s"
