"""A configuration: alerts.toml, or a mapping of its form, read with every fault at once.

Nothing here raises with a value of the configuration in its text, or in a frame of its traceback: the functions return
their faults, and `raise_faults()` raises them where the values are out of sight.
"""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Final

import attrs

from alert_core.alert import Alert, Severity
from alert_core.documents import read_toml, resolve
from alert_core.errors import ConfigError, Fault, PluginError
from alert_core.plugins import FIRST_PARTY, Plugins
from alert_core.redaction import Limits, Redactor
from alert_core.retry import RetryPolicy
from alert_core.routing import FIELDS, Route, named_routes, route_faults, unknown_name
from alert_core.transport import Transport, option_faults
from alert_core.values import build, key_path, plain, structure, structure_fields, unknown_key

_KEYS: Final = ("deadline", "retry", "defaults", "targets", "routes", "queue", "redaction")
DEFAULTS: Final[Mapping[str, Any]] = {
    "source": str,
    "tags": tuple[str, ...],
    "url": str,
    "request_id": str,
    "metadata": dict[str, Any],
    "severity": Severity,
}
"""The fields of an alert that can have a default, and their types."""
_REDACTION: Final[Mapping[str, Any]] = {
    "extra_keys": tuple[str, ...],
    "safe_keys": tuple[str, ...],
    "extra_detectors": dict[str, str] | tuple[str, ...],
    "disabled_rules": tuple[str, ...],
    "enabled_rules": tuple[str, ...],
    "limits": Limits,
}
_FAILOVER: Final[Mapping[str, Any]] = {
    "targets": tuple[str, ...],
    "retry": RetryPolicy | None,
    "min_severity": Severity,
}


def _positive(value: Any) -> Any:
    seconds, faults = structure(value, float)
    if faults or seconds <= 0:
        raise ConfigError(faults or "must be more than 0")
    return seconds


