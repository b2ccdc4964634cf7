"""Which plugins there are, each loaded in isolation; the only user of pluggy's plugin manager.

pluggy says what exists and who is told. It is never on the delivery path: a hook call stops at the first exception and
does not say which plugin answered, so hook implementations are called one by one here.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import logging
import os
import pkgutil
import threading
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Any, Final, Literal, TypeVar

import attrs
import pluggy

from alert_core import builtin, hookspecs
from alert_core.errors import PluginError
from alert_core.redaction import redact
from alert_core.specs import (
    CommandSpec,
    ProcessorSpec,
    QueueSpec,
    RedactorSpec,
    SourceSpec,
    Spec,
    TableSpec,
    TransportSpec,
)
from alert_core.text import one_line, truncate
from alert_core.transport import Transport, delivering

GROUP: Final = "alert_core.plugins"
FIRST_PARTY: Final[Mapping[str, str]] = {
    "slack": "alert-slack",
    "slack-bot": "alert-slack",
    "smtp": "alert-smtp",
    "resend": "alert-resend",
    "sendgrid": "alert-sendgrid",
    "telegram": "alert-telegram",
    "pagerduty": "alert-pagerduty",
    "castbrick": "alert-sms",
    "twilio": "alert-sms",
    "vonage": "alert-sms",
    "django": "alert-django",
    "outbox": "alert-outbox",
    "celery": "alert-celery",
    "remote": "alert-celery",
    "gateway": "alert-gateway",
    "sources": "alert-gateway",
    "heartbeats": "alert-gateway",
}
"""Kinds, queues and tables of this project's own distributions: the only ones that an error offers to install."""

_S = TypeVar("_S", bound=Spec)
_log = logging.getLogger(__name__)
_loading = threading.RLock()


def _after_fork() -> None:
    global _loading  # noqa: PLW0603 - another thread of the parent may have held it
    _loading = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@attrs.define
class Plugin:
    """One plugin, and what became of it."""

    name: str
    distribution: str | None = None
    version: str | None = None
    state: Literal["loaded", "broken", "disabled"] = "loaded"
    error: str | None = None
    hooks: tuple[str, ...] = ()
    specs: tuple[Spec, ...] = ()

    def __str__(self) -> str:
        origin = f" of {self.distribution} {self.version}" if self.distribution else ""
        return f"plugin {self.name!r}{origin}"

    def row(self) -> dict[str, Any]:
        """The row of `alertctl plugins --json`."""
        kinds = [spec.kind for spec in _kind_specs(self)]
        row = attrs.asdict(self, filter=attrs.filters.exclude("specs"), recurse=False)
        return row | {"hooks": list(self.hooks), "kinds": kinds}


