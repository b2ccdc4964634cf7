"""The process's dispatcher, made of the settings when it is first needed. It is `alert_core`'s default one."""

from __future__ import annotations

import contextlib

from alert_core import ConfigError, Dispatcher, default
from alert_core.queues import without_worker
from alert_django import configuration

_made: Dispatcher | None = None


def get_dispatcher() -> Dispatcher:
    """The process's dispatcher; at first use it is made of the settings.

    Raises:
        ConfigError: nothing is configured, or it is wrong: every fault, with its place in the settings.
    """
    provide()
    try:
        return default.get()
    except ConfigError as error:
        if configuration.set_names():
            raise
        faults = error.faults
    raise ConfigError([*faults, ("ALERTS", "is not set in Django's settings either")])


def build_dispatcher(*, delivers: bool = True) -> Dispatcher | None:
    """Make one of the settings, which the caller closes; None where no setting is there.

    Args:
        delivers: false: it only looks, and no worker of an outbox starts.

    Raises:
        ConfigError: as of `get_dispatcher()`.
    """
    with contextlib.nullcontext() if delivers else without_worker():
        made = _built(configuration.read())
    if isinstance(made, ConfigError):
        raise made
    return made


def provide() -> None:
    """Let the settings decide of `alert_core`'s default dispatcher, from its next making on."""
    default.provide(_make)


def forget() -> None:
    """The settings have changed: the dispatcher that was made of them is closed, and the next alert makes another."""
    global _made  # noqa: PLW0603 - the process has one
    current = default.replace(None)
    if current is not _made:
        default.replace(current)  # a test's, which looks on
    if _made is not None:
        _made.close()
    _made = None


def _make() -> Dispatcher | None:
    global _made  # noqa: PLW0603 - the process has one
    _made = build_dispatcher()
    return _made


def _built(found: configuration.Configuration | None) -> Dispatcher | ConfigError | None:
    """The dispatcher, or why there is none: raised where no frame has a value of the settings."""
    if found is None:
        return None
    try:
        made = Dispatcher.from_config(found.source)
    except ConfigError as error:
        return found.explained(error)
    if made.targets or made.routes:
        return made
    made.close(0)
    return ConfigError([(found.name, 'has no targets; for deliberate silence one with "type": "noop"')])
