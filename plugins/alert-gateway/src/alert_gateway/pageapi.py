"""The status page, and what it asks: `GET /`, `/page/…`, `/api/…`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import attrs

from alert_core import Alert, ConfigError, QueueError, Route, Severity
from alert_core.queues import parse_duration
from alert_core.text import truncate
from alert_gateway import pagedata
from alert_gateway.access import stranger
from alert_gateway.documents import BodyError, document
from alert_gateway.history import History, Journal, outbox_of
from alert_gateway.messages import Request, Response, as_json, problem
from alert_gateway.sessions import Sessions

if TYPE_CHECKING:
    from alert_gateway.gateway import Gateway

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
MAX_BODY: Final = 8 * 1024
MAX_ROWS: Final = 500
STATES: Final = ("waiting", "held", "gathered", "handed", "delivered", "dead")
LONGEST_SILENCE: Final = 366 * 24 * 3600.0
_GUARD: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-dns-prefetch-control": "off",
}
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}
_FILE: Final = re.compile(r"[a-z]+\.(?:css|js|svg)")

Parts = Mapping[str, str]
Handler = Callable[[Request, Parts], Response]


class RequestError(Exception):
    """What is asked for cannot be: told with this status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def add_routes(gateway: Gateway) -> None:
    """Let `gateway.router` answer for the page. Its token is `gateway.settings.page_token`."""
    Page(gateway).add_routes()


