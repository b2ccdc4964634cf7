"""The targets that a dispatcher is given: each has a name, and what it has set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from alert_core.config import FailoverConfig
from alert_core.errors import Fault
from alert_core.settings import Settings


def named_targets(
    targets: Mapping[str, Any] | Iterable[Any],
) -> tuple[dict[str, Any], dict[str, Settings], list[Fault]]:
    """The targets by name, what each of them has set, and what is wrong with them."""
    faults: list[Fault] = []
    named: dict[str, Any] = {}
    settings: dict[str, Settings] = {}
    mapped = isinstance(targets, Mapping)
    pairs: Iterable[tuple[Any, Any]]
    pairs = targets.items() if isinstance(targets, Mapping) else ((getattr(t, "name", None), t) for t in targets)
    for name, target in pairs:
        if isinstance(target, type):
            faults.append(Fault("targets", f"{target.__name__} is a class; give an instance of it"))
        elif not isinstance(name, str) or not name:
            faults.append(Fault("targets", f"a {type(target).__name__} has no name; give it one"))
        elif name in named:
            faults.append(Fault(f"targets.{name}", "two targets have this name; give one of them another"))
        elif isinstance(target, FailoverConfig):
            named[name] = target
        elif not callable(getattr(target, "send", None)):
            faults.append(Fault(f"targets.{name}", f"a {type(target).__name__} has no send(alert)"))
        else:
            named[name] = target
            if mapped and getattr(target, "name", name) == getattr(target, "kind", None) != name:
                target.name = name  # it was given none, and knows itself by its kind
            found, wrong = Settings.of(target)
            faults += [fault.under(f"targets.{name}") for fault in wrong]
            if found is not None:
                settings[name] = found
    return named, settings, faults
