"""`alertctl plugins`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

import attrs
import click

from alert_core.cli.output import as_json, say, table
from alert_core.errors import PluginError
from alert_core.specs import QueueSpec, TableSpec, TransportSpec
from alert_core.transport import Option
from alert_core.values import unknown_key

if TYPE_CHECKING:
    from alert_core.plugins import Plugin, Plugins

_DOCUMENTED: Final = re.compile(r"^ {8}(\w+): (.+(?:\n {12}.+)*)", re.MULTILINE)
"""Of an attrs class's docstring, a field and what is said of it."""
_Options: TypeAlias = list[dict[str, Any]] | str
_COLOURS: Final = {"loaded": "green", "broken": "red", "disabled": "yellow"}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "json_", is_flag=True, help="Print it as JSON.")
def plugins(name: str | None, json_: bool) -> None:
    """Show the installed plugins; of the plugin or kind NAME, every option of its kinds and tables."""
    from alert_core.plugins import installed_plugins

    found = installed_plugins()
    rows = found.rows()
    if name is None:
        _list(rows, json_)
        return
    pairs = zip(rows, found.plugins, strict=True)
    chosen = [(row, _described(found, one)) for row, one in pairs if name == row["name"] or name in row["kinds"]]
    if not chosen:
        names = [*(row["name"] for row in rows), *(kind for row in rows for kind in row["kinds"])]
        raise click.UsageError(f"{name}: {unknown_key(name, names).replace('option', 'plugin or kind')}")
    if json_:
        row, described = chosen[0]
        as_json(row | {"options": {key: options for key, (_, options) in described.items()}})
        return
    for row, described in chosen:
        _show(row, described)


def _list(rows: list[dict[str, Any]], json_: bool) -> None:
    if json_:
        as_json(rows)
        return
    lines = [
        (row["name"], row["state"], _origin(row), ", ".join(row["kinds"] or row["hooks"]), row["error"] or "")
        for row in rows
    ]
    table(lines, _COLOURS)


def _show(row: dict[str, Any], described: Mapping[str, tuple[str, _Options]]) -> None:
    table([(row["name"], row["state"], _origin(row), row["error"] or "")], _COLOURS)
    for title, options in described.values():
        say(f"\n{title}")
        if isinstance(options, str):
            say(f"  {options}")
        else:
            table(("", o["name"], o["type"], _needed(o), o["env"] or "", o["help"]) for o in options)


def _made(default: Any) -> Any:
    is_simple = isinstance(default, attrs.Factory) and not default.takes_self  # type: ignore[arg-type]  # a class
    return default.factory() if is_simple else default


def _origin(row: dict[str, Any]) -> str:
    return f"{row['distribution']} {row['version']}" if row["distribution"] else "-"


def _needed(option: dict[str, Any]) -> str:
    return "required" if option["required"] else f"default {option['default']}"


def _described(found: Plugins, plugin: Plugin) -> dict[str, tuple[str, _Options]]:
    """Of each kind and table of the plugin a title, and its options."""
    shown = {}
    for spec in plugin.specs:
        if isinstance(spec, TransportSpec):
            title = f'type = "{spec.kind}": {spec.summary}'
            shown[spec.kind] = (title, _options(found.transport_class, spec.kind))
        elif isinstance(spec, QueueSpec):
            shown[spec.kind] = (f'[queue] type = "{spec.kind}"', _options(found.queue_class, spec.kind))
        elif isinstance(spec, TableSpec):
            of_each = get_args(spec.config)  # dict[str, Table]
            title = f"[{spec.name}.NAME]" if of_each else f"[{spec.name}]"
            shown[title] = (title, _fields(of_each[-1] if of_each else spec.config))
    return shown


def _options(find: Callable[[str], Any], kind: str) -> _Options:
    """The options of a kind, or why they cannot be read."""
    try:
        found = find(kind)
    except PluginError as error:
        return str(error)
    return [_option(option) for option in found.options()] if hasattr(found, "options") else _fields(found)


def _fields(config: Any) -> list[dict[str, Any]]:
    """The fields of an attrs class as options, with what its docstring says of each."""
    texts = dict(_DOCUMENTED.findall(config.__doc__ or ""))
    return [
        _option(
            Option(
                name=field.alias or field.name,
                type=field.type,
                required=field.default is attrs.NOTHING,
                default=_made(field.default),
                env=None,
                shared=False,
                help=" ".join(texts.get(field.name, "").split()),
            )
        )
        for field in (attrs.fields(config) if attrs.has(config) else ())
        if field.init
    ]


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