class Page:
    """The page of one gateway."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._sessions = Sessions(gateway.settings.page_token, gateway.clock)
        self._journal: Journal = gateway.journal
        self._outbox: Any = outbox_of(gateway.dispatcher)
        self._history: History = gateway.journal if self._outbox is None else self._outbox.inspection
        self._overview = pagedata.Kept(self._counted)
        self._fires = pagedata.Kept(lambda: pagedata.worst_first(self._history.firing()))
        self._has_tables = self._outbox is None

    def add_routes(self) -> None:
        """Everything below; what changes anything is JSON, which no other site's page can make a browser send."""
        router = self._gateway.router
        router.add("GET", "/", self._guarded(self.shell))
        router.add("GET", "/page/{name}", self._guarded(self.file))
        router.add("PUT", "/api/session", self._guarded(self.sign_in))
        router.add("DELETE", "/api/session", self._guarded(self.sign_out))
        reads: dict[str, Handler] = {
            "overview": self.overview,
            "alerts": self.alerts,
            "alerts/{id}": self.alert,
            "firing": self.firing,
            "silences": self.silences,
            "dropped": self.dropped,
        }
        for path, handler in reads.items():
            router.add("GET", f"/api/{path}", self._guarded(self._allowed(handler)))
        changes: list[tuple[str, str, Handler]] = [
            ("POST", "silences", self.silence),
            ("POST", "silences/preview", self.preview),
            ("DELETE", "silences/{id}", self.expire),
            ("POST", "deliveries/{id}/retry", self.retry),
            ("POST", "retry", self.retry_all),
        ]
        for method, path, handler in changes:
            router.add(method, f"/api/{path}", self._guarded(self._allowed(handler)))

    # ------------------------------------------------------------------------------------------ the page

    def shell(self, request: Request, _: Parts) -> Response:
        """The page itself, which has nothing in it; what it shows it asks for."""
        if not self._sessions and (reason := _why_not_here(request)):
            return problem(403, reason)
        return _packaged("index.html")

    def file(self, _: Request, parts: Parts) -> Response:
        """Its style sheet, modules and icon."""
        name = parts["name"]
        if not _FILE.fullmatch(name) or not (files("alert_gateway") / "page" / name).is_file():
            raise RequestError(404, "the page has no such file")
        return _packaged(name)

    def sign_in(self, request: Request, _: Parts) -> Response:
        """`{"token": …}`: the page's token, for a cookie."""
        token = _given(request).get("token")
        if not (isinstance(token, str) and self._sessions.knows(token.strip())):
            raise RequestError(401, "that is not the page's token")
        is_secure = request.headers.get("origin", "").lower().startswith("https://")
        cookie = self._sessions.cookie(token.strip(), secure=is_secure)
        return Response(status=204, headers={"set-cookie": cookie})

    def sign_out(self, request: Request, _: Parts) -> Response:
        """Forget the cookie."""
        _given(request)
        return Response(status=204, headers={"set-cookie": self._sessions.no_cookie()})

    # ------------------------------------------------------------------------------------------ reading

    def overview(self, request: Request, _: Parts) -> Response:
        """The figures: counts, the last 24 hours by severity, each target."""
        told = self._overview.value() | {"token": bool(self._sessions)}
        told["counts"] = told["counts"] | {"dropped": self._journal.dropped}
        return _fresh(request, told)

    def alerts(self, request: Request, _: Parts) -> Response:
        """Alerts with those of their deliveries that the filters leave, the latest first."""
        asked = request.query
        limit = _number(asked.get("limit") or "50", "limit", most=MAX_ROWS)
        before = _number(asked["before"], "before") if asked.get("before") else None
        filters: dict[str, Any] = {
            name: asked[name] for name in ("state", "target", "severity", "source", "text") if asked.get(name)
        }
        for name, words in (("severity", tuple(Severity)), ("state", STATES)):
            if filters.get(name) and filters[name] not in words:
                raise RequestError(400, f"{name} is one of {', '.join(words)}")
        filters |= {name: _moment(asked[name], name) for name in ("since", "until") if asked.get(name)}
        try:
            found = self._history.deliveries(**filters, before=before, limit=limit + 1)
        except ValueError as error:  # a state that this history does not have
            raise RequestError(400, str(error)) from None
        return _fresh(request, pagedata.listed([row.to_dict() for row in found], limit))

    def alert(self, request: Request, parts: Parts) -> Response:
        """One alert, all that it says, with all its deliveries; of a repeat that was not told, those of its event."""
        found = self._history.alert(parts["id"])
        told = self._repeat(parts["id"]) if found is None else found.to_dict() | {"repeat": False}
        if told is None:
            raise RequestError(404, "no such alert: it came to nobody, or its history has been purged")
        return _fresh(request, pagedata.whole(told) | {"repeat": told["repeat"]})

    def _repeat(self, alert_id: str) -> dict[str, Any] | None:
        for one in self._fires.value():
            if one["alert"]["id"] == alert_id:
                rows = self._history.deliveries(text=one["alert"]["title"], limit=MAX_ROWS)
                found = [row for row in (row.to_dict() for row in rows) if row["dedup_key"] == one["dedup_key"]]
                return {"alert": one["alert"], "deliveries": found, "repeat": True}
        return None

    def firing(self, request: Request, _: Parts) -> Response:
        """What fires now, the most severe first, and of those the latest."""
        found = self._fires.value()
        return _fresh(request, {"firing": [pagedata.event(one) for one in found[:MAX_ROWS]], "count": len(found)})

    def silences(self, request: Request, _: Parts) -> Response:
        """The silences that hold, those to come, and those that ended; of each the latest first."""
        now = self._gateway.clock.time()
        found = self._silences(ended=True)
        told = [one.to_dict() | {"state": pagedata.state(one, now)} for one in reversed(found)]
        told.sort(key=lambda one: ("active", "later", "ended").index(one["state"]))
        return _fresh(request, {"silences": told[:MAX_ROWS]})

    def dropped(self, request: Request, _: Parts) -> Response:
        """What was sent to nobody since this process started, and why; the latest first."""
        told = [one.to_dict() | {"title": truncate(one["title"], pagedata.MAX_TITLE)} for one in self._journal.drops()]
        return _fresh(request, {"dropped": told})

    # ------------------------------------------------------------------------------------------ changing

    def silence(self, request: Request, _: Parts) -> Response:
        """`{"match": {…}, "for": "2h", "author": …, "reason": …}`: keep alerts quiet."""
        given = _given(request)
        if self._outbox is None:
            raise RequestError(409, 'silences need alert-outbox: set [queue] type = "outbox"')
        match, author, reason = _match(given), given.get("author"), given.get("reason")
        if not (isinstance(author, str) and author.strip() and isinstance(reason, str) and reason.strip()):
            raise RequestError(422, "author and reason are required")
        try:
            lasts = parse_duration(given.get("for", "1h"))
            if not 0 < lasts <= LONGEST_SILENCE:
                raise RequestError(422, 'for is a time of at most a year, as "2h"')
            made = self._outbox.silences.add(match, author=author.strip(), reason=reason.strip(), lasts=lasts)
        except (ConfigError, ValueError) as error:
            raise RequestError(422, str(error)) from None
        return as_json(made.to_dict(), 201)

    def preview(self, request: Request, _: Parts) -> Response:
        """`{"match": {…}}`: what a silence would keep quiet of what fires now."""
        try:
            route = Route(targets=[], match=_match(_given(request)))
        except ConfigError as error:
            raise RequestError(422, str(error)) from None
        alerts = [Alert.from_dict(one["alert"]) for one in self._fires.value()]
        titles = [alert.title for alert in alerts if route.matches(alert)]
        shown = [truncate(title, pagedata.MAX_TITLE) for title in titles[:3]]
        return as_json({"fits": len(titles), "of": len(alerts), "titles": shown})

    def expire(self, request: Request, parts: Parts) -> Response:
        """End a silence now."""
        _given(request)
        number = _number(parts["id"], "the silence's number")
        if self._outbox is None or not self._outbox.silences.expire(number):
            raise RequestError(404, "no such silence holds")
        return Response(status=204)

    def retry(self, request: Request, parts: Parts) -> Response:
        """Try a failed delivery again."""
        _given(request)
        return self._retried(_number(parts["id"], "the delivery's number"), None)

    def retry_all(self, request: Request, _: Parts) -> Response:
        """`{"target": …}`: try every failed delivery again, or those of one target."""
        target = _given(request).get("target")
        if not (target is None or isinstance(target, str)):
            raise RequestError(422, "target is a name, or null")
        return self._retried(None, target)

    def _retried(self, number: int | None, target: str | None) -> Response:
        queue: Any = self._journal if self._outbox is None else self._outbox
        count = queue.retry(number, target=target)
        self._overview.forget()  # and not what fires, which a retry does not change
        if not count and number is not None:
            raise RequestError(409, "that delivery has not failed, is under way again, or resolves what has fired anew")
        return as_json({"retried": count}, 202)

    # ------------------------------------------------------------------------------------------ who, and how

    def _allowed(self, handler: Handler) -> Handler:
        """Only for who has the page's token; where there is none, only for this machine."""

        def allowed(request: Request, parts: Parts) -> Response:
            if not self._sessions:
                if reason := _why_not_here(request):
                    return problem(403, reason)
            elif not self._shows_token(request):
                return problem(401, "sign in at /, or show the page's token: Authorization: Bearer TOKEN")
            if not self._has_tables:  # before the first alert
                self._outbox.make_tables()
                self._has_tables = True
            return handler(request, parts)

        return allowed

    def _shows_token(self, request: Request) -> bool:
        scheme, _, token = request.headers.get("authorization", "").strip().partition(" ")
        bears = scheme.lower() == "bearer" and self._sessions.knows(token.strip())
        return bears or self._sessions.admits(request.headers.get("cookie", ""))

    @staticmethod
    def _guarded(handler: Handler) -> Handler:
        """With headers that keep it to its own page, and every error as an answer."""

        def guarded(request: Request, parts: Parts) -> Response:
            try:
                answer = handler(request, parts)
            except RequestError as error:
                answer = problem(error.status, str(error))
            except QueueError as error:
                answer = problem(503, str(error), {"retry-after": "5"})
            return attrs.evolve(answer, headers={"cache-control": "no-store", **_GUARD, **answer.headers})

        return guarded

    def _counted(self) -> dict[str, Any]:
        now = self._gateway.clock.time()
        held = [one for one in self._silences() if pagedata.state(one, now) == "active"]
        told = pagedata.counted(self._history, self._gateway.dispatcher.targets)
        counts = {"firing": len(self._fires.value()), "silences": len(held)}
        is_durable = self._outbox is not None
        store = {"durable": is_durable, "silences": is_durable, "since": self._journal.since.isoformat()}
        return {**told, "counts": {**told["counts"], **counts}, "store": store}

    def _silences(self, *, ended: bool = False) -> list[Any]:
        return [] if self._outbox is None else list(self._outbox.silences.list(ended=ended))


