"""What the calls are made with: values that JSON has no form for, and doubles of what applications inject."""

from __future__ import annotations

import builtins
import collections
import contextlib
import dataclasses
import datetime as dt
import decimal
import enum
import logging
import os
import smtplib
import types
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from django.core.mail.backends.base import BaseEmailBackend

import alert_infra
from alert_infra import exceptions, transports
from alert_infra.email.interfaces import EmailProvider


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Card:
    holder: Any
    number: Any = None


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - an old application's


class Unreadable:
    def __str__(self) -> str:
        raise RuntimeError("no text")


def cycle(name: str) -> dict[str, Any]:
    looped: dict[str, Any] = {"name": name}
    looped["self"] = looped
    return looped


def nested(levels: int) -> Any:
    deep: Any = "deep"
    for _ in range(levels):
        deep = [deep]
    return deep


KINDS: dict[str, Callable[[Any], Any]] = {
    "bytes": str.encode,
    "card": lambda of: Card(*of),
    "cycle": cycle,
    "date": dt.date.fromisoformat,
    "datetime": dt.datetime.fromisoformat,
    "decimal": decimal.Decimal,
    "deep": nested,
    "enum": Colour,
    "error": RuntimeError,
    "float": float,
    "frozenset": frozenset,
    "int": int,
    "pairs": dict,
    "point": lambda of: Point(*of),
    "proxy": types.MappingProxyType,
    "range": range,
    "set": set,
    "tuple": tuple,
    "unreadable": lambda _: Unreadable(),
    "uuid": uuid.UUID,
}


def built(value: Any) -> Any:
    """A value as the call means it: `{"!": KIND, "of": …}` stands for what JSON has no form for."""
    if isinstance(value, list):
        return [built(item) for item in value]
    if isinstance(value, dict):
        return KINDS[value["!"]](built(value.get("of"))) if "!" in value else {k: built(v) for k, v in value.items()}
    return value


def told(value: Any) -> Any:  # noqa: PLR0911 - one a kind
    """A result as JSON, with the types that JSON has no form for."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str | int):
        return value if type(value) in (str, int) else [type(value).__name__, str(value)]
    if isinstance(value, float):
        return {"!": "float", "of": repr(value)}
    if isinstance(value, tuple):
        return {"!": "tuple", "of": [told(item) for item in value]}
    if isinstance(value, list):
        return [told(item) for item in value]
    if isinstance(value, dict):
        return {str(key): told(item) for key, item in value.items()}
    if isinstance(value, dt.datetime):
        return {"!": "datetime", "of": value.isoformat()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: told(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return {"!": type(value).__name__, "of": str(value)}


def failure(error: BaseException) -> dict[str, Any]:
    """An exception: its class, and which errors of alert_infra it is."""
    names = [cls.__name__ for cls in type(error).__mro__ if cls.__module__ in ("alert_infra.exceptions", "builtins")]
    known = {*vars(exceptions), "ValueError", "TypeError", "OSError"}
    return {
        "type": type(error).__name__,
        "is": sorted(known.intersection(names)),
        "retryable": transports.is_retryable_exception(error) if isinstance(error, Exception) else None,
        "text": str(error),
    }


def an_alert(fields: dict[str, Any]) -> Any:
    fields = built(fields)
    fields.setdefault("created_at", dt.datetime(2026, 3, 4, 5, 6, 7, tzinfo=dt.timezone.utc))  # noqa: UP017
    fields.setdefault("correlation_id", "corr-1")
    return alert_infra.Alert(*fields.pop("positional", ()), **fields)


def an_error(spec: list[Any]) -> Exception:
    name, arguments = spec[0], built(spec[1:])
    place = next(place for place in (exceptions, smtplib, builtins) if hasattr(place, name))
    error: Exception = getattr(place, name)(*arguments)
    return error


class Client:
    """An injected HTTP client, in the form of the README's tests."""

    def __init__(self, answer: Any) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = answer

    def post(self, url: str, *, json: Any, headers: Any = None, timeout: float) -> Any:
        self.calls.append({"url": url, "json": json, "headers": headers, "timeout": timeout})
        kind, value = self.answer
        if kind == "raise":
            raise an_error(value)
        if kind == "object":
            return types.SimpleNamespace(**value)
        return mock.MagicMock() if kind == "mock" else value


class Sender:
    """An injected sender of mail."""

    def __init__(self, answer: Any) -> None:
        self.calls: list[Any] = []
        self.answer = answer

    def __call__(self, recipients: Any, subject: str, body: str, html: str) -> None:
        self.calls.append([list(recipients), subject, body, html])
        if self.answer[0] == "raise":
            raise an_error(self.answer[1])


class Custom:
    """A transport of the application's own."""

    def __init__(self, name: str | None, error: list[Any] | None) -> None:
        if name is not None:
            self.name = name
        self.error = error
        self.alerts: list[Any] = []

    def send(self, alert: Any) -> str:
        self.alerts.append(alert)
        if self.error:
            raise an_error(self.error)
        return "anything"


class RefusingBackend(BaseEmailBackend):
    """Django's, with a server that answers the status which the subject ends with."""

    def send_messages(self, messages: Any) -> int:
        raise smtplib.SMTPDataError(int(messages[0].subject[-3:]), b"no")


class Provider(EmailProvider):
    """A provider of the template mails."""

    def __init__(self, calls: list[Any], name: str, error: Any) -> None:
        self.calls, self.name, self.error = calls, name, error

    def send(self, to: Any, subject: str, html: str, text: str) -> None:
        self.calls.append([self.name, to, subject, html, text])
        if self.error:
            raise an_error(self.error)


@contextlib.contextmanager
def surroundings(env: dict[str, str] | None) -> Iterator[None]:
    """Only these variables of ours."""
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith(("ALERT_", "OPS_"))]:
            del os.environ[name]
        os.environ.update(env or {})
        yield


class Lines(logging.Handler):
    """What is logged by alert_infra."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.name} {record.levelname} {record.getMessage()}")
