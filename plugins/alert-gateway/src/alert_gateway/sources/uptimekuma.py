"""Uptime Kuma's webhook, as JSON or form-data: what became of a monitor, or a text alone."""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes
from typing import Any, Final

from alert_core import Status
from alert_gateway.config import SourceTable
from alert_gateway.documents import document, first, items, value
from alert_gateway.events import Parsed, UnknownShapeError, event, moment

NAME: Final = "uptimekuma"
_UP, _PENDING, _MAINTENANCE = "1", "2", "3"


def parse(body: bytes, headers: Mapping[str, str], _query: Mapping[str, str], settings: SourceTable) -> Parsed:
    """What became of a monitor; a text without one is the test button's, or tells of a certificate that ends soon.

    Raises:
        UnknownShapeError: it has neither a text nor a monitor.
    """
    found = _document(body, headers)
    monitor, beat = value(found, "monitor"), value(found, "heartbeat")
    name, text = first(monitor, "name"), first(found, "msg") or first(beat, "msg")
    if not (name or text):
        raise UnknownShapeError
    state = first(beat, "status")
    if state in {_PENDING, _MAINTENANCE}:
        return Parsed(ignored=1)
    alert = event(
        NAME,
        settings,
        title=text.splitlines()[0] if text else name,
        message=text or first(beat, "msg"),
        status=Status.RESOLVED if state == _UP else Status.FIRING,
        key=first(monitor, "id") or first(beat, "monitorID"),
        url=_address(monitor),
        at=moment(value(beat, "time")),
        tags=_tags(monitor),
        metadata={
            "monitor": name,
            "type": first(monitor, "type"),
            "hostname": first(monitor, "hostname"),
            "port": first(monitor, "port"),
            "ping_ms": value(beat, "ping"),
        },
    )
    return Parsed([alert])


def _document(body: bytes, headers: Mapping[str, str]) -> Any:
    """The body, or the field `data` of its form-data, which holds the same JSON."""
    content_type = headers.get("content-type", "")
    if not content_type.strip().lower().startswith("multipart/"):
        return document(body, headers)
    form = message_from_bytes(b"Content-Type: " + content_type.encode("ascii", "ignore") + b"\r\n\r\n" + body)
    for part in form.walk():
        sent = part.get_payload(decode=True)
        if isinstance(sent, bytes) and not part.is_multipart():
            return document(sent, {})
    raise UnknownShapeError


def _address(monitor: object) -> str | None:
    """What is monitored, where it is a page: other kinds of monitor keep the bare `https://` of the empty field."""
    url = first(monitor, "url")
    return None if url in {"https://", "http://"} else url


def _tags(monitor: object) -> list[str]:
    named = ((first(tag, "name"), first(tag, "value")) for tag in items(monitor, "tags"))
    return [f"{name}:{said}" if said else name for name, said in named if name]
