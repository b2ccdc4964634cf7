"""A request and a response, as every front has them: bytes in, bytes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs


def _without_slash(path: str) -> str:
    return path.rstrip("/") or "/"


@attrs.frozen(kw_only=True)
class Request:
    """What was asked.

    Attributes:
        method: in capitals.
        path: decoded, without the query; a slash at the end, which is easily written where a tool asks for a URL, goes.
        query: the last value of each key.
        headers: by lower-case name; of several with one name, joined by a comma.
        body: whole, as it came.
        peer: the address that the socket comes from; None: the front does not know it.
    """

    method: str
    path: str = attrs.field(converter=_without_slash)
    query: Mapping[str, str] = attrs.field(factory=dict)
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)
    peer: str | None = None


@attrs.frozen(kw_only=True)
class Response:
    """What is answered.

    Attributes:
        status: of HTTP.
        headers: by lower-case name; the front adds `content-length`.
        body: whole.
    """

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = attrs.field(default=b"", repr=False)


class RefusedError(ValueError):
    """A request that is the sender's fault: told with this status, and a text that has nothing of the body in it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A response of JSON, in ASCII: a sender's text may have half a surrogate pair, which UTF-8 has no bytes for."""
    body = json.dumps(value, separators=(",", ":")).encode()
    return Response(status=status, headers={"content-type": "application/json", **(headers or {})}, body=body)


def problem(status: int, text: str, headers: Mapping[str, str] | None = None, **more: Any) -> Response:
    """An error: `{"error": "what is wrong, and what to do"}`."""
    return as_json({"error": text, **more}, status, headers)