class Plugins:
    """A set of loaded plugins.

    Args:
        given: modules or objects with `@hookimpl` functions, or Specs; nothing else is seen.
    """

    def __init__(self, given: Iterable[object] = ()) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self.plugins: list[Plugin] = []
        for position, plugin in enumerate(given):
            if isinstance(plugin, Spec):
                self.plugins.append(Plugin(_label(plugin), specs=(plugin,)))
            else:
                name = getattr(plugin, "__name__", f"{type(plugin).__name__}-{position}")
                self._load(Plugin(name), functools.partial(_itself, plugin))

    @classmethod
    def discover(cls, environ: Mapping[str, str] = os.environ) -> Plugins:
        """Load every installed plugin but those that ALERT_DISABLE_PLUGINS names, or ALERT_PLUGINS does not."""
        found = cls()
        disabled = _names(environ.get("ALERT_DISABLE_PLUGINS", ""))
        allowed = _names(environ.get("ALERT_PLUGINS", ""))
        found.plugins.append(Plugin("builtin", "alert-core", version("alert-core"), specs=builtin.SPECS))
        for plugin, load in sorted(_installed(), key=lambda one: one[0].name):
            if plugin.name in disabled or (allowed and plugin.name not in allowed):
                plugin.state = "disabled"
                plugin.error = "named by ALERT_DISABLE_PLUGINS" if plugin.name in disabled else "not in ALERT_PLUGINS"
                found.plugins.append(plugin)
            else:
                found._load(plugin, load)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """One row a plugin, for `alertctl plugins`; a kind that two plugins have is told in `error`."""
        rows = []
        for plugin in self.plugins:
            row = plugin.row()
            doubles = {spec.kind: self._providers(type(spec), spec.kind) for spec in _kind_specs(plugin)}
            others = {str(other): None for providers in doubles.values() for other in providers if other is not plugin}
            if others and not row["error"]:
                kinds = ", ".join(kind for kind, providers in doubles.items() if len(providers) > 1)
                row["error"] = f"kind {kinds} comes from {', '.join(others)} too; a target of it is an error"
            rows.append(row)
        return rows

    @property
    def transport_specs(self) -> Mapping[str, TransportSpec]:
        """The kinds of transport, core's own first."""
        return {spec.kind: spec for spec in (*builtin.SPECS, *self._specs(TransportSpec))}

    @property
    def queue_specs(self) -> Mapping[str, QueueSpec]:
        """The kinds of queue, besides memory."""
        return {spec.kind: spec for spec in self._specs(QueueSpec)}

    @property
    def processors(self) -> tuple[ProcessorSpec, ...]:
        """The processors, in the order they run."""
        return tuple(sorted(self._specs(ProcessorSpec), key=lambda spec: (spec.order, spec.name)))

    @property
    def redactors(self) -> tuple[RedactorSpec, ...]:
        """The masking rules that plugins add."""
        return self._specs(RedactorSpec)

    @property
    def sources(self) -> tuple[SourceSpec, ...]:
        """The gateway's webhook formats."""
        return self._specs(SourceSpec)

    @property
    def commands(self) -> tuple[CommandSpec, ...]:
        """The commands that plugins add to `alertctl`."""
        return self._specs(CommandSpec)

    @property
    def tables(self) -> Mapping[str, TableSpec]:
        """The top-level tables of alerts.toml that plugins own."""
        return {spec.name: spec for spec in self._specs(TableSpec)}

    def transport_class(self, kind: str) -> type[Transport]:
        """The class of a kind.

        Raises:
            PluginError: no plugin provides it, two do, or the one that does is broken; says what to do.
        """
        classes = {name: spec.transport for name, spec in self.transport_specs.items()}
        found = self._load_object(TransportSpec, kind, classes)
        if not (isinstance(found, type) and issubclass(found, Transport)):
            provider = self._provider(TransportSpec, kind)
            raise PluginError(f'the "{kind}" of {provider} is no subclass of alert_core.Transport')
        return found

    def queue_class(self, kind: str) -> type[Any]:
        """The class of a kind of queue.

        Raises:
            PluginError: as `transport_class`.
        """
        classes = {name: spec.queue for name, spec in self.queue_specs.items()}
        found: type[Any] = self._load_object(QueueSpec, kind, classes)
        return found

    def hookimpls(self, hook: str) -> list[tuple[str, Callable[..., object], tuple[str, ...]]]:
        """A snapshot: the name of each plugin that implements the hook, its function, and the arguments it takes."""
        caller = getattr(self._manager.hook, hook)
        known = caller.spec.argnames if caller.spec else ()
        found = []
        for impl in caller.get_hookimpls():
            wanted = {*impl.argnames, *impl.kwargnames}
            found.append((impl.plugin_name, impl.function, tuple(name for name in known if name in wanted)))
        return found

    def _load(self, plugin: Plugin, load: Callable[[], object]) -> None:
        self.plugins.append(plugin)
        # Two distributions may have an entry point of one name.
        key = f"{plugin.name}-{len(self.plugins)}" if self._manager.has_plugin(plugin.name) else plugin.name
        try:
            module = load()
            plugin.hooks = tuple(self._implemented(plugin, module))
            self._manager.register(module, key)
            for name, function, _ in self.hookimpls("alert_register"):
                if name == key:
                    plugin.specs = _checked(function())
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin does, the others load
            plugin.state, plugin.hooks, plugin.specs = "broken", (), ()
            plugin.error = _told(error)
            if self._manager.has_plugin(key):
                self._manager.unregister(name=key)

    def _implemented(self, plugin: Plugin, module: object) -> Iterable[str]:
        for name in dir(module):
            options = self._manager.parse_hookimpl_opts(module, name)
            if options is None:
                continue
            if options["wrapper"] or options["hookwrapper"]:
                raise TypeError(f"{name} is a hook wrapper; plugins observe, they do not wrap")
            name = options.get("specname") or name  # noqa: PLW2901 - the hook, whatever its function is called
            if hasattr(hookspecs, name):
                yield name
            else:
                what = f"uses the hook {name}, which alert-core {version('alert-core')} does not know"
                plugin.error = f"{what}; upgrade alert-core"
                _log.warning("%s %s; upgrade alert-core", plugin, what)

    def _specs(self, kind: type[_S]) -> tuple[_S, ...]:
        return tuple(spec for plugin in self.plugins for spec in plugin.specs if isinstance(spec, kind))

    def _providers(self, spec: type[Spec], kind: str) -> list[Plugin]:
        return [
            plugin
            for plugin in self.plugins
            if any(isinstance(one, spec) and one.kind == kind for one in _kind_specs(plugin))
        ]

    def _provider(self, spec: type[Spec], kind: str) -> str:
        return " and ".join(map(str, self._providers(spec, kind))) or "alert-core"

    def _load_object(self, spec: type[Spec], kind: str, objects: Mapping[str, type[Any] | str]) -> Any:
        provider = self._provider(spec, kind)
        if len(self._providers(spec, kind)) > 1:
            raise PluginError(f'kind "{kind}" comes from {provider}; uninstall or disable one of them')
        if kind not in objects:
            raise PluginError(self._missing(kind, objects))
        found = objects[kind]
        if not isinstance(found, str):
            return found
        try:
            return pkgutil.resolve_name(found)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever an import raises
            what = _told(error)
        raise PluginError(f"{provider} is broken: {what}; reinstall or upgrade the distribution")

    def _missing(self, kind: str, known: Iterable[str]) -> str:
        distribution = FIRST_PARTY.get(kind)
        for plugin in self.plugins:
            if plugin.state != "loaded" and kind in (plugin.name, *_kinds_of(plugin.distribution)):
                what = "is disabled" if plugin.state == "disabled" else "is broken"
                cure = "" if plugin.state == "disabled" else "; reinstall or upgrade the distribution"
                return f'no plugin provides "{kind}": {plugin} {what} ({plugin.error}){cure}'
        if distribution:
            return f'no plugin provides "{kind}"; try: pip install {distribution}'
        broken = [str(plugin) for plugin in self.plugins if plugin.state == "broken"]
        about = f"; broken: {', '.join(broken)} (`alertctl plugins` says why)" if broken else ""
        near = difflib.get_close_matches(kind.lower(), known := sorted(known), n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"installed: {', '.join(known) or 'none'}"
        return f'no plugin provides "{kind}"; {hint}{about}'


class Observers:
    """Who is told of deliveries. Each is called by itself; what it raises is logged and swallowed."""

    def __init__(self, plugins: Plugins) -> None:
        hooks = (name for name in vars(hookspecs) if name.startswith("alert_") and name != "alert_register")
        self._implementations = {hook: plugins.hookimpls(hook) for hook in hooks}

    def tell(self, hook: str, /, **arguments: object) -> None:
        """Call every implementation of the hook with those of the arguments that it takes."""
        implementations = self._implementations[hook]
        if not implementations:
            return
        token = delivering.set(True)
        try:
            for name, function, wanted in implementations:
                try:
                    function(**{argument: arguments[argument] for argument in wanted})
                except (Exception, SystemExit) as error:  # noqa: BLE001 - an observer has no power
                    _log.warning("%s of plugin %s raised %s", hook, name, type(error).__name__)
        finally:
            delivering.reset(token)


def installed_plugins() -> Plugins:
    """The installed plugins, loaded once and shared by the process."""
    with _loading:
        return _discovered()


@functools.cache
def _discovered() -> Plugins:
    return Plugins.discover()


def _installed() -> Iterable[tuple[Plugin, Callable[[], object]]]:
    """Each entry point of the group, as a plugin not yet loaded and what loads it."""
    import importlib_metadata  # heavy, and not needed where the plugins are given

    try:
        entries = list(importlib_metadata.entry_points(group=GROUP))
    except Exception:  # noqa: BLE001 - one distribution's broken metadata must not hide every other's
        entries = []
        for dist in importlib_metadata.distributions():
            try:
                entries += dist.entry_points.select(group=GROUP)
            except Exception as error:  # noqa: BLE001 - as above
                _log.warning("the entry points of a distribution cannot be read (%s)", type(error).__name__)
    for entry in dict.fromkeys(entries):
        dist_name = dist_version = None
        with contextlib.suppress(Exception):  # its metadata is missing: it loads all the same
            dist_name, dist_version = entry.dist.name, entry.dist.version
        yield Plugin(entry.name, dist_name, dist_version), entry.load


def _itself(plugin: object) -> object:
    return plugin


def _names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")} - {""}


def _label(spec: Spec) -> str:
    return str(getattr(spec, "kind", None) or getattr(spec, "name", ""))


def _kind_specs(plugin: Plugin) -> list[TransportSpec | QueueSpec]:
    return [spec for spec in plugin.specs if isinstance(spec, TransportSpec | QueueSpec)]


def _told(error: BaseException) -> str:
    """One line, masked, of an exception of a plugin's."""
    return truncate(one_line(str(redact(f"{type(error).__name__}: {error}"))), 300)


def _kinds_of(distribution: str | None) -> list[str]:
    return [kind for kind, owner in FIRST_PARTY.items() if owner == distribution]


def _checked(specs: object) -> tuple[Spec, ...]:
    if not isinstance(specs, Iterable):
        raise TypeError(f"alert_register() must return an iterable of Specs, not {type(specs).__name__}")
    found = tuple(specs)
    for spec in found:
        if not isinstance(spec, Spec):
            raise TypeError(f"alert_register() gave a {type(spec).__name__}, which is no Spec")
    return found
