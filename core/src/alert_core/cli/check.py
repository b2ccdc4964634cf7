"""`alertctl check`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import click

from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, json_faults, say, show_report, table
from alert_core.errors import ConfigError

if TYPE_CHECKING:
    from alert_core.dispatcher import Dispatcher


@click.command()
@config_option
@click.option("--live", is_flag=True, help="Send a test alert to each target.")
@click.option("--json", "json_", is_flag=True, help="Print the result as JSON.")
def check(live: bool, json_: bool) -> int:
    """Validate the configuration, and show its targets and routes."""
    from alert_core import default

    place = default.config_path() or "the environment"
    if not json_:
        say(f"configuration: {place}")
    try:
        dispatcher = default.get()
    except ConfigError as error:
        if not json_:
            raise
        return json_faults(error, configuration=place)
    if not json_:
        _show(dispatcher)
    result: dict[str, Any] = {"ok": True, "faults": [], "configuration": place, **_described(dispatcher)}
    if live:
        title = f"Test alert from {socket.gethostname()}"
        report = default.send(
            title,
            "alertctl check --live sent this to see whether it arrives.",
            severity="info",
            source="alertctl",
            targets=dispatcher.targets,
        )
        result |= {"ok": report.ok, "report": report.to_dict()}
        if not json_:
            show_report(report)
    if json_:
        as_json(result)
    return 0 if result["ok"] else 1


def _described(dispatcher: Dispatcher) -> dict[str, Any]:
    return {
        "targets": {name: str(getattr(target, "kind", "")) for name, target in dispatcher.targets.items()},
        "routes": [{"name": route.name, "targets": list(route.targets)} for route in dispatcher.routes],
    }


def _show(dispatcher: Dispatcher) -> None:
    shown = _described(dispatcher)
    table([("target", name, kind) for name, kind in shown["targets"].items()])
    table([("route", str(r["name"]), ", ".join(r["targets"]) or "(silence)") for r in shown["routes"]])
    if not shown["routes"]:
        say("no routes: every target gets every alert")
    say("the configuration is valid")
