"""The options that describe an alert, for every command that takes one."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from alert_core.alert import Severity, Status

MAX_INPUT: Final = 4_000_000
"""Characters that are read from standard input or a file."""

_F = TypeVar("_F", bound=Callable[..., Any])


def alert_options(command: _F) -> _F:
    """Add the options of an alert's fields (`-m`, `-s`, `--source`, …); `alert_fields` reads them."""
    options = [
        click.option("-m", "--message", metavar="TEXT", help="The text; - reads it from standard input."),
        click.option("-s", "--severity", type=_choice(Severity), help="Default: the configuration's, else error."),
        click.option("--source", help="Which service or job says so."),
        click.option("--tag", "tags", multiple=True, help="May be given several times."),
        click.option(
            "--meta", "metadata", metavar="KEY=VALUE", multiple=True, callback=_pairs, help="May be repeated."
        ),
        click.option("--url", help="A dashboard or runbook."),
        click.option("--status", type=_choice(Status), help="Default: firing."),
        click.option("--dedup-key", help="What makes a later alert the same event."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def alert_fields(given: dict[str, Any]) -> dict[str, Any]:
    """Those of the options that were given, as fields of an Alert; `-m -` is read here."""
    fields = {name: value for name, value in given.items() if value not in (None, (), {})}
    if fields.get("message") == "-":
        fields["message"] = read_text("-")
        if not fields["message"].strip():
            del fields["message"]  # nothing was piped in: better an alert that has a title alone than none
    return fields


def read_text(path: str) -> str:
    """A file, or standard input for `-`, as text.

    Raises:
        click.UsageError: it cannot be read, or is too long.
    """
    if path == "-" and sys.stdin is None:
        raise click.UsageError("standard input is closed")
    try:
        with click.open_file(path, encoding="utf-8", errors="replace") as file:
            text: str = file.read(MAX_INPUT + 1)
    except OSError as error:
        raise click.UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(text) > MAX_INPUT:
        raise click.UsageError(f"{path} is longer than {MAX_INPUT} characters")
    return text


def _choice(words: type[Severity | Status]) -> click.Choice[str]:
    return click.Choice([word.value for word in words], case_sensitive=False)


def _pairs(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    if not all(equals and key.strip() for key, equals, _ in pairs):
        raise click.BadParameter("write it as KEY=VALUE")
    return {key.strip(): value for key, _, value in pairs}
