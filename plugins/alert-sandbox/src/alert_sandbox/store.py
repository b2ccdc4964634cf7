"""What arrived: a ring of messages, bounded in number and in bytes, that tells who waits."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import attrs

from alert_sandbox.exchange import Broken, Seen

MAX_MESSAGES: Final = 500
MAX_BYTES: Final = 64 << 20
"""Of all that messages keep, about: 64 MiB."""
HIDDEN: Final = "<credential>"
"""Stands in the shown request where its credential was; `[REDACTED]` is the alert's own."""

_SEVERITY: Final = re.compile(r"\b(CRITICAL|ERROR|WARNING|INFO|ACKNOWLEDGED|RESOLVED)\b")
_WITHIN: Final = 300
MASKED: Final = re.compile(r"\[REDACTED(?::[^\]\n]{1,64})?\]")


@attrs.frozen(kw_only=True)
class Message:
    """One exchange.

    Attributes:
        id: counts from 1; never used twice while the sandbox runs.
        kind: of transport: `slack`, `smtp`.
        accepted: whether the sender was told yes.
        severity: the word that the message leads with: `critical`, `error`, `warning`, `info`, `acknowledged`,
            `resolved`, or "" where there is none.
        request: `method`, `path`, `headers`, `body`, with the credential hidden.
        answer: `status`, `headers`, `body`.
        broken: the rules that it broke: `rule`, `source`, `message`.
        fault: what was done to the answer on request.
        note: what else there is to know.
        masked: how many marks of a masked secret are in the text.
    """

    id: int
    at: datetime
    kind: str
    accepted: bool
    severity: str
    seen: Seen
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    broken: tuple[Broken, ...] = ()
    fault: str = ""
    note: str = ""
    masked: int = 0

    @property
    def title(self) -> str:
        """One line."""
        return self.seen.title

    @property
    def text(self) -> str:
        """All that its reader sees, as text."""
        return self.seen.text

    @property
    def to(self) -> tuple[str, ...]:
        """Who reads it."""
        return self.seen.to

    @property
    def size(self) -> int:
        """Characters that it keeps, about."""
        return (
            len(self.request["body"])
            + len(self.answer["body"])
            + len(self.title)
            + len(self.text)
            + len(str(self.seen.view))
            + sum(200 + len(broken.message) for broken in self.broken)
            + 1000
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        told = {name: getattr(self, name) for name in ("id", "kind", "accepted", "severity", "title", "text", "fault")}
        broken = [{"rule": b.rule.id, "source": b.rule.source, "message": b.message or b.code} for b in self.broken]
        return {
            **told,
            "at": self.at.isoformat(timespec="milliseconds"),
            "to": list(self.to),
            "view": dict(self.seen.view),
            "request": dict(self.request),
            "answer": dict(self.answer),
            "broken": broken,
            "note": self.note,
            "masked": self.masked,
        }


@attrs.frozen(kw_only=True)
class Filter:
    """Which messages: of a kind or severity, with a text in them (in any case), accepted or refused, after an id."""

    kind: str = ""
    severity: str = ""
    text: str = ""
    accepted: bool | None = None
    after: int = 0

    def __call__(self, message: Message) -> bool:
        """Whether it passes."""
        return (
            message.id > self.after
            and self.kind in ("", message.kind)
            and self.severity in ("", message.severity)
            and self.accepted in (None, message.accepted)
            and self.text.casefold() in f"{message.title}\n{message.text}\n{' '.join(message.to)}".casefold()
        )


class Store:
    """The ring. For one event loop; reading is safe from other threads."""

    def __init__(self, *, messages: int = MAX_MESSAGES, size: int = MAX_BYTES) -> None:
        self._ring: deque[Message] = deque()
        self._limit, self._size_limit, self._size = messages, size, 0
        self._ids = itertools.count(1)
        self._changed: set[asyncio.Event] = set()
        self.generation = 0
        self.version = 0

    def add(self, **fields: Any) -> Message:
        """Keep a message; the oldest go where there are too many."""
        seen: Seen = fields["seen"]
        masked = len(MASKED.findall(seen.text))
        message = Message(id=next(self._ids), severity=severity(seen), masked=masked, **fields)
        self._ring.append(message)
        self._size += message.size
        while len(self._ring) > self._limit or (self._size > self._size_limit and len(self._ring) > 1):
            self._size -= self._ring.popleft().size
        self.changed()
        return message

    def clear(self) -> None:
        """Forget all of them."""
        self._ring.clear()
        self._size = 0
        self.generation += 1
        self.changed()

    def find(self, wanted: Filter) -> list[Message]:
        """Those that pass, oldest first."""
        return [message for message in list(self._ring) if wanted(message)]

    def get(self, number: int) -> Message | None:
        """One of them, while it is kept."""
        return next((message for message in list(self._ring) if message.id == number), None)

    def changed(self) -> None:
        """Wake who waits."""
        self.version += 1
        for event in self._changed:
            event.set()

    async def next_change(self, seconds: float | None = None) -> bool:
        """Wait for the next change; False where none came in time."""
        event = asyncio.Event()
        self._changed.add(event)
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._changed.discard(event)
        return True


def severity(seen: Seen) -> str:
    """The word that the message leads with."""
    if seen.view.get("action") in ("acknowledge", "resolve"):
        return {"acknowledge": "acknowledged", "resolve": "resolved"}[seen.view["action"]]
    payload = seen.view.get("payload")
    if isinstance(payload, Mapping) and payload.get("severity") in ("critical", "error", "warning", "info"):
        return str(payload["severity"])
    found = _SEVERITY.search(seen.title) or _SEVERITY.search(seen.text[:_WITHIN])
    return found[1].lower() if found else ""


def hide(text: str, credentials: Iterable[str]) -> str:
    """The text with the first occurrence of each credential hidden: the alert's own text comes after it."""
    for credential in credentials:
        text = text.replace(credential, HIDDEN, 1)
    return text


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """ASGI's headers as text, names in lower case."""
    for name, value in raw:
        yield name.decode("latin-1").lower(), value.decode("latin-1")
