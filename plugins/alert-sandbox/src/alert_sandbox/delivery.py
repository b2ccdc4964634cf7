"""A request on its way through a provider: its fault, its judgement, its place in the inbox, its answer."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, quote_plus

import attrs
from starlette.requests import Request as HttpRequest
from starlette.types import Send

from alert_sandbox.exchange import Answer, Provider, Request, Seen, Taken, utc_now
from alert_sandbox.faults import Fault, Faults
from alert_sandbox.providers import new_providers
from alert_sandbox.store import Filter, Message, Store, headers_of, hide

BODY_LIMIT: Final = 2 << 20
"""Bytes of a request: 2 MiB. What is longer is answered with 413, and only its head is kept."""
HEADER: Final = "x-sandbox-fault"
HANG: Final = 300.0
_FAULTY: Final = re.compile(r"/fault/(?P<plan>[^/]{1,500})(?P<rest>/.*)")
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # close() then sends RST, not FIN


@attrs.frozen(kw_only=True)
class Found:
    """Which provider a path leads to."""

    provider: Provider
    path: str
    asked: str = ""


class Deliveries:
    """All of a sandbox but its sockets."""

    def __init__(self) -> None:
        self.store = Store()
        self.faults = Faults()
        self.closing = asyncio.Event()
        self.environment: Mapping[str, str] = {}
        self.authority = b""
        self.transports: dict[tuple[Any, ...], asyncio.Transport] = {}
        self._providers = sorted(new_providers(), key=lambda provider: -len(provider.prefix))

    def find(self, path: str) -> Found | None:
        """The provider of a path, behind `/fault/<plan>` or not."""
        asked = ""
        if faulty := _FAULTY.fullmatch(path):
            asked, path = faulty["plan"], faulty["rest"]
        for provider in self._providers:
            if path == provider.prefix or path.startswith(provider.prefix + "/"):
                return Found(provider=provider, path=path[len(provider.prefix) :] or "/", asked=asked)
        return None

    def set_faults(self, plans: Mapping[str, tuple[Fault, ...]]) -> None:
        """Use these plans; an empty one is none."""
        for kind, plan in plans.items():
            if plan:
                self.faults.set(kind, plan)
            else:
                self.faults.clear(kind)
        self.store.changed()

    def clear_faults(self) -> None:
        """Be in order again."""
        self.faults.clear()
        self.store.changed()

    def next_fault(self, kind: str, asked: str = "", where: str = "") -> Fault:
        """The fault of the request at hand."""
        fault = self.faults.next(kind, asked, where=where)
        if not asked:
            self.store.changed()
        return fault

    async def wait(self, wanted: Filter, count: int, seconds: float) -> tuple[list[Message], bool]:
        """The messages that pass, once there are `count`; whether there were in time."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while len(found := self.store.find(wanted)) < count:
            left = ends - loop.time()
            if left <= 0 or self.closing.is_set() or not await self.store.next_change(left):
                return self.store.find(wanted), False
        return found, True

    async def serve(self, found: Found, http: HttpRequest, send: Send) -> None:
        """Answer one request of a provider."""
        asked = http.headers.get(HEADER, "") or found.asked
        try:
            fault = self.next_fault(found.provider.kind, asked, where=found.path)
        except ValueError as error:
            await respond(send, Answer.text(400, f"X-Sandbox-Fault or /fault/…: {error}"))
            return
        if fault.name == "reset-before":
            await self.reset(http)
            return
        request, whole = await self._read(found, http)
        if fault.name == "hang":
            self._keep(found.provider, request, Taken(answer=Answer(0), seen=found.provider.see(request)), fault)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), HANG)
            await self.reset(http)
            return
        taken = self._judge(found.provider, request, fault, whole=whole)
        if taken.answer.is_message:
            self._keep(found.provider, request, taken, fault)
        if fault.name == "reset-after":
            await self.reset(http)
        elif fault.name == "drip":
            await drip(send, taken.answer, fault.seconds(0.5), self.closing)
        else:
            await respond(send, taken.answer)

    async def reset(self, http: HttpRequest) -> None:
        """Cut the connection by RST."""
        transport = self.transports.get(tuple(http.scope["client"] or ()))
        if transport is not None:
            cut(transport)
            await asyncio.sleep(0)  # so that uvicorn knows it before it misses an answer

    def _judge(self, provider: Provider, request: Request, fault: Fault, *, whole: bool) -> Taken:
        if not whole:
            text = f"the sandbox takes {BODY_LIMIT} bytes at most"
            return Taken(answer=Answer.text(413, text), seen=Seen(title=text))
        if fault.name in ("429", "500", "503", "error"):
            return Taken(answer=provider.fail(fault), seen=provider.see(request))
        return provider.handle(request)

    def _keep(self, provider: Provider, request: Request, taken: Taken, fault: Fault) -> None:
        hidden = sorted(provider.credentials(request), key=len, reverse=True)
        written = [form for secret in hidden for form in dict.fromkeys((secret, quote_plus(secret), quote(secret, "")))]
        path = hide(provider.prefix + request.path + (f"?{request.query}" if request.query else ""), written)
        shown = {name: hide(value, hidden) for name, value in request.headers.items()}
        if "authorization" in shown:
            shown["authorization"] = hide(request.headers["authorization"], [_token(request)])
        answer = taken.answer
        ordinary = fault.name in ("ok", "drip", "reset-after")
        self.store.add(
            at=utc_now(),
            kind=provider.kind,
            accepted=ordinary and not taken.broken and 200 <= answer.status < 300,  # noqa: PLR2004 - HTTP's yes
            seen=taken.seen,
            request={
                "method": request.method,
                "path": path,
                "headers": shown,
                "body": hide(request.body.decode("utf-8", "replace"), written if provider.credential_in_body else ()),
            },
            answer={
                "status": answer.status,
                "headers": dict(answer.headers),
                "body": answer.body.decode("utf-8", "replace"),
            },
            broken=taken.broken,
            fault="" if fault.name == "ok" else str(fault),
            note=answer.note,
        )

    async def _read(self, found: Found, http: HttpRequest) -> tuple[Request, bool]:
        body = bytearray()
        whole = True
        async for chunk in http.stream():
            body += chunk
            if len(body) > BODY_LIMIT:
                whole, body = False, bytearray()
                break
        request = Request(
            method=http.method,
            path=found.path,
            query=http.scope["query_string"].decode("latin-1"),
            headers=dict(headers_of(http.scope["headers"])),
            body=bytes(body),
        )
        return request, whole


def _token(request: Request) -> str:
    return request.headers["authorization"].partition(" ")[2] or request.headers["authorization"]


def cut(transport: asyncio.Transport) -> None:
    """Close by RST."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    transport.abort()


async def respond(send: Send, answer: Answer) -> None:
    """Send an answer at once."""
    await _start(send, answer)
    await send({"type": "http.response.body", "body": answer.body})


async def drip(send: Send, answer: Answer, pause: float, closing: asyncio.Event) -> None:
    """Send an answer a byte at a time."""
    await _start(send, answer)
    for byte in answer.body:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), pause)
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _start(send: Send, answer: Answer) -> None:
    headers = {"Content-Length": str(len(answer.body)), **answer.headers}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw.append((b"x-content-type-options", b"nosniff"))  # an answer may repeat what was asked; none is a page
    await send({"type": "http.response.start", "status": answer.status, "headers": raw})
