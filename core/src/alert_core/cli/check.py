"""`alertctl check`."""

from __future__ import annotations

import contextlib
import pkgutil
import socket
from typing import TYPE_CHECKING, Any

import click

from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, json_faults, say, show_report, table
from alert_core.errors import ConfigError, Fault

if TYPE_CHECKING:
    from alert_core.dispatcher import Dispatcher


@click.command()
@config_option
@click.option("--live", is_flag=True, help="Send a test alert to each target.")
@click.option("--json", "json_", is_flag=True, help="Print the result as JSON.")
def check(live: bool, json_: bool) -> int:
    """Validate the configuration, and show its targets and routes."""
    from alert_core import default
    from alert_core.queues import without_worker

    place = default.config_path() or "the environment"
    if not json_:
        say(f"configuration: {place}")
    try:
        with contextlib.nullcontext() if live else without_worker():
            dispatcher = default.get()
        _check_tables(dispatcher)
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


def _check_tables(dispatcher: Dispatcher) -> None:
    """Let the plugins find what else is wrong in their tables.

    Raises:
        ConfigError: every fault.
    """
    specs = [spec for name, spec in dispatcher.plugins.tables.items() if name in dispatcher.tables]
    faults: list[Fault] = []
    for check in dict.fromkeys(spec.check for spec in specs if spec.check is not None):
        try:
            (pkgutil.resolve_name(check) if isinstance(check, str) else check)(dispatcher)
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)


def _queue(dispatcher: Dispatcher) -> dict[str, str]:
    """Its type, and where it is, as far as it says so."""
    queue, kind = dispatcher.queue, type(dispatcher.queue)
    names = (kind, f"{kind.__module__}:{kind.__qualname__}")
    kinds = [name for name, spec in dispatcher.plugins.queue_specs.items() if spec.queue in names]
    name = "memory" if queue is None else kinds[0] if kinds else kind.__name__
    return {"type": name, "where": str(getattr(queue, "where", ""))}


def _described(dispatcher: Dispatcher) -> dict[str, Any]:
    return {
        "targets": {name: str(getattr(target, "kind", "")) for name, target in dispatcher.targets.items()},
        "routes": [{"name": route.name, "targets": list(route.targets)} for route in dispatcher.routes],
        "queue": _queue(dispatcher),
    }


def _show(dispatcher: Dispatcher) -> None:
    shown = _described(dispatcher)
    table([("target", name, kind) for name, kind in shown["targets"].items()])
    table([("route", str(r["name"]), ", ".join(r["targets"]) or "(silence)") for r in shown["routes"]])
    if not shown["routes"]:
        say("no routes: every target gets every alert")
    table([("queue", *shown["queue"].values())])
    say("the configuration is valid")
