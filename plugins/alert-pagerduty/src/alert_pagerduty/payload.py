"""What PagerDuty is told: an alert in, an event's fields out. Pure: the same alert, the same event.

Fields and limits are PagerDuty's (developer.pagerduty.com/docs/events-api-v2). A text that is too long has the whole
event refused, so none is: lengths are counted in UTF-16 units, since PagerDuty does not say how it counts characters,
and the size of the event in bytes of its JSON. PagerDuty shows every text as it is; there is no markup to escape.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from typing import Any, Final
from urllib.parse import quote

from alert_core import Alert, Status
from alert_core.presentation import body_text, details, label, utc
from alert_core.text import one_line, printable, truncate, utf8_length, utf16_length

EVENT: Final = 512_000
"""PagerDuty's limit for a whole event: 512 KB, here the bytes of its JSON."""
SUMMARY: Final = 1024
"""PagerDuty's limit for `payload.summary`."""
DEDUP_KEY: Final = 255
"""PagerDuty's limit for `dedup_key`."""

# Ours, where PagerDuty states none: with all of them used up, 150,000 bytes of an event are left for the metadata.
_TITLE: Final = 10_000  # bytes, as are the next three
_TAGS: Final = 10_000
_MESSAGE: Final = 300_000
_VALUE: Final = 10_000  # of an entry of the metadata, where not all of it has room
_LINE: Final = 1024
_NAME: Final = 200
_LINK: Final = 2000
_RESERVED: Final = 2000  # bytes for the keys, the action and the note

_ACTIONS: Final = {Status.FIRING: "trigger", Status.ACKNOWLEDGED: "acknowledge", Status.RESOLVED: "resolve"}
_CLASSES: Final = ("component", "group", "class")
_OURS: Final = frozenset({"message", "title", "tags", "url", "note", "request_id", "correlation_id", "alert_id"})
_ORIGIN: Final = re.compile(
    r"https?://(?P<host>[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?(?=[/?#]|$)", re.IGNORECASE
)
_IN_A_LINK: Final = "/?:@!$&'()*+,;=~-._%"
_BARE_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")


@functools.lru_cache(maxsize=16)
def event(alert: Alert) -> dict[str, Any]:
    """The event, but for the routing key; of an acknowledge or a resolve, the two fields that it takes.

    Built once for all of an alert's targets and retries, which share it: read it, do not change it.
    """
    made = {"event_action": _ACTIONS[alert.status], "dedup_key": dedup_key(alert.dedup_key)}
    return made | _trigger(alert) if alert.status is Status.FIRING else made


def _trigger(alert: Alert) -> dict[str, Any]:
    """What a trigger tells besides."""
    entries, link = _entries(alert), _link(printable(alert.url or ""))
    payload: dict[str, Any] = {
        "summary": summary(alert),
        "source": _line(alert.source or "") or "alert-core",
        "severity": alert.severity.value,  # the four words are PagerDuty's
        "timestamp": utc(alert).isoformat(timespec="milliseconds"),
        **{name: value for name in _CLASSES if (value := _line(entries.get(name, "")))},
    }
    told: dict[str, Any] = {"payload": payload, "client": "alert-core"}
    if link:
        told |= {"client_url": link["href"], "links": [link]}
    texts, ids = _texts(alert, linked=bool(link)), _ids(alert)
    room = EVENT - _RESERVED - _size(told) - _size(texts) - _size(ids)
    payload["custom_details"] = texts | _fitted(entries, room) | ids
    return told


def summary(alert: Alert) -> str:
    """The title in one line; the severity, where nothing of the title can be seen: PagerDuty refuses a blank one."""
    return _line(alert.title) or label(alert)


def dedup_key(key: str) -> str:
    """The key itself; its SHA-256 where PagerDuty would not take it, or could take it for another."""
    if key.isprintable() and utf16_length(key) <= DEDUP_KEY:
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _texts(alert: Alert, *, linked: bool) -> dict[str, str]:
    """What the alert says, where the event has no field for it. Nothing empty."""
    title = one_line(alert.title)
    return _shown(
        message=_bounded(body_text(alert), _MESSAGE),
        title=_bounded(title, _TITLE) if summary(alert) != title else "",
        tags=_bounded(one_line(", ".join(alert.tags)), _TAGS),
        url="" if linked else _cut(one_line(alert.url or ""), _LINK),
    )


def _ids(alert: Alert) -> dict[str, str]:
    """By what the alert is found elsewhere."""
    ids = {"request_id": alert.request_id or "", "correlation_id": alert.correlation_id, "alert_id": alert.id}
    return _shown(**{name: _line(value) for name, value in ids.items()})


def _shown(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if _visible(text)}


def _entries(alert: Alert) -> dict[str, str]:
    """The metadata by key. A key of ours gets a prefix; values whose keys look the same stand below each other."""
    entries: dict[str, str] = {}
    for name, value in details(alert):
        key = _cut(f"metadata.{name}" if name in _OURS else name or "metadata", _NAME)
        entries[key] = f"{entries[key]}\n{value}" if key in entries else value
    return entries


def _fitted(entries: dict[str, str], room: int) -> dict[str, str]:
    """The entries in so many bytes of JSON: all of them as they are, or long ones cut, and those left out counted."""
    if _size(entries) <= room:
        return entries
    fitted: dict[str, str] = {}
    for name, value in entries.items():
        entry = {name: _bounded(value, _VALUE)}
        if (size := _size(entry)) <= room:
            fitted |= entry
            room -= size  # its braces stand for what joins it to the others
    if left_out := len(entries) - len(fitted):
        fitted["note"] = f"{left_out} more of the metadata had no room: an event has at most {EVENT:,} bytes"
    return fitted


def _link(url: str) -> dict[str, str] | None:
    """The url as a link, percent-encoded as strict readers ask; None for what they would refuse all the same."""
    origin = _ORIGIN.match(url)
    if not origin:
        return None
    path, mark, fragment = url[origin.end() :].partition("#")
    href = f"{origin[0]}{_encoded(path)}{mark}{_encoded(fragment)}"
    return {"href": href, "text": f"Open {origin['host'].lower()}"} if len(href) <= _LINK else None


def _encoded(part: str) -> str:
    return _BARE_PERCENT.sub("%25", quote(part, safe=_IN_A_LINK))


def _line(text: str) -> str:
    """One line of a length that PagerDuty takes; empty where there is nothing to see."""
    line = _cut(one_line(text), _LINE)
    return line if _visible(line) else ""


def _visible(text: str) -> bool:
    return any(char.isprintable() and char != " " for char in text)


def _cut(text: str, limit: int) -> str:
    return truncate(text, limit, measure=utf16_length)


def _bounded(text: str, limit: int) -> str:
    """The text, cut to so many bytes of JSON."""
    return truncate(text, limit, measure=utf8_length, render=_json)


def _size(value: Any) -> int:
    return utf8_length(_json(value))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