def _children(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ConfigError([("targets", "must be a list of names")])
    return tuple(names)


class PluginFault(Fault):
    """A fault of the plugins that a configuration needs: alone, it is raised as a PluginError."""

    __slots__ = ()


@attrs.frozen
class FailoverConfig:
    """A target that stands for several: each of `targets` gets one attempt, in their order, until one delivers.

    Attributes:
        name: its own name among the targets.
        targets: names of the children, failovers among them too.
        retry: when the whole of it is tried again; default: the dispatcher's.
        min_severity: below it nothing is routed here.
    """

    name: str
    targets: tuple[str, ...] = attrs.field(converter=_children)
    retry: RetryPolicy | None = None
    min_severity: Severity = attrs.field(default=Severity.INFO, converter=Severity)


@attrs.frozen(kw_only=True)
class Config:
    """What a Dispatcher is built of.

    Attributes:
        targets: by name.
        routes: in their order, each with a name.
        defaults: fields for alerts that have none of their own: those of `DEFAULTS`.
        deadline: seconds that `send()` takes at most.
        retry: for targets that set none.
        redactor: the masking policy of `[redaction]`.
        queue: an instance of the queue's class; None is in memory.
        tables: of each table that a plugin owns, its config, by the table's name.
    """

    targets: Mapping[str, Transport | FailoverConfig] = attrs.field(factory=dict)
    routes: tuple[Route, ...] = ()
    defaults: Mapping[str, Any] = attrs.field(factory=dict)
    deadline: float = 10.0
    retry: RetryPolicy = attrs.field(factory=RetryPolicy)
    redactor: Redactor = attrs.field(factory=Redactor)
    queue: Any = None
    tables: Mapping[str, Any] = attrs.field(factory=dict)


def load(
    source: str | os.PathLike[str] | Mapping[str, Any], plugins: Plugins, environ: Mapping[str, str]
) -> tuple[Config, list[Fault]]:
    """Read a configuration.

    Args:
        source: the path of an alerts.toml, or a mapping of its form, whose values may be of the right types already.
        plugins: give the kinds, queues and tables.
        environ: for `env:` references.

    Returns:
        The configuration, or an empty one and every fault, each with its path. Nothing is raised.
    """
    document: object = source
    faults: list[Fault] = []
    if isinstance(source, str | os.PathLike):
        document, faults = read_toml(source)
    if not isinstance(document, Mapping):
        return Config(), faults or [Fault("(configuration)", "must be the path of a file, or a mapping")]
    return _Reader(*resolve(document, environ), plugins).read()


def raise_faults(faults: Sequence[Fault]) -> None:
    """Raise every fault as one ConfigError, or PluginError where one is a plugin's; return where there is none."""
    if faults:
        kind = PluginError if any(isinstance(fault, PluginFault) for fault in faults) else ConfigError
        raise kind(faults) from None


def failover_faults(targets: Mapping[str, Any]) -> list[Fault]:
    """What is wrong with the failovers among the targets: no child, one that does not exist, a cycle."""
    faults = []
    for name, target in targets.items():
        if not isinstance(target, FailoverConfig):
            continue
        path = f"targets.{key_path(name)}.targets"
        if not target.targets:
            faults.append(Fault(path, "a failover needs at least one target"))
        faults += [
            Fault(f"{path}[{place}]", unknown_name(child, targets))
            for place, child in enumerate(target.targets)
            if child not in targets
        ]
        if cycle := _cycle(name, targets):
            faults.append(Fault(path, f"leads back to itself: {' → '.join(cycle)}"))
    return faults


def _cycle(name: str, targets: Mapping[str, Any]) -> list[str]:
    """The shortest way from a failover back to itself, its ends included, or nothing."""
    ways, seen = [[name]], {name}
    for way in ways:
        target = targets.get(way[-1])
        for child in target.targets if isinstance(target, FailoverConfig) else ():
            if child == name:
                return [*way, child]
            if child not in seen:
                seen.add(child)
                ways.append([*way, child])
    return []


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith((f"{above}.", f"{above}["))


class _Reader:
    """Reads one document, its references resolved, collecting its faults."""

    def __init__(self, document: Mapping[Any, Any], unresolved: list[Fault], plugins: Plugins) -> None:
        self._document = document
        self._unresolved = unresolved
        self._plugins = plugins
        self._faults: list[Fault] = []

    def read(self) -> tuple[Config, list[Fault]]:
        tables = {name: spec.config for name, spec in self._plugins.tables.items() if name not in _KEYS}
        for key in self._document:
            if key not in _KEYS and key not in tables:
                self._add(key_path(key), [Fault("", self._unknown(key, (*_KEYS, *tables)))])
        types = {"deadline": Annotated[float, _positive], "retry": RetryPolicy, **tables}
        values = {
            key: self._taken(key, structure(self._document[key], wanted))
            for key, wanted in types.items()
            if key in self._document
        }
        fields: dict[str, Any] = {key: values.pop(key) for key in ("deadline", "retry") if key in values}
        targets = self._targets()
        queue, keeps_state = self._queue()
        fields |= {"tables": values, "defaults": self._defaults(), "targets": targets, "queue": queue}
        fields |= {"routes": self._routes(set(targets), keeps_state), "redactor": self._redactor()}
        unread = {one.path for one in self._unresolved}
        faults = [fault for fault in self._faults if not any(_is_below(fault.path, path) for path in unread)]
        return Config() if faults or unread else Config(**fields), [*self._unresolved, *faults]

    def _is_resolved(self, path: str) -> bool:
        return not any(_is_below(fault.path, path) for fault in self._unresolved)

    def _add(self, path: str, faults: Iterable[Fault]) -> None:
        self._faults += [fault.under(path) for fault in faults]

    def _taken(self, path: str, read: tuple[Any, list[Fault]]) -> Any:
        """What was read; its faults are collected."""
        value, faults = read
        self._add(path, faults)
        return value

    def _typed(self, path: str, raw: Any) -> tuple[str, dict[Any, Any]] | None:
        """The `type` of a table and the rest of it, or None with a fault."""
        if not isinstance(raw, Mapping):
            self._add(path, [Fault("", "must be a table")])
            return None
        table = dict(raw)
        kind = {"type": table.pop("type")} if table.get("type") else {}
        fields, whole = self._fields(path, kind, {"type": str}, ["type"])
        if not kind:
            near = [key for key in table if isinstance(key, str) and difflib.get_close_matches(key, ["type"])]
            self._add(path, [Fault(key_path(key), 'unknown option; did you mean "type"?') for key in near])
        return (fields["type"], table) if whole else None

    def _fields(
        self, path: str, table: object, types: Mapping[str, Any], required: Iterable[str] = ()
    ) -> tuple[dict[str, Any], bool]:
        """The table's keys read as their types, and whether all of it could be read."""
        fields, faults = structure_fields(table, types, required)
        self._add(path, faults)
        return fields, not faults

    def _unknown(self, key: object, known: Iterable[str]) -> str:
        if isinstance(key, str) and FIRST_PARTY.get(key) == "alert-gateway":
            return f"no plugin provides this table; try: pip install {FIRST_PARTY[key]}"
        if isinstance(key, str) and (key in FIRST_PARTY or key in self._plugins.transport_specs):
            return f'unknown key; a target of this kind is [targets.{key}] with type = "{key}"'
        return unknown_key(key, known)

    def _defaults(self) -> dict[str, Any]:
        fields, _ = self._fields("defaults", self._document.get("defaults", {}), DEFAULTS)
        if "url" in fields:
            self._taken("defaults", build(Alert, {"title": "url", "message": "url", "url": fields["url"]}))
        return fields

    def _targets(self) -> dict[str, Any]:
        """The targets, None for one that could not be made."""
        tables = self._document.get("targets", {})
        targets: dict[str, Any] = {}
        if not isinstance(tables, Mapping):
            self._add("targets", [Fault("", "must be a table of tables: [targets.NAME]")])
            return targets
        for name, raw in tables.items():
            path = f"targets.{key_path(name)}"
            if isinstance(name, str) and name.strip():
                targets[name] = self._target(path, name, raw)
            else:
                self._add(path, [Fault("", "a target's name must be a text")])
        self._faults += failover_faults(targets)
        return targets

    def _target(self, path: str, name: str, raw: Any) -> Any:
        if (typed := self._typed(path, raw)) is None:
            return None
        kind, table = typed
        if kind == "failover":
            fields, whole = self._fields(path, table, _FAILOVER, ["targets"])
            return FailoverConfig(name, **fields) if whole else None
        transport = self._plugged(path, self._plugins.transport_class, kind)
        return self._made(path, transport, table, {"name": name}) if transport else None

    def _plugged(self, path: str, find: Callable[[str], type[Any]], kind: str) -> type[Any] | None:
        """The class that a plugin provides, or None and why there is none."""
        try:
            return find(kind)
        except PluginError as error:
            self._faults += [PluginFault(f"{path}.type", fault.message) for fault in error.faults]
            return None

    def _made(self, path: str, kind: type[Any], table: Mapping[Any, Any], extra: Mapping[str, Any]) -> Any:
        """An instance of a class with `options()`, or None and its faults."""
        options = kind.options()
        types = {option.name: option.type for option in options}
        fields, whole = self._fields(path, table, types, [option.name for option in options if option.required])
        if whole and self._is_resolved(path):
            return self._taken(path, build(kind, {**extra, **fields}))
        return self._taken(path, (None, option_faults(kind, fields)))

    def _queue(self) -> tuple[Any, bool]:
        """The queue, None for memory, and whether it keeps state."""
        if (typed := self._typed("queue", self._document.get("queue", {"type": "memory"}))) is None:
            return None, True
        kind, table = typed
        if kind == "memory":
            self._fields("queue", table, {})
            return None, False
        queue = self._plugged("queue", self._plugins.queue_class, kind)
        if queue is None:
            return None, True
        keeps_state = bool(getattr(queue, "keeps_state", False))
        if hasattr(queue, "options"):
            return self._made("queue", queue, table, {}), keeps_state
        known = inspect.signature(queue).parameters
        takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
        unknown = [] if takes_all else [key for key in table if key not in known]
        self._add("queue", [Fault(key_path(key), unknown_key(key, known)) for key in unknown])
        whole = not unknown and self._is_resolved("queue")
        return self._taken("queue", build(queue, plain(table))) if whole else None, keeps_state

    def _routes(self, names: set[str], keeps_state: bool) -> tuple[Route, ...]:
        tables = self._document.get("routes", [])
        if not isinstance(tables, list | tuple):
            self._add("routes", [Fault("", "must be an array of tables: [[routes]]")])
            return ()
        routes = [self._route(f"routes[{index}]", raw) for index, raw in enumerate(tables)]
        self._faults += route_faults(routes, names, keeps_state=keeps_state)
        return named_routes(routes)

    def _route(self, path: str, raw: Any) -> Route:
        """A route; of one with faults what could be read, so that its targets are checked all the same."""
        if isinstance(raw, Route):
            return raw
        fields, whole = self._fields(path, raw, FIELDS, ["targets"])
        fields["continue_"] = fields.pop("continue", False)
        return Route(**fields) if whole else Route(**{"targets": (), "name": path, **fields})

    def _redactor(self) -> Redactor:
        fields, _ = self._fields("redaction", self._document.get("redaction", {}), _REDACTION)
        for key, value in fields.items():
            _, faults = build(Redactor, {key: value})
            self._faults += [fault if fault.path else fault.under(f"redaction.{key}") for fault in faults]
        redactor, faults = build(Redactor, fields)
        return Redactor() if faults else redactor
