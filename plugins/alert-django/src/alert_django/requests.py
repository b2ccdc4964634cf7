"""What an alert tells of a request: enough to find it again, and nothing that opens a door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from alert_core import REDACTED

SHOWN: Final = ("Host", "User-Agent", "Content-Type")
"""Headers that are told as they are, and masked as all of an alert is."""
_SENSITIVE: Final = re.compile("auth|cookie|csrf|key|pass|secret|session|signature|token", re.IGNORECASE)
_ID: Final = re.compile(r"[\x21-\x7e]{1,200}")  # whoever asks chooses it


def request_metadata(request: Any) -> dict[str, Any]:
    """Method, path without its query, view, request id, user id and headers, as far as the request has them.

    Of headers that hold credentials (Authorization, Cookie, X-Api-Key, …) there is the name, never the value. No body,
    no query, no cookie, no address.

    Args:
        request: Django's HttpRequest, sync or async, or one that wraps it (REST framework's).
    """
    found = {
        "method": getattr(request, "method", None),
        "path": getattr(request, "path", None),
        "view": getattr(getattr(request, "resolver_match", None), "view_name", None) or None,
        "request_id": _request_id(request),
        "user_id": _user_id(request),
        "headers": _headers(getattr(request, "headers", None) or {}),
    }
    return {key: value for key, value in found.items() if value not in (None, {})}


def as_id(value: Any) -> int | str | None:
    """A primary key as JSON has it: a UUID as its text."""
    return value if value is None or isinstance(value, int | str) else str(value)


def _request_id(request: Any) -> str | None:
    """What a middleware calls it (`request.request_id`, `request.id`), else its header X-Request-ID."""
    header = (getattr(request, "headers", None) or {}).get("X-Request-ID")
    for given in (getattr(request, "request_id", None), getattr(request, "id", None), header):
        if given is not None and _ID.fullmatch(str(given)):
            return str(given)
    return None


def _user_id(request: Any) -> int | str | None:
    try:  # the user may be in the database, which a broken transaction or an event loop cannot ask
        return as_id(getattr(getattr(request, "user", None), "pk", None))
    except Exception:  # noqa: BLE001 - whatever a backend raises: the alert matters more than who
        return None


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    shown = {name: str(headers[name]) for name in SHOWN if name in headers}
    return shown | {name: REDACTED for name in sorted(map(str, headers)) if _SENSITIVE.search(name)}
