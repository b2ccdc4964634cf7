"""A provider's side of one exchange: what is asked, what is answered, which rule was broken. Pure."""

from __future__ import annotations

import base64
import binascii
import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self
from urllib.parse import parse_qsl

import attrs

if TYPE_CHECKING:
    from alert_sandbox.faults import Fault

_DEPTH: Final = 100
"""Levels of JSON: few enough for whatever walks through them."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@attrs.frozen(kw_only=True)
class Request:
    """A request as its provider reads it.

    Attributes:
        path: what follows the provider's prefix: `/emails`.
        query: undecoded.
        headers: by names in lower case.
    """

    method: str = "POST"
    path: str = "/"
    query: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""

    @property
    def content_type(self) -> str:
        """The media type, in lower case, without parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            ValueError: it is none.
        """
        return parse_json(self.body)

    def form(self) -> dict[str, str]:
        """The query's and the form's fields; of one name, the last."""
        fields = dict(parse_qsl(self.query, keep_blank_values=True))
        if self.content_type == "application/x-www-form-urlencoded":
            fields |= parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True)
        return fields

    def bearer(self) -> str:
        """The token of `Authorization: Bearer …`, or nothing."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    def basic(self) -> tuple[str, str]:
        """The name and password of `Authorization: Basic …`, or nothing."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        decoded = ""
        if scheme.lower() == "basic":
            with suppress(binascii.Error, UnicodeError):
                decoded = base64.b64decode(token.strip(), validate=True).decode()
        name, _, password = decoded.partition(":")
        return name, password


@attrs.frozen
class Answer:
    """What the provider answers.

    Attributes:
        note: for the reader of the page, not part of the answer: why nothing new was sent.
        is_message: False where a client only asked who it is.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    note: str = ""
    is_message: bool = True

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None, *, note: str = "") -> Self:
        """An answer in JSON."""
        head = {"Content-Type": "application/json; charset=utf-8", **(headers or {})}
        return cls(status, json.dumps(value).encode(), head, note)

    @classmethod
    def text(cls, status: int, text: str, headers: Mapping[str, str] | None = None) -> Self:
        """An answer in plain text."""
        return cls(
            status, text.encode("utf-8", "replace"), {"Content-Type": "text/plain; charset=utf-8", **(headers or {})}
        )


@attrs.frozen
class Rule:
    """Something that the provider insists on.

    Attributes:
        id: ours, and stable: `resend-to`.
        source: the provider's page that says so, and where on it.
        status: of the answer to a request that breaks it.
        code: the provider's own name or number for it.
    """

    id: str
    source: str
    status: int
    code: str = ""

    def broken(self, message: str = "", *, code: str = "", field: str = "") -> Broken:
        """This rule, broken."""
        return Broken(self, message, code or self.code, field)

    def refusal(self, message: str = "", *, code: str = "", field: str = "") -> Refusal:
        """To be raised by a provider that stops at the first broken rule."""
        return Refusal([self.broken(message, code=code, field=field)])


@attrs.frozen
class Broken:
    """A broken rule, in the provider's words."""

    rule: Rule
    message: str
    code: str
    field: str = ""


class Refusal(Exception):  # noqa: N818 - it is no error of ours
    """The provider says no."""

    def __init__(self, broken: Sequence[Broken]) -> None:
        super().__init__(broken[0].rule.id)
        self.broken = tuple(broken)


@attrs.frozen(kw_only=True)
class Seen:
    """What the reader sees.

    Attributes:
        title: one line, for the inbox.
        text: all of it, to be searched.
        to: who reads it: a channel, a chat, addresses, numbers, a service.
        view: what the page renders: plain data, by kind.
    """

    title: str = ""
    text: str = ""
    to: tuple[str, ...] = ()
    view: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.frozen(kw_only=True)
class Taken:
    """One exchange, done."""

    answer: Answer
    seen: Seen
    broken: tuple[Broken, ...] = ()


class Provider(ABC):
    """One API. An instance keeps what the provider would remember: ids, incidents, idempotency keys."""

    kind: ClassVar[str]
    prefix: ClassVar[str]
    rules: ClassVar[tuple[Rule, ...]]
    malformed: ClassVar[Rule]
    credential_in_body: ClassVar[bool] = False

    def __init__(self, clock: Clock = utc_now) -> None:
        self.clock = clock

    def handle(self, request: Request) -> Taken:
        """Judge, remember, and answer."""
        broken: tuple[Broken, ...] = ()
        try:
            answer = self.take(request)
        except Refusal as refusal:
            broken = refusal.broken
            answer = self.refuse(request, broken)
        except (TypeError, AttributeError, LookupError, ValueError):  # a field of another type than documented
            broken = (self.malformed.broken("the body is not of the documented form"),)
            answer = self.refuse(request, broken)
        return Taken(answer=answer, seen=self.see(request), broken=broken)

    def see(self, request: Request) -> Seen:
        """What its reader sees; of a malformed request, nothing."""
        with suppress(Refusal, ValueError, TypeError, AttributeError, LookupError):
            return self.show(request)
        return Seen()

    @abstractmethod
    def take(self, request: Request) -> Answer:
        """The provider's yes.

        Raises:
            Refusal: its no.
        """

    @abstractmethod
    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:
        """The answer that tells of the broken rules."""

    @abstractmethod
    def show(self, request: Request) -> Seen:
        """What its reader sees. May raise Refusal, ValueError, TypeError, AttributeError, LookupError: then nothing."""

    @abstractmethod
    def fail(self, fault: Fault) -> Answer:
        """The answer while it is out of order, in its own words: 429, 500, 503 or a 200 that is no yes."""

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The secrets that the request was made with, to be hidden where it is shown."""
        return tuple(part for part in (request.bearer(), request.headers.get("authorization", "")) if part)


def is_wrong(credential: str) -> bool:
    """Whether a well-formed credential stands for a wrong one: it has the word `invalid` in it."""
    return "invalid" in credential.lower()


def parse_json(text: str | bytes) -> Any:
    """Read JSON as the providers do: no `NaN`, no number beyond a double's, nothing nested without end.

    Raises:
        ValueError: it is none.
    """
    try:
        found = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [found]
    for _ in range(_DEPTH):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return found
    raise ValueError("nested too deeply")


def _finite(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError("no finite number")
    return value


def objects(value: Any) -> list[dict[str, Any]]:
    """The JSON objects in a list; none where it is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def seconds(fault: Fault) -> str:
    """How long the fault asks to wait, in whole seconds; one where it does not say."""
    return str(int(fault.seconds(1)))


def parse_time(text: Any) -> datetime | None:
    """An ISO 8601 time with its zone, or None."""
    with suppress(ValueError):
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)
    return None
