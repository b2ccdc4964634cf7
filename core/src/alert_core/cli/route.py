"""`alertctl route`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from alert_core.alert import Alert
from alert_core.cli.alerts import alert_fields, alert_options, read_text
from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, say

if TYPE_CHECKING:
    from alert_core.dispatcher import Dispatcher


@click.group()
def route() -> None:
    """Show which way an alert takes."""


@route.command()
@config_option
@click.argument("file", required=False)
@click.option("--title", help="The alert's title.")
@alert_options
@click.option("--json", "json_", is_flag=True, help="Print the result as JSON.")
def explain(file: str | None, title: str | None, json_: bool, **given: Any) -> None:
    """Show which routes an alert takes now, and why; nothing is sent.

    The alert is FILE, JSON as Alert.to_dict() gives it (- for standard input), or what the options say, or both: the
    options win. The defaults of the configuration apply; processors do not run.
    """
    from alert_core import default
    from alert_core.queues import without_worker

    with without_worker():
        dispatcher = default.get()
    alert = _alert(dispatcher, file, {**alert_fields(given), **({"title": title} if title else {})})
    taken, targets = dispatcher.route(alert)
    below = list(dict.fromkeys(name for one in taken for name in one.targets if name not in targets))
    last = dispatcher.routes.index(taken[-1]) if taken else -1
    if json_:
        routes = [
            {
                "name": r.name,
                "reached": place <= last,
                "matches": r.matches(alert),
                "why": r.explain(alert).splitlines(),
            }
            for place, r in enumerate(dispatcher.routes)
        ]
        as_json({"routes": routes, "targets": targets, "below_min_severity": below})
        return
    for place, one in enumerate(dispatcher.routes):
        say(one.explain(alert) if place <= last else f"{one.name}: not reached")
    if not dispatcher.routes:
        say("no routes: every target gets every alert")
    say(f"targets: {', '.join(targets) or 'none'}")
    if below or not (targets or dispatcher.routes):
        say(f"below their min_severity: {', '.join(below) or 'all'}")


def _alert(dispatcher: Dispatcher, file: str | None, options: dict[str, Any]) -> Alert:
    fields: dict[str, Any] = {"title": "(no title)"}
    if severity := dispatcher.defaults.get("severity"):
        fields["severity"] = severity
    if file is not None:
        fields |= _parsed(file)
    fields |= options
    fields.setdefault("message", fields["title"])
    try:
        alert = Alert.from_dict(fields)
    except TypeError as error:
        raise click.UsageError(str(error)) from None
    return dispatcher.with_defaults(alert)


def _parsed(file: str) -> dict[str, Any]:
    try:
        found = json.loads(read_text(file))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise click.UsageError(f"{file} does not hold an alert: it must be one JSON object")
    return found