def _why_not_here(request: Request) -> str | None:
    """Why the page, which has no token, is not for who asks."""
    if request.peer is not None and stranger(request) is None:
        return None
    return "the status page is for this machine alone until it has a token: set [gateway] page_token"


def _packaged(name: str) -> Response:
    body = (files("alert_gateway") / "page" / name).read_bytes()
    return Response(headers={"content-type": f"{_TYPES[name.rpartition('.')[2]]}; charset=utf-8"}, body=body)


def _fresh(request: Request, value: Mapping[str, Any]) -> Response:
    """The value, or only that it is the one that was asked for before."""
    answer = as_json(value)
    tag = f'"{hashlib.blake2b(answer.body, digest_size=16).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status=304, headers={"etag": tag})
    return attrs.evolve(answer, headers={**answer.headers, "etag": tag})


def _given(request: Request) -> Mapping[str, Any]:
    """The object in a request that changes something."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise RequestError(403, "no other site's page may ask for this")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RequestError(415, "send JSON, with Content-Type: application/json")
    if len(request.body) > MAX_BODY:
        raise RequestError(413, f"at most {MAX_BODY} bytes")
    try:
        found = document(request.body or b"{}", request.headers)
    except BodyError as error:
        raise RequestError(400, str(error)) from None
    if not isinstance(found, Mapping):
        raise RequestError(422, "send a JSON object")
    return found


def _match(given: Mapping[str, Any]) -> Mapping[str, Any]:
    match = given.get("match")
    if not isinstance(match, Mapping) or not match:
        raise RequestError(422, 'match is an object with one field at least, as {"source": "db"}')
    return match


def _number(text: str, name: str, most: int = 2**53) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and 0 < int(text) <= most):  # noqa: PLR2004
        raise RequestError(400, f"{name} is a number from 1 to {most}")
    return int(text)


def _moment(text: str, name: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found.timestamp()
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None:
        raise RequestError(400, f"{name} is a time in ISO 8601 with its zone, as 2026-01-31T08:00:00Z")
    return found
