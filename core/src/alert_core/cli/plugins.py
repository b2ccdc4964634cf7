"""`alertctl plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from alert_core.cli.output import as_json, say, table
from alert_core.errors import PluginError
from alert_core.values import unknown_key

if TYPE_CHECKING:
    from alert_core.plugins import Plugins
    from alert_core.transport import Option

_COLOURS: Final = {"loaded": "green", "broken": "red", "disabled": "yellow"}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "json_", is_flag=True, help="Print it as JSON.")
def plugins(name: str | None, json_: bool) -> None:
    """Show the installed plugins; of the plugin or kind NAME, every option."""
    from alert_core.plugins import installed_plugins

    found = installed_plugins()
    rows = found.rows()
    if name is None:
        _list(rows, json_)
        return
    chosen = [row for row in rows if name == row["name"] or name in row["kinds"]]
    if not chosen:
        names = [*(row["name"] for row in rows), *(kind for row in rows for kind in row["kinds"])]
        raise click.UsageError(f"{name}: {unknown_key(name, names).replace('option', 'plugin or kind')}")
    for row in chosen:
        row["options"] = {kind: _options(found, kind) for kind in row["kinds"] if kind in found.transport_specs}
    if json_:
        as_json(chosen[0])
        return
    for row in chosen:
        _show(found, row)


def _list(rows: list[dict[str, Any]], json_: bool) -> None:
    if json_:
        as_json(rows)
        return
    lines = [
        (row["name"], row["state"], _origin(row), ", ".join(row["kinds"] or row["hooks"]), row["error"] or "")
        for row in rows
    ]
    table(lines, _COLOURS)


def _show(found: Plugins, row: dict[str, Any]) -> None:
    table([(row["name"], row["state"], _origin(row), row["error"] or "")], _COLOURS)
    for kind, options in row["options"].items():
        say(f'\ntype = "{kind}": {found.transport_specs[kind].summary}')
        if isinstance(options, str):
            say(f"  {options}")
        else:
            table(("", o["name"], o["type"], _needed(o), o["env"] or "", o["help"]) for o in options)


def _origin(row: dict[str, Any]) -> str:
    return f"{row['distribution']} {row['version']}" if row["distribution"] else "-"


def _needed(option: dict[str, Any]) -> str:
    return "required" if option["required"] else f"default {option['default']}"


def _options(found: Plugins, kind: str) -> list[dict[str, Any]] | str:
    """The options of a kind, or why they cannot be read."""
    try:
        return [_option(option) for option in found.transport_class(kind).options()]
    except PluginError as error:
        return str(error)


def _option(option: Option) -> dict[str, Any]:
    kind = option.type.__name__ if isinstance(option.type, type) else str(option.type)
    return {
        "name": option.name,
        "type": kind.replace("alert_core.transport.", "").replace("alert_core.retry.", "").replace("typing.", ""),
        "required": option.required,
        "default": None if option.required else str(option.default),
        "env": option.env,
        "help": option.help,
    }
