"""The HTTP side: the providers under their paths, the API under /api, the page at /."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from importlib.resources import files
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alert_sandbox import mail
from alert_sandbox.delivery import Deliveries
from alert_sandbox.exchange import parse_json
from alert_sandbox.faults import FAULTS, parse_plan
from alert_sandbox.providers import PROVIDERS
from alert_sandbox.store import MASKED, Filter
from alert_sandbox.store import Message as Arrived

KINDS: Final = (*(provider.kind for provider in PROVIDERS), mail.KIND)
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; img-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
MAIL_SANDBOX: Final = "allow-popups allow-popups-to-escape-sandbox"
"""Of a mail's frame: a link that is clicked opens in a tab of its own, and nothing else happens."""
MAIL_POLICY: Final = (
    f"sandbox {MAIL_SANDBOX}; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
)
_CONNECTS: Final = re.compile(r"(?i)(</?)(?=(?:base|embed|fencedframe|frame|frameset|iframe|link|object|portal)\b)")
"""Elements that make a browser connect before its policy is asked, as `<link rel=preconnect>` may."""
MASKED_IN_HTML: Final = re.compile(rf"({MASKED.pattern})(?=[^<>]*<)")
"""The marks in the text, not those in a tag's attributes."""
_START: Final = re.compile(r"(?i)^\s*(?:<!doctype[^>]*>)?")
_GUARD: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-DNS-Prefetch-Control": "off",
}
_PAGE: Final = {
    "": ("index.html", "text/html"),
    "style.css": ("style.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
_MAX_WAIT: Final = 300.0
_PING: Final = 15.0


class Api:
    """What the page, and tests, ask: which messages, which faults."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._store = deliveries.store

    def routes(self) -> list[Route]:
        """Under /api. What changes anything is a PUT or a DELETE: no other site's page makes a browser send those."""
        return [
            Route("/messages", self.messages, methods=["GET"]),
            Route("/messages", self.clear, methods=["DELETE"]),
            Route("/messages/wait", self.wait, methods=["GET"]),
            Route("/messages/{id:int}", self.message, methods=["GET"]),
            Route("/messages/{id:int}/html", self.html, methods=["GET"]),
            Route("/events", self.events, methods=["GET"]),
            Route("/faults", self.faults, methods=["GET"]),
            Route("/faults", self.set_faults, methods=["PUT"]),
            Route("/faults", self.clear_faults, methods=["DELETE"]),
            Route("/rules", self.rules, methods=["GET"]),
            Route("/environment", self.environment, methods=["GET"]),
            Route("/ca.pem", self.authority, methods=["GET"]),
        ]

    async def messages(self, request: HttpRequest) -> Response:
        """Oldest first."""
        return self._told(self._store.find(wanted(request.query_params)))

    async def message(self, request: HttpRequest) -> Response:
        """One of them."""
        found = self._store.get(request.path_params["id"])
        return told(found.to_dict()) if found else problem(404, "no such message: it may have been cleared")

    async def html(self, request: HttpRequest) -> Response:
        """An e-mail's HTML, for a frame in which nothing runs and nothing is fetched; what connects is made inert."""
        found = self._store.get(request.path_params["id"])
        html = found.seen.view.get("html") if found else None
        if not isinstance(html, str):
            return problem(404, "no such e-mail")
        inert = _CONNECTS.sub(r"\1inert-", html)
        marked = MASKED_IN_HTML.sub(r"<mark style='background:#fde68a;color:#713f12'>\1</mark>", inert)
        shown = _START.sub(r"\g<0><base target=_blank>", marked, count=1)
        return Response(
            shown.encode("utf-8", "replace"), media_type="text/html", headers={"Content-Security-Policy": MAIL_POLICY}
        )

    async def clear(self, _: HttpRequest) -> Response:
        """Forget every message."""
        self._store.clear()
        return Response(status_code=204)

    async def wait(self, request: HttpRequest) -> Response:
        """Answer once `count` messages are there; 504 with what there is, where that takes longer than `timeout`."""
        try:
            count = int(request.query_params.get("count", "1"))
            seconds = float(request.query_params.get("timeout", "10"))
        except ValueError:
            return problem(400, "count is a number, timeout is seconds")
        if not 0 <= seconds <= _MAX_WAIT:
            return problem(400, f"timeout is 0 to {_MAX_WAIT:g} seconds")
        found, in_time = await self._deliveries.wait(wanted(request.query_params), count, seconds)
        return self._told(found, status=200 if in_time else 504)

    async def events(self, _: HttpRequest) -> Response:
        """A line for every change, as server-sent events."""
        return StreamingResponse(self._changes(), media_type="text/event-stream")

    async def _changes(self) -> AsyncIterator[str]:
        last, generation = 0, self._store.generation
        yield "retry: 500\n\n"
        while not self._deliveries.closing.is_set():
            version = self._store.version
            if generation != self._store.generation:
                generation = self._store.generation
                yield "event: clear\ndata: {}\n\n"
            for message in self._store.find(Filter(after=last)):
                last = message.id
                yield f"id: {last}\ndata: {json.dumps(message.to_dict())}\n\n"
            yield f"event: faults\ndata: {json.dumps(self._deliveries.faults.plans())}\n\n"
            told_all = version == self._store.version  # else something came while the above was written
            if told_all and not await self._store.next_change(_PING):
                yield ": still here\n\n"

    async def faults(self, _: HttpRequest) -> Response:
        """What is set, and what there is."""
        return JSONResponse({"plans": self._deliveries.faults.plans(), "faults": FAULTS, "kinds": list(KINDS)})

    async def set_faults(self, request: HttpRequest) -> Response:
        """`{"slack": "429:1,500,ok"}`: a plan for each kind, or for every kind (`*`); an empty one is none."""
        try:
            given = parse_json(await request.body())
            plans = {kind: parse_plan(plan) if plan else () for kind, plan in given.items()}
        except (ValueError, AttributeError) as error:
            return problem(400, f"a JSON object of plans is wanted: {error}")
        if unknown := sorted(plans.keys() - {*KINDS, "*"}):
            return problem(400, f"no kind {unknown[0]!r}; there are {', '.join(KINDS)} and *")
        self._deliveries.set_faults(plans)
        return Response(status_code=204)

    async def clear_faults(self, _: HttpRequest) -> Response:
        """Be in order again."""
        self._deliveries.clear_faults()
        return Response(status_code=204)

    async def rules(self, _: HttpRequest) -> Response:
        """Every rule, and the page that says so."""
        owned = [*((p.kind, p.rules) for p in PROVIDERS), (mail.KIND, mail.RULES)]
        told = [{"rule": rule.id, "source": rule.source, "kind": kind} for kind, rules in owned for rule in rules]
        return JSONResponse({"rules": told})

    async def environment(self, _: HttpRequest) -> Response:
        """What points every transport here."""
        return JSONResponse(self._deliveries.environment)

    async def authority(self, _: HttpRequest) -> Response:
        """The certificate that vouches for the mail server's."""
        return Response(self._deliveries.authority, media_type="application/x-pem-file")

    def _told(self, found: list[Arrived], status: int = 200) -> Response:
        return told({"messages": [message.to_dict() for message in found]}, status)


def wanted(query: Mapping[str, str]) -> Filter:
    """The filter in a query: kind, severity, text, accepted (true or false), after."""
    accepted = {"true": True, "false": False}.get(query.get("accepted", ""))
    after = query.get("after", "")
    return Filter(
        kind=query.get("kind", ""),
        severity=query.get("severity", ""),
        text=query.get("text", ""),
        accepted=accepted,
        after=int(after) if re.fullmatch(r"\d{1,18}", after) else 0,
    )


def told(value: Any, status: int = 200) -> Response:
    """JSON in ASCII: what arrived may have half a surrogate pair in it, which UTF-8 has no bytes for."""
    return Response(json.dumps(value), status, media_type="application/json")


def problem(status: int, text: str) -> Response:
    """An error of the API."""
    return JSONResponse({"error": text}, status_code=status)


async def page(request: HttpRequest) -> Response:
    """The page's files, out of the package."""
    name = request.path_params.get("name", "")
    file, kind = _PAGE.get(name, (name, "text/javascript"))
    found = files("alert_sandbox") / "page" / file
    if name not in _PAGE and not (name.endswith(".js") and name.isascii() and "/" not in name and found.is_file()):
        return problem(404, "no such page; the inbox is at /")
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return Response(found.read_bytes(), media_type=kind, headers=headers)


class Guard:
    """Headers that keep what is served to its own page; and no JSON, page or event for another site's script."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add the headers."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(k.lower().encode(), v.encode()) for k, v in _GUARD.items()]
            await send(message)

        await self._app(scope, receive, guarded)


def build(deliveries: Deliveries) -> ASGIApp:
    """The whole application. Only loopback's names are answered: no other site's page can read it by rebinding DNS."""
    local = Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"], www_redirect=False)
    inbox = Starlette(
        routes=[Mount("/api", routes=Api(deliveries).routes()), Route("/", page), Route("/{name}", page)],
        middleware=[local, Middleware(Guard)],
    )

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        found = deliveries.find(scope["path"]) if scope["type"] == "http" else None
        if found is None:
            await inbox(scope, receive, send)
            return
        try:
            await deliveries.serve(found, HttpRequest(scope, receive), send)
        except ClientDisconnect:
            return

    return application
