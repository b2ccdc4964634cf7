"""What can be wrong in the gateway's tables besides a value's type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from alert_core import ConfigError, Dispatcher
from alert_core.text import one_line
from alert_gateway.config import HeartbeatTable, SourceTable
from alert_gateway.sources import generic

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def raise_faults(dispatcher: Dispatcher) -> None:
    """Check the tables against the targets and the formats that there are.

    Raises:
        ConfigError: with every fault.
    """
    sources: Mapping[str, SourceTable] = dispatcher.tables.get("sources") or {}
    heartbeats: Mapping[str, HeartbeatTable] = dispatcher.tables.get("heartbeats") or {}
    formats = sorted(spec.name for spec in dispatcher.plugins.sources)
    faults = [
        *(fault for name, table in sources.items() for fault in _source(name, table, formats)),
        *(fault for name, table in heartbeats.items() for fault in _heartbeat(name, table, dispatcher.targets)),
    ]
    if faults:
        raise ConfigError(faults)


def _source(name: str, table: SourceTable, formats: Iterable[str]) -> Iterator[tuple[str, str]]:
    kind = table.type or name
    if kind not in formats:
        near = difflib.get_close_matches(kind, formats, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(formats)}"
        also = "" if table.type else "; a name of your own needs a type"
        yield f"sources.{name}{'.type' if table.type else ''}", f"no such format; {hint}{also}"
    if not _NAME.fullmatch(name):
        yield f"sources.{name}", "a name has letters, digits, dots, dashes and underscores: it is part of a path"
    if kind == generic.NAME:
        yield from ((f"sources.{name}.fields", fault) for fault in _fields(table.fields))


def _fields(fields: Iterable[str]) -> Iterator[str]:
    for field in fields:
        if field not in generic.FIELDS and not field.startswith("metadata."):
            near = difflib.get_close_matches(field, generic.FIELDS, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(generic.FIELDS)}, metadata.NAME"
            yield f'"{one_line(field):.40}" is no field of an alert; {hint}'


def _heartbeat(name: str, table: HeartbeatTable, targets: Iterable[str]) -> Iterator[tuple[str, str]]:
    if not _NAME.fullmatch(name):
        yield f"heartbeats.{name}", "a name has letters, digits, dots, dashes and underscores: it is part of a path"
    for target in table.targets:
        if target not in targets:
            near = difflib.get_close_matches(target, targets, n=1)
            hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(targets)}"
            yield f"heartbeats.{name}.targets", f"no such target; {hint}"
