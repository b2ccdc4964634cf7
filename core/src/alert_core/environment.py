"""A configuration from environment variables alone: every installed transport whose options are set there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from alert_core.config import Config, PluginFault
from alert_core.errors import Fault, PluginError
from alert_core.plugins import FIRST_PARTY, Plugins
from alert_core.specs import TransportSpec
from alert_core.transport import Option, Transport, option_faults
from alert_core.values import Text, build, structure


def from_environment(environ: Mapping[str, str], plugins: Plugins) -> tuple[Config, list[Fault]]:
    """Read the configuration of every installed transport with an option set in the environment.

    An option is set where its variable is, and not empty; one that other kinds share chooses none of them. Of a family
    the kind with the highest preference is taken. Each target is called by its kind.

    Returns:
        The configuration, or an empty one and every fault, its path the name of a variable. Nothing is raised.
    """
    faults: list[Fault] = []
    variables: set[str] = set()
    chosen: dict[tuple[str | None, str], tuple[TransportSpec, type[Transport]]] = {}
    for spec in plugins.transport_specs.values():
        try:
            kind = plugins.transport_class(spec.kind)
            options = kind.options()
        except PluginError as error:
            faults += _broken(spec.kind, error, environ)
            continue
        except TypeError as error:  # an option without a type
            faults += _broken(spec.kind, PluginError(str(error)), environ)
            continue
        variables |= {option.env for option in options if option.env}
        place = (spec.family, "" if spec.family else spec.kind)
        rival = chosen.get(place)
        if _chosen_by(options, environ) and (rival is None or spec.preference > rival[0].preference):
            chosen[place] = spec, kind
    targets: dict[str, Any] = {}
    for spec, kind in chosen.values():
        targets[spec.kind], wrong = _target(spec.kind, kind, environ)
        faults += wrong
    faults += _missing(environ, plugins, everything=not chosen and not faults)
    if not chosen and not faults:
        faults += _misspelt(environ, variables)
    return Config() if faults else Config(targets=targets), faults


def _chosen_by(options: Iterable[Option], environ: Mapping[str, str]) -> str | None:
    """The variable that chooses a transport, where one is set."""
    return next((o.env for o in options if o.env and not o.shared and environ.get(o.env)), None)


def _target(name: str, kind: type[Transport], environ: Mapping[str, str]) -> tuple[Transport | None, list[Fault]]:
    options = {option.name: option for option in kind.options()}
    faults = _unset(name, options.values(), environ)
    fields: dict[str, Any] = {}
    for option in options.values():
        if option.env and (text := environ.get(option.env)):
            value, wrong = structure(Text(text), option.type)
            faults += [fault.under(option.env) for fault in wrong]
            if not wrong:
                fields[option.name] = value
    if faults:
        made, wrong = None, option_faults(kind, fields)
    else:
        made, wrong = build(kind, {"name": name, **fields})
    return made, [*faults, *(_at_variable(name, options, fault) for fault in wrong)]


def _unset(name: str, options: Iterable[Option], environ: Mapping[str, str]) -> list[Fault]:
    """A fault for each required variable that is not set; the target was chosen by one that is."""
    by = _chosen_by(options, environ) or name
    return [
        Fault(option.env, f"is not set, but {by} is; the transport {name} needs both")
        if option.env
        else Fault(by, f"the transport {name} also needs {option.name}, which only a file of configuration can set")
        for option in options
        if option.required and not (option.env and environ.get(option.env))
    ]


def _at_variable(name: str, options: Mapping[str, Option], fault: Fault) -> Fault:
    """A fault of the transport's own, its path the variable where it is of one option."""
    option = options.get(fault.path)
    return Fault(option.env, fault.message) if option and option.env else fault.under(name)


def _broken(kind: str, error: PluginError, environ: Mapping[str, str]) -> list[Fault]:
    """The faults of a kind that cannot be loaded, where the environment means to use it."""
    upper = kind.upper().replace("-", "_")
    keys = (f"{upper}_API_KEY", f"{upper}_AUTH_TOKEN")
    means = (name for name, value in environ.items() if value and (name.startswith(f"ALERT_{upper}_") or name in keys))
    variable = next(means, None)
    return [PluginFault(variable, fault.message) for fault in error.faults] if variable else []


def _missing(environ: Mapping[str, str], plugins: Plugins, *, everything: bool) -> list[Fault]:
    """The first variable that is set for a kind of a broken plugin, or, of `everything`, for one not installed."""
    broken = {plugin.name for plugin in plugins.plugins if plugin.state == "broken"}
    owners = {plugin.distribution for plugin in plugins.plugins if plugin.state == "broken"}
    kinds = broken | {kind for kind, owner in FIRST_PARTY.items() if everything or owner in owners}
    faults: list[Fault] = []
    for kind in sorted(kinds - plugins.transport_specs.keys()):
        try:
            plugins.transport_class(kind)
        except PluginError as error:
            faults += _broken(kind, error, environ)
    return faults[:1]


def _misspelt(environ: Mapping[str, str], known: Iterable[str]) -> Iterator[Fault]:
    """The variables that nothing reads, and that nearly have the name of one that is read."""
    known = sorted(known)
    for name, value in environ.items():
        if value and name.startswith("ALERT_") and name not in known:
            for near in difflib.get_close_matches(name, known, n=1, cutoff=0.8):
                yield Fault(name, f"no transport reads this variable; did you mean {near}?")
