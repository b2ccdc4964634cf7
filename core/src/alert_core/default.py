"""The process's default dispatcher, and the functions that use it: `alert_core.send()` and its kin."""

from __future__ import annotations

import difflib
import inspect
import os
import pathlib
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from alert_core.alert import Alert
from alert_core.dispatcher import Dispatcher
from alert_core.errors import ConfigError, Fault
from alert_core.report import DeliveryReport, Ticket
from alert_core.transport import delivering

_THREE_WAYS = (
    "nothing is configured. Either write ./alerts.toml (or name a file in ALERT_CONFIG), or set the environment "
    "variables of an installed transport (`alertctl plugins KIND` lists them: ALERT_SLACK_WEBHOOK_URL for slack), "
    "or call alert_core.configure(). "
    'For deliberate silence, configure a target with type = "noop"'
)
_ARGUMENTS: Final = ("targets", *inspect.signature(Alert).parameters)

_lock = threading.RLock()
_dispatcher: Dispatcher | None = None
_make: Callable[[], Dispatcher | None] | None = None


def send(
    alert: Alert | str | None = None, message: str | None = None, *, targets: Iterable[str] | None = None, **fields: Any
) -> DeliveryReport:
    """Deliver an alert and wait for it, at most the deadline (10 s by default).

    Args:
        alert: an Alert, or the title of one (also as `title=`).
        message: its text; default: the title.
        targets: names of targets, instead of the routes.
        fields: the other fields of `Alert`: `severity="critical"`, `source=`, `tags=`, `metadata=`, …

    Returns:
        For each target what happened, with the provider's id. A transport's failure is in it, not raised.

    Raises:
        ConfigError: nothing is configured, or it is wrong; or a target does not exist.
        AlertValidationError: a field of the alert is wrong.
        TypeError: an argument that no alert has, or of a wrong type.
    """
    dispatcher = get()
    return dispatcher.send(alert_of("send", dispatcher, alert, message, fields), targets)


async def asend(
    alert: Alert | str | None = None, message: str | None = None, *, targets: Iterable[str] | None = None, **fields: Any
) -> DeliveryReport:
    """As `send()`, for coroutines."""
    dispatcher = get()
    return await dispatcher.asend(alert_of("asend", dispatcher, alert, message, fields), targets)


def enqueue(
    alert: Alert | str | None = None, message: str | None = None, *, targets: Iterable[str] | None = None, **fields: Any
) -> Ticket:
    """As `send()`, without waiting: `ticket.report(timeout)` tells later.

    Raises:
        QueueFull: no lane had room for it.
    """
    dispatcher = get()
    return dispatcher.enqueue(alert_of("enqueue", dispatcher, alert, message, fields), targets)


def flush(timeout: float | None = None) -> bool:
    """Wait until everything enqueued has ended, at most `timeout` seconds; whether it has."""
    dispatcher = _dispatcher
    return dispatcher is None or dispatcher.flush(timeout)


def configure(source: Dispatcher | str | os.PathLike[str] | Mapping[str, Any]) -> Dispatcher:
    """Make this the default dispatcher: one that is built, a path of an alerts.toml, or a mapping of its form.

    The one before it is flushed and closed.

    Raises:
        ConfigError: with every fault of the configuration; the default stays as it was.
    """
    try:
        dispatcher = source if isinstance(source, Dispatcher) else Dispatcher.from_config(source)
    finally:
        del source  # the traceback of a fault shows no value of it
    previous = replace(dispatcher)
    if previous is not None and previous is not dispatcher:
        previous.close()
    return dispatcher


def provide(make: Callable[[], Dispatcher | None] | None) -> None:
    """Let this function make the default dispatcher once it is needed: for a framework that has its own configuration.

    Args:
        make: where it returns None, or is None itself, the default is found as ever. What it raises, `get()` raises.
    """
    global _make  # noqa: PLW0603 - the process has one
    _make = make


def replace(dispatcher: Dispatcher | None) -> Dispatcher | None:
    """Put another in its place, or none, and return what was there, still open: for tests."""
    global _dispatcher
    with _lock:
        previous, _dispatcher = _dispatcher, dispatcher
    return previous


def config_path() -> str | None:
    """The file that the default dispatcher is built of: ALERT_CONFIG, else ./alerts.toml; None: the environment."""
    path = os.environ.get("ALERT_CONFIG")
    if path is None and pathlib.Path("alerts.toml").is_file():
        return "./alerts.toml"
    return path or None


def get() -> Dispatcher:
    """The default dispatcher. At first use it is built: of `provide()`, ALERT_CONFIG, ./alerts.toml or the environment.

    Raises:
        ConfigError: nothing is configured, or it is wrong.
    """
    global _dispatcher  # noqa: PLW0603 - the process has one default
    with _lock:
        if _dispatcher is None:
            path = config_path()
            token = delivering.set(
                True
            )  # what is logged while it is built cannot be alerted of: there is no dispatcher
            try:
                given = _make() if _make is not None else None
                dispatcher = given or (Dispatcher.from_config(path) if path else Dispatcher.from_env())
            finally:
                delivering.reset(token)
            if given is None and not dispatcher.targets:
                raise ConfigError(
                    [Fault(path, "has no targets: write a table [targets.NAME]")] if path else _THREE_WAYS
                )
            _dispatcher = dispatcher
        return _dispatcher


def alert_of(
    function: str, dispatcher: Dispatcher, alert: Alert | str | None, message: str | None, fields: dict[str, Any]
) -> Alert:
    """The alert that the arguments of `send()` and its kin stand for; `function` is who is to blame for a wrong one."""
    for name in fields:
        if name not in _ARGUMENTS:
            near = difflib.get_close_matches(name, _ARGUMENTS, n=1)
            raise TypeError(f"{function}() has no argument {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
    alert = fields.pop("title", None) if alert is None else alert
    if alert is None:
        raise TypeError(f"{function}() needs an Alert, or the title of one")
    if isinstance(alert, Alert):
        if message is not None or fields:
            raise TypeError("give either an Alert or the fields of one; alert.evolve(...) changes a field")
        return alert
    given = {"severity": dispatcher.defaults["severity"]} if "severity" in dispatcher.defaults else {}
    return Alert(alert, alert if message is None else message, **(given | fields))


def _after_fork() -> None:
    global _lock  # noqa: PLW0603 - another thread of the parent may have held it
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
