"""What the settings say of alerts: `ALERTS`, else the dictionaries of alert-infra, else nothing."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from django.conf import settings

from alert_core import ConfigError
from alert_django import legacy

SETTINGS: Final = ("ALERTS", *legacy.SETTINGS)


@attrs.frozen
class Configuration:
    """A setting that says where alerts go.

    Attributes:
        name: of the setting.
        source: a mapping of alerts.toml's form, or the path of such a file.
        is_old: it was one of alert-infra's.
    """

    name: str
    source: Mapping[str, Any] | str | os.PathLike[str] = attrs.field(repr=False)
    is_old: bool = False

    def explained(self, error: ConfigError) -> ConfigError:
        """The same faults, each with its place in the settings."""
        place = legacy.place if self.is_old else _place
        return type(error)((place(self.name, path), text) for path, text in error.faults)


def set_names() -> list[str]:
    """The settings that are there; the first one counts."""
    return [name for name in SETTINGS if getattr(settings, name, None) is not None]


def read() -> Configuration | None:
    """What is set, if something is.

    Raises:
        ConfigError: it is of another form altogether.
    """
    name = next(iter(set_names()), None)
    if name is None:
        return None
    given = getattr(settings, name)
    if name in legacy.SETTINGS and isinstance(given, Mapping):
        return Configuration(name, legacy.tables(legacy.merged(given), os.environ), is_old=True)
    if name == "ALERTS" and isinstance(given, Mapping | str | os.PathLike):
        return Configuration(name, given)
    del given  # no value of it in the traceback
    raise ConfigError([(name, "must be a dict" + (", or the path of an alerts.toml" if name == "ALERTS" else ""))])


def task_name() -> str | None:
    """The queue's `task_name`, where one is written; what is wrong with the settings is not told here."""
    try:
        found = read()
        source = {} if found is None else found.source
        document = source if isinstance(source, Mapping) else tomllib.loads(Path(source).read_text("utf-8-sig"))
    except (ConfigError, OSError, ValueError, RecursionError):
        return None
    queue = document.get("queue")
    name = queue.get("task_name") if isinstance(queue, Mapping) else None
    return name if isinstance(name, str) and name.strip() else None


def fails_silently() -> bool:
    """Whether an alert that the queue refuses is delivered from memory, rather than being an error."""
    name = next(iter(set_names()), None)
    return name not in legacy.SETTINGS or legacy.fails_silently(getattr(settings, name))


def _place(name: str, path: str) -> str:
    return f"{name}: {path}" if path else name
