"""A request's body as a document: JSON or a form, within limits."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

MAX_DEPTH: Final = 64
"""Lists and mappings within each other. The deepest body of a known sender, Sentry's, has 12."""
MAX_DIGITS: Final = 40
"""Of a whole number; a longer one stays a text. The longest known, nanoseconds since 1970, have 19."""
MAX_FORM_FIELDS: Final = 1000
"""As Django's DATA_UPLOAD_MAX_NUMBER_FIELDS."""
MAX_SPELLINGS: Final = 200
"""Entries of a mapping whose keys are tried in other spellings; no sender's has as many, and each lookup reads all."""
_ROW: Final = re.compile(r"0|[1-9]\d{0,8}", re.ASCII)
_APART: Final = str.maketrans("", "", "_- ")


class BodyError(ValueError):
    """A body that is neither JSON nor a form: the sender's fault, told as a 400. Its text has nothing of the body."""


def document(body: bytes, headers: Mapping[str, str]) -> Any:
    """The body, read as JSON, or as a form where its content type says so (a text for each key).

    Senders are taken as they are: what begins like JSON is JSON whatever the content type says (curl and SNS say other
    things), a form whose one field is `payload` holds JSON (GitHub), texts may hold line breaks (templates put them
    there), NaN and numbers beyond every limit are texts, and what is no UTF-8 is Latin-1 (PowerShell's). Of two equal
    keys the last counts.

    Args:
        body: the whole of it.
        headers: by lower-case name.

    Raises:
        BodyError: it cannot be read, or is nested more than `MAX_DEPTH` deep.
    """
    text = _decoded(body).strip()
    if not text:
        raise BodyError("the body is empty")
    if text[0] in "{[" or not is_form(headers):
        return _json(text)
    fields = form(text)
    return _json(fields["payload"]) if fields.keys() == {"payload"} else fields


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the content type is that of an HTML form."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"


def form(text: str) -> dict[str, str]:
    """The fields of a form, or of a query.

    Raises:
        BodyError: it has more than `MAX_FORM_FIELDS`.
    """
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except ValueError:
        raise BodyError(f"the form has more than {MAX_FORM_FIELDS} fields") from None


def first(found: object, *paths: str) -> str | None:
    """The first of these values that says something, as a text: `first(body, "data.issue.id", "id")`.

    A path goes through mappings by their keys, and through lists by numbers from 0; a key in any of camelCase,
    snake_case or other capitals is the same, and the rest of a path may be one key with dots in it. Numbers and
    booleans become texts as JSON has them; None, blank texts, lists and mappings say nothing.
    """
    for path in paths:
        if said := _text(_at(found, path)):
            return said
    return None


def value(found: object, *paths: str) -> Any:
    """As `first()`, the value itself, whatever it is but None."""
    for path in paths:
        if (there := _at(found, path)) is not None:
            return there
    return None


def items(found: object, *paths: str) -> list[Mapping[str, Any]]:
    """The mappings in a list at the first of these paths that leads to one; `""` is the path of the document itself."""
    for path in paths:
        if isinstance(there := _at(found, path), list):
            return [item for item in there if isinstance(item, Mapping)]
    return []


def _decoded(body: bytes) -> str:
    try:
        return body.decode(json.detect_encoding(body))  # UTF-8 with or without a mark, UTF-16, UTF-32
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _json(text: str) -> Any:
    try:
        found = json.loads(text, strict=False, parse_int=_whole, parse_float=_number, parse_constant=str)
        deep = _is_deep(found)
    except json.JSONDecodeError as error:
        raise BodyError(f"the body is not JSON (line {error.lineno}, column {error.colno})") from None
    except RecursionError:
        deep = True
    if deep:
        raise BodyError(f"the body is nested more than {MAX_DEPTH} deep") from None
    return found


def _whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= MAX_DIGITS else digits


def _number(digits: str) -> float | str:
    return read if math.isfinite(read := float(digits)) else digits


def _is_deep(found: object) -> bool:
    level = [found]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _children(node: object) -> Iterator[object]:
    return iter(node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())


def _at(found: object, path: str) -> Any:
    while path:
        if isinstance(found, Mapping):
            if (whole := _entry(found, path)) is not None:
                return whole
            key, _, path = path.partition(".")
            found = _entry(found, key)
        elif isinstance(found, list):
            key, _, path = path.partition(".")
            found = found[int(key)] if _ROW.fullmatch(key) and int(key) < len(found) else None
        else:
            return None
    return found


def _entry(found: Mapping[Any, Any], key: str) -> Any:
    if (there := found.get(key)) is not None or len(found) > MAX_SPELLINGS:
        return there
    wanted = _plain(key)
    return next((item for name, item in found.items() if _plain(str(name)) == wanted and item is not None), None)


def _plain(key: str) -> str:
    return key.translate(_APART).lower()


def _text(found: object) -> str | None:
    if isinstance(found, str):
        return found.strip() or None
    return json.dumps(found) if isinstance(found, bool | int | float) else None
