"""Alerts from log records and from exceptions."""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import logging
import traceback
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, cast

from alert_core import default
from alert_core.alert import Alert, Severity
from alert_core.text import one_line, truncate
from alert_core.transport import delivering

if TYPE_CHECKING:
    from types import TracebackType

    from alert_core.dispatcher import Dispatcher

TITLE_LENGTH: Final = 200
_P = ParamSpec("_P")
_R = TypeVar("_R")
_log = logging.getLogger(__name__)


class AlertHandler(logging.Handler):
    """A logging handler that makes each record an alert, and only enqueues it.

    Records made in a lane, in an observer or by alert_core itself never become alerts. The record's exception is
    formatted without locals, and masked like all of the alert. Records of one source line share a dedup key.

    Args:
        level: records below it are ignored.
        dispatcher: default: the process's default dispatcher, found when a record comes.
    """

    def __init__(self, level: int | str = logging.ERROR, dispatcher: Dispatcher | None = None) -> None:
        super().__init__(level)
        self._dispatcher = dispatcher

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit, without the handler's lock: a lane that logs must not wait for a thread that enqueues."""
        passed = cast("bool | logging.LogRecord", self.filter(record))
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return bool(passed)

    def emit(self, record: logging.LogRecord) -> None:
        """Enqueue the record's alert. What goes wrong is told by class name alone, in the log of this module."""
        if delivering.get() or record.name.split(".", 1)[0] == "alert_core":
            return
        try:
            (self._dispatcher or default.get()).enqueue(_alert(record))
        except Exception as error:  # noqa: BLE001 - a log call never raises
            _log.warning("a record of %s is no alert: %s", record.name, type(error).__name__)


def _alert(record: logging.LogRecord) -> Alert:
    text = record.getMessage().strip() or record.levelname
    message = text
    if record.exc_info and record.exc_info[1] is not None:
        message += "\n\n" + _formatted(record.exc_info[1])
    elif record.exc_text:
        message += "\n\n" + record.exc_text
    if record.stack_info:
        message += "\n\n" + record.stack_info
    title = one_line(text.splitlines()[0])
    metadata = {"logger": record.name, "function": record.funcName, "file": record.pathname, "line": record.lineno}
    return Alert(
        title if len(title) <= TITLE_LENGTH else truncate(Alert(title, title).title, TITLE_LENGTH),
        message,
        severity=_severity(record.levelno),
        source=record.name,
        metadata=metadata,
        dedup_key=f"log:{record.name}:{record.module}:{record.lineno}",
    )


def _severity(level: int) -> Severity:
    if level >= logging.CRITICAL:
        return Severity.CRITICAL
    if level >= logging.ERROR:
        return Severity.ERROR
    return Severity.WARNING if level >= logging.WARNING else Severity.INFO


class alert_on_error:  # noqa: N801 - used as a decorator and in `with`
    """Report an exception as an alert, and let it go on: `@alert_on_error()` or `with alert_on_error(...):`.

    The alert is enqueued, and delivered at the latest when the process ends. KeyboardInterrupt, SystemExit and a
    cancelled task are no errors. If the alert itself fails, that is logged, and the exception goes on all the same.

    Args:
        title: default: what failed, and the exception's class.
        severity: of the alert.
        source: default: the module of the decorated function.
        tags: of the alert.
        metadata: of the alert.
        targets: names, instead of the routes.
        dispatcher: default: the process's default dispatcher.
    """

    def __init__(
        self,
        title: str | None = None,
        *,
        severity: Severity | str = Severity.ERROR,
        source: str | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
        targets: Iterable[str] | None = None,
        dispatcher: Dispatcher | None = None,
    ) -> None:
        if callable(title):
            raise TypeError("write @alert_on_error(), with parentheses")
        self._title = title
        self._what = "A block"
        self._fields: dict[str, Any] = {
            "severity": Severity(severity),
            "source": source,
            "tags": tuple(tags),
            "metadata": metadata,
        }
        self._targets = None if targets is None else tuple(targets)
        self._dispatcher = dispatcher

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            self._report(error)

    def __call__(self, function: Callable[_P, _R]) -> Callable[_P, _R]:
        """Wrap a function, a coroutine function or a generator function."""
        report = copy.copy(self)  # one decorator may serve several functions
        report._what = getattr(function, "__qualname__", type(function).__name__)  # noqa: SLF001 - its own class
        report._fields = self._fields | {"source": self._fields["source"] or getattr(function, "__module__", None)}
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with report:
                    return await function(*args, **kwargs)

        elif inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with report:
                    return (yield from function(*args, **kwargs))

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with report:
                    return function(*args, **kwargs)

        return cast("Callable[_P, _R]", wrapper)

    def _report(self, error: Exception) -> None:
        try:
            title = self._title or f"{self._what} failed: {type(error).__name__}"
            alert = Alert(title, _formatted(error), **self._fields)
            (self._dispatcher or default.get()).enqueue(alert, self._targets)
        except Exception as fault:  # noqa: BLE001 - the caller's exception is the one that matters
            _log.warning("an exception of %s is no alert: %s", self._what, type(fault).__name__)


def _formatted(error: BaseException) -> str:
    """The whole chain, without locals."""
    with contextlib.suppress(Exception):  # an exception's own __str__ may fail
        return "".join(traceback.format_exception(error)).strip()
    return type(error).__name__
