"""PagerDuty's Events API v2: POST /v2/enqueue, and the incidents that its events open and close."""

from __future__ import annotations

import re
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from alert_core.text import utf16_length
from alert_sandbox.exchange import (
    Answer,
    Broken,
    Clock,
    Provider,
    Refusal,
    Request,
    Rule,
    Seen,
    is_wrong,
    objects,
    parse_time,
    utc_now,
)
from alert_sandbox.faults import Fault

_EVENTS: Final = "developer.pagerduty.com/docs/events-api-v2/trigger-events"
_OVERVIEW: Final = "developer.pagerduty.com/docs/events-api-v2/overview"

KEY_LENGTH: Final = 32
MAX_SUMMARY: Final = 1024
MAX_DEDUP_KEY: Final = 255
MAX_EVENT: Final = 512_000
_SEVERITIES: Final = ("critical", "warning", "error", "info")
_ACTIONS: Final = ("trigger", "acknowledge", "resolve")
_STATES: Final = {"trigger": "triggered", "acknowledge": "acknowledged", "resolve": "resolved"}
_REMEMBERED: Final = 1000


@attrs.define
class Incident:
    """What one dedup key stands for, from its first trigger to its resolve."""

    number: int
    status: str = "triggered"
    triggers: int = 1


class PagerDuty(Provider):
    """POST /v2/enqueue."""

    kind = "pagerduty"
    prefix = "/pagerduty/v2"
    credential_in_body = True
    rules = (
        _NOT_FOUND := Rule("pagerduty-url", f"{_OVERVIEW}: /v2/enqueue", 404),
        _METHOD := Rule("pagerduty-method", f"{_OVERVIEW}: POST", 405),
        _SIZE := Rule("pagerduty-size", f"{_OVERVIEW}, Size limits: 512 KB", 413),
        _JSON := Rule("pagerduty-body", f"{_OVERVIEW}, Response codes: 400", 400),
        _NO_KEY := Rule("pagerduty-auth", f"{_EVENTS}: routing_key", 400),
        _KEY := Rule("pagerduty-routing-key", f"{_EVENTS}: routing_key, 32 characters", 400),
        _ACTION := Rule("pagerduty-action", f"{_EVENTS}: event_action", 400),
        _DEDUP := Rule("pagerduty-dedup-key", f"{_EVENTS}: dedup_key, max 255 characters", 400),
        _PAYLOAD := Rule("pagerduty-payload", f"{_EVENTS}: payload", 400),
        _SUMMARY := Rule("pagerduty-summary", f"{_EVENTS}: payload.summary, max 1024 characters", 400),
        _SOURCE := Rule("pagerduty-source", f"{_EVENTS}: payload.source", 400),
        _SEVERITY := Rule("pagerduty-severity", f"{_EVENTS}: payload.severity", 400),
        _TIMESTAMP := Rule("pagerduty-timestamp", f"{_EVENTS}: payload.timestamp, ISO 8601", 400),
        _DETAILS := Rule("pagerduty-details", f"{_EVENTS}: payload.custom_details", 400),
        _LINKS := Rule("pagerduty-links", f"{_EVENTS}: links", 400),
        _IMAGES := Rule("pagerduty-images", f"{_EVENTS}: images, src by HTTPS", 400),
    )
    malformed = _JSON

    def __init__(self, clock: Clock = utc_now) -> None:
        """Start with no incident."""
        super().__init__(clock)
        self._opened = 0
        self._incidents: OrderedDict[tuple[str, str], Incident] = OrderedDict()
        self._last: Incident | None = None

    def take(self, request: Request) -> Answer:
        """Process the event: open, count up, acknowledge or resolve its incident."""
        self._last = None
        if request.path.rstrip("/") != "/enqueue":
            raise self._NOT_FOUND.refusal("Not Found")
        if request.method != "POST":
            raise self._METHOD.refusal("Method Not Allowed")
        if len(request.body) > MAX_EVENT:
            raise self._SIZE.refusal("the event is larger than 512 KB")
        body = self._body(request)
        if broken := list(self._check(body)):
            raise Refusal(broken)
        key = body.get("dedup_key") or uuid.uuid4().hex
        note = self._apply(body["routing_key"], key, body["event_action"])
        told = {"status": "success", "message": "Event processed", "dedup_key": key}
        return Answer(202, Answer.json(202, told).body, {"Content-Type": "application/json"}, note)

    def refuse(self, request: Request, broken: Sequence[Broken]) -> Answer:  # noqa: ARG002 - the same for each
        """Every error of the event."""
        errors = [found.message for found in broken]
        told = {"status": "invalid event", "message": "Event object is invalid", "errors": errors}
        return Answer.json(broken[0].rule.status, told)

    def show(self, request: Request) -> Seen:
        """The event, and the incident as it then was."""
        body = self._body(request)
        payload = body.get("payload") or {}
        summary, key = str(payload.get("summary") or ""), str(body.get("dedup_key") or "")
        action = str(body.get("event_action") or "")
        incident = attrs.asdict(self._last) if self._last else None
        self._last = None  # a fault's event, which is not taken, has none
        view = {**{name: body.get(name) for name in ("client", "client_url")}, "payload": payload}
        view |= {name: objects(body.get(name)) for name in ("links", "images")}
        view |= {"action": action, "dedup_key": key, "incident": incident}
        text = "\n".join([summary, key, *_leaves(payload.get("custom_details"))])
        return Seen(title=summary or f"{action} {key}", text=text, to=("the service",), view=view)

    def fail(self, fault: Fault) -> Answer:
        """429 without a Retry-After, as documented."""
        if fault.name == "429":
            return Answer.text(429, "Request Limit Exceeded")
        if fault.name == "error":
            told = {"status": "invalid event", "message": "Event object is invalid", "errors": [fault.argument or "?"]}
            return Answer.json(200, told)
        return Answer.text(int(fault.name), "Internal Server Error" if fault.name == "500" else "Service Unavailable")

    def credentials(self, request: Request) -> tuple[str, ...]:
        """The routing key in the body."""
        try:
            key = request.json().get("routing_key")
        except (ValueError, AttributeError):
            return ()
        return (key,) if isinstance(key, str) and key else ()

    def _body(self, request: Request) -> dict[str, Any]:
        try:
            body = request.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise self._JSON.refusal("Invalid JSON in the request body")
        return body

    def _apply(self, routing_key: str, key: str, action: str) -> str:
        known = self._incidents.get((routing_key, key))
        if known is not None and known.status != "resolved":
            self._last = known
            if action == "trigger":
                known.triggers += 1
                return ""
            known.status = _STATES[action]
            return ""
        if action != "trigger":
            return "no open incident has this dedup_key: dropped"
        self._opened += 1
        self._last = self._incidents[routing_key, key] = Incident(self._opened)
        self._incidents.move_to_end((routing_key, key))
        if len(self._incidents) > _REMEMBERED:
            self._incidents.popitem(last=False)
        return ""

    def _check(self, body: dict[str, Any]) -> Iterator[Broken]:
        key, action, dedup = body.get("routing_key"), body.get("event_action"), body.get("dedup_key")
        if not key or not isinstance(key, str):
            yield self._NO_KEY.broken("'routing_key' is missing or blank")
        elif len(key) != KEY_LENGTH:
            yield self._KEY.broken(f"Length of 'routing_key' is incorrect (should be {KEY_LENGTH} characters)")
        elif is_wrong(key):
            yield self._KEY.broken("Invalid routing key")
        if not action:
            yield self._ACTION.broken("'event_action' is missing or blank")
        elif action not in _ACTIONS:
            yield self._ACTION.broken(f"'event_action' is invalid (must be one of the following: {_quoted(_ACTIONS)})")
        if dedup is not None and (not isinstance(dedup, str) or utf16_length(dedup) > MAX_DEDUP_KEY):
            yield self._DEDUP.broken(f"'dedup_key' is too long (maximum is {MAX_DEDUP_KEY} characters)")
        if not dedup and action in ("acknowledge", "resolve"):
            yield self._DEDUP.broken("'dedup_key' is missing or blank")
        payload = body.get("payload")
        if isinstance(payload, dict) and payload:
            yield from self._payload(payload, required=action == "trigger")
        elif payload or action == "trigger":
            yield self._PAYLOAD.broken("'payload' is missing or blank")
        yield from self._extras(body)

    def _payload(self, payload: dict[str, Any], *, required: bool) -> Iterator[Broken]:
        for name, rule in (("summary", self._SUMMARY), ("source", self._SOURCE), ("severity", self._SEVERITY)):
            value = payload.get(name)
            if not isinstance(value, str) or not value.strip():
                if required or value is not None:
                    yield rule.broken(f"'payload.{name}' is missing or blank")
            elif name == "summary" and utf16_length(value) > MAX_SUMMARY:
                yield rule.broken(f"'payload.summary' is too long (maximum is {MAX_SUMMARY} characters)")
            elif name == "severity" and value not in _SEVERITIES:
                yield rule.broken(
                    f"'payload.severity' is invalid (must be one of the following: {_quoted(_SEVERITIES)})"
                )
        if payload.get("timestamp") is not None and parse_time(payload["timestamp"]) is None:
            yield self._TIMESTAMP.broken("'payload.timestamp' is invalid (must be ISO 8601)")
        if not isinstance(payload.get("custom_details") or {}, dict):
            yield self._DETAILS.broken("'payload.custom_details' is invalid (must be an object)")

    def _extras(self, body: dict[str, Any]) -> Iterator[Broken]:
        for name, field, pattern, rule in (
            ("links", "href", r"(?i)https?://\S+", self._LINKS),
            ("images", "src", r"(?i)https://\S+", self._IMAGES),
        ):
            items = body.get(name) or []
            good = isinstance(items, list) and all(
                isinstance(item, Mapping) and re.fullmatch(pattern, str(item.get(field) or "")) for item in items
            )
            if not good:
                yield rule.broken(f"'{name}' is invalid (each needs '{field}')")


def _quoted(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words[:-1]) + f" or '{words[-1]}'"


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from (f"{name}: {leaf}" for leaf in _leaves(value))
    elif isinstance(node, list):
        for item in node:
            yield from _leaves(item)
    elif node is not None:
        yield str(node)
