"""`alertctl redact`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from alert_core.cli.alerts import read_text
from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, say

if TYPE_CHECKING:
    from alert_core.redaction import Redactor


@click.command()
@config_option
@click.argument("file", default="-")
@click.option("--json", "json_", is_flag=True, help="Print the result as JSON.")
def redact(file: str, json_: bool) -> None:
    """Show FILE (default: standard input) masked, and below it each span that is masked, by which rule."""
    text = read_text(file)
    redactor = _redactor()
    found = [
        {"line": text.count("\n", 0, match.start) + 1, "column": match.start - text.rfind("\n", 0, match.start)}
        | {"length": match.end - match.start, "rule": match.rule}
        for match in redactor.matches(text)
    ]
    masked = redactor.text(text)
    if json_:
        as_json({"matches": found, "text": masked})
        return
    say(masked.rstrip("\n"))
    say(f"--- {len(found)} masked")
    for match in found:
        say(f"line {match['line']}, column {match['column']}: {match['length']} characters by {match['rule']}")


def _redactor() -> Redactor:
    """The configuration's policy, or without one the built-in rules and the plugins'."""
    from alert_core import default

    if default.config_path():
        return default.get().redactor
    from alert_core.plugins import installed_plugins
    from alert_core.redaction import Redactor

    return Redactor().extended(installed_plugins().redactors)
