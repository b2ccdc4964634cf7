"""A body as the sender meant it: unpacked, and never larger than the limit."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final

from alert_gateway.messages import RefusedError

MAX_BODY: Final = 256 * 1024
"""Bytes of a body, as it comes and unpacked."""
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""zlib's word for each content coding."""
_RAW_DEFLATE: Final = -15


def too_large() -> RefusedError:
    """What is told of a body of more than `MAX_BODY` bytes."""
    return RefusedError(413, f"a body has at most {MAX_BODY} bytes")


def unpacked(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The body without its Content-Encoding; a bomb is never unpacked further than the limit.

    Raises:
        RefusedError: it is larger than the limit, packed or unpacked; its coding is none of gzip and deflate, or it is
            damaged.
    """
    if len(body) > MAX_BODY:
        raise too_large()
    codings = [name.strip().lower() for name in headers.get("content-encoding", "").split(",")]
    for name in reversed([coding for coding in codings if coding not in ("", "identity")]):
        if name not in _WINDOWS:
            raise RefusedError(415, "the content coding must be gzip, deflate or none")
        body = _inflated(body, name)
    return body


def _inflated(body: bytes, name: str) -> bytes:
    try:
        return _through(zlib.decompressobj(_WINDOWS[name]), body)
    except zlib.error:
        if name != "deflate":
            raise RefusedError(400, f"the body is not {name}") from None
    try:
        return _through(zlib.decompressobj(_RAW_DEFLATE), body)  # as some senders understand the word
    except zlib.error:
        raise RefusedError(400, "the body is not deflate") from None


def _through(inflate: zlib._Decompress, body: bytes) -> bytes:
    found = inflate.decompress(body, MAX_BODY + 1)
    if len(found) > MAX_BODY:
        raise too_large()
    if not inflate.eof:
        raise zlib.error("it ends too early")
    return found
