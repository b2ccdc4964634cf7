"""What identifies a Django request, without what it has to keep secret."""

from __future__ import annotations

from typing import Any, Final

from alert_infra.security import redact_metadata

SENSITIVE_HEADERS: Final = {"authorization", "cookie", "x-csrftoken", "x-csrf-token"}
_TELLING: Final = ("token", "secret", "key")


def request_metadata(request: Any) -> dict[str, Any]:
    """Method, path, request id, user id, and which headers with credentials there were; what is not there is left out.

    The request id is the request's own attribute, else its header `X-Request-ID`. Headers' values are masked.
    """
    headers = getattr(request, "headers", None) or {}
    found = {
        "method": getattr(request, "method", None),
        "path": getattr(request, "path", None),
        "request_id": getattr(request, "request_id", None)
        or (getattr(request, "META", None) or {}).get("HTTP_X_REQUEST_ID"),
        "user_id": _user_id(request),
        "headers": {name: headers.get(name) for name in headers if _is_telling(str(name).lower())},
    }
    return redact_metadata({name: value for name, value in found.items() if value not in ({}, None)})


def _is_telling(header: str) -> bool:
    return header in SENSITIVE_HEADERS or any(part in header for part in _TELLING)


def _user_id(request: Any) -> Any:
    try:
        user = getattr(request, "user", None)
        return getattr(user, "pk", None) or getattr(user, "id", None)
    except Exception:  # noqa: BLE001 - a lazy user asks the database, which an async view may not
        return None
