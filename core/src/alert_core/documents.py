"""What a configuration is read from: a file in TOML, and the `env:NAME` and `file:PATH` in its texts."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from alert_core.errors import Fault
from alert_core.values import Text, key_path

MAX_DOCUMENT: Final = 4 * 1024 * 1024
"""Bytes of a file in TOML."""
MAX_FILE: Final = 64 * 1024
"""Bytes of a `file:` reference."""
_UNRESOLVED: Final = object()
"""Stands where a reference led nowhere: of no type, so that nothing reads it."""
_MAX_DEPTH: Final = 32
_POSITION: Final = re.compile(r"(?P<reason>.*) \(at (?P<place>line \d+, column \d+|end of document)\)", re.DOTALL)
_SIGN: Final = re.compile(r"'[^'\w]'")
_QUOTED: Final = re.compile(r"['\"(]")
_REASONS: Final = {
    "Illegal character '\\n'": "a text without its closing quote",
    "Cannot declare (": "a table is declared twice: give one of them another name; routes are written [[routes]]",
    "Expected \"'": "a text without its closing quote",
    "Invalid value": "not a value; a text is written in quotes",
    "Unescaped '\\": "a backslash in a text; write two, or put the text in single quotes",
}
"""What to say for the reasons of tomllib that need other words, by their beginnings."""


def read_toml(source: str | os.PathLike[str]) -> tuple[dict[str, Any] | None, list[Fault]]:
    """The content of a TOML file, or the one fault for which it cannot be read; nothing of the file is in it."""
    path = os.fspath(source)
    try:
        return tomllib.loads(_content(path, MAX_DOCUMENT)), []
    except tomllib.TOMLDecodeError as error:
        found = _POSITION.fullmatch(str(error))
        place, reason = (found["place"], found["reason"]) if found else ("some place", "'")
        told = "" if _QUOTED.search(_SIGN.sub("", reason)) else f"{reason[:1].lower()}{reason[1:]}"
        told = next((known for begin, known in _REASONS.items() if reason.startswith(begin)), told)
        return None, [Fault(path, f"is not TOML at {place}{told and f': {told}'}")]
    except _UnreadableError as error:
        return None, [Fault(path, str(error))]
    except (ValueError, RecursionError):
        return None, [Fault(path, "has a value that TOML does not take, or is nested too deeply")]


def resolve(value: Any, environ: Mapping[str, str], depth: int = 0) -> tuple[Any, list[Fault]]:
    """Replace every reference in `value`, in lists and tables too, by its text; one that leads nowhere is a fault.

    `env:NAME` is a variable of the environment, which must be set and not empty; `file:PATH` the content of a file
    without the line break at its end, a relative path from the working directory. `env::` and `file::` stand for
    `env:` and `file:` themselves. Faults have paths below `value`.
    """
    if depth > _MAX_DEPTH:
        return _UNRESOLVED, [Fault("", f"is nested deeper than {_MAX_DEPTH} levels")]
    if isinstance(value, str):
        try:
            return _text(value, environ), []
        except _UnreadableError as error:
            return _UNRESOLVED, [Fault("", str(error))]
    faults: list[Fault] = []

    def below(path: str, item: Any) -> Any:
        found, wrong = resolve(item, environ, depth + 1)
        faults.extend(fault.under(path) for fault in wrong)
        return found

    if isinstance(value, Mapping):
        value = {key: below(key_path(key), item) for key, item in value.items()}
    elif isinstance(value, list | tuple):
        value = type(value)([below(f"[{index}]", item) for index, item in enumerate(value)])
    return value, faults


class _UnreadableError(Exception):
    """Why a file or a reference cannot be read, in words without its content."""


def _text(value: str, environ: Mapping[str, str]) -> str:
    kind, colon, name = value.partition(":")
    if not colon or kind not in ("env", "file"):
        return value
    if name.startswith(":"):
        return kind + name
    shown = key_path(name)
    if kind == "env":
        if found := environ.get(name):
            return Text(found)
        raise _UnreadableError(f"the environment variable {shown} is not set, or is empty")
    try:
        text = _content(name, MAX_FILE).rstrip("\r\n")
    except _UnreadableError as error:
        raise _UnreadableError(f"the file {shown} {error}") from None
    if not text:
        raise _UnreadableError(f"the file {shown} is empty")
    return Text(text)


def _content(path: str, limit: int) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(limit + 1)
        if len(content) <= limit:
            return content.decode("utf-8-sig")
        reason = f"is longer than {limit} bytes"
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 at byte {error.start}"
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        reason = f"cannot be read: {os.strerror(number) if number else 'not a path'}"
    raise _UnreadableError(reason)
