"""What the gateway takes and answers, as an OpenAPI 3.1 document. The status page's own API is no part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

from alert_core import Severity, Status

_ERROR: Final = {"$ref": "#/components/schemas/Error"}
_TEXTS: Final = {
    "title": "One short line. Without one: of the service and the description's first line.",
    "message": "The text.",
    "description": "As `message`: the tutorial's name.",
    "source": "Which service or job says so.",
    "service": "As `source`: the tutorial's name.",
    "dedup_key": "What makes a later alert the same event.",
    "id": "Of this alert.",
    "correlation_id": "May be shared by many alerts.",
    "request_id": "Of the request in which it happened.",
}
_FAULTS: Final = {
    "400": "The body cannot be read: it is neither JSON nor a form.",
    "401": "No valid token was shown.",
    "403": "The signature is wrong, or no token is configured and the request is not from this machine.",
    "404": "There is none of this name; the answer lists those that there are.",
    "408": "The body did not come in time.",
    "413": "The body has more than 256 KiB.",
    "415": "The content coding is none of gzip, deflate and identity.",
    "422": "An alert has no text, or a field of a wrong type; or there are more than 500.",
    "503": "Too much is under way, or the store refuses; nothing is lost if it is sent again.",
}


def openapi(sources: Sequence[str], heartbeats: Sequence[str]) -> dict[str, Any]:
    """The document of a gateway with these sources and heartbeats."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "alert-gateway",
            "version": version("alert-gateway"),
            "description": "Webhooks of monitoring tools in, alerts out.",
        },
        "security": [{}, {"bearer": []}, {"key": []}, {"basic": []}, {"query": []}],
        "paths": {
            "/alerts": {
                "post": {
                    "operationId": "alert",
                    "summary": "Accept one alert, or a list of them.",
                    "parameters": [_WAIT],
                    "requestBody": {"content": {"application/json": {"schema": _body()}}, "required": True},
                    "responses": {
                        "200": _json("Asked to `wait`: what became of it.", _ref("Report")),
                        "202": _json("Accepted for good.", _ref("Accepted")),
                        **_faults("400", "401", "403", "408", "413", "415", "422", "503"),
                    },
                }
            },
            "/alerts/{source}": {
                "post": {
                    "operationId": "webhook",
                    "summary": "Accept what a monitoring tool sends. A body of unknown shape is an alert too.",
                    "parameters": [_path("source", "The tool.", sources)],
                    "requestBody": {
                        "description": "JSON, or a form, as the tool sends it; whatever its content type says.",
                        "content": {"application/json": {"schema": {}}},
                        "required": True,
                    },
                    "responses": {
                        "202": _json("Accepted for good.", _ref("Accepted")),
                        **_faults("400", "401", "403", "404", "408", "413", "415", "503"),
                    },
                }
            },
            "/heartbeat/{name}": {
                "post": {
                    "operationId": "heartbeat",
                    "summary": "It has run. An alert goes out where this stays away.",
                    "parameters": [_path("name", "A table `[heartbeats.NAME]`.", heartbeats)],
                    "responses": {
                        "202": _json("It is noted.", _ref("Heartbeat")),
                        **_faults("400", "401", "403", "404", "408", "413", "415", "503"),
                    },
                }
            },
            "/healthz": _probe("healthz", "Whether the process answers."),
            "/readyz": _probe("readyz", "Whether alerts can be accepted."),
            "/metrics": _read(
                "metrics",
                "Counts, for Prometheus.",
                {"description": "The text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
            ),
            "/openapi.json": _read("openapi", "This document.", _json("It.", {"type": "object"})),
        },
        "components": {"schemas": _SCHEMAS, "securitySchemes": _SECURITY},
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _faults(*statuses: str) -> dict[str, Any]:
    return {status: _json(_FAULTS[status], _ERROR) for status in statuses}


def _path(name: str, description: str, known: Iterable[str]) -> dict[str, Any]:
    schema = {"type": "string", "examples": list(known)}
    return {"name": name, "in": "path", "required": True, "description": description, "schema": schema}


def _read(name: str, summary: str, answer: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": answer, **_faults("400", "401", "403", "408", "413", "415", "503")}
    return {"get": {"operationId": name, "summary": summary, "responses": responses}}


def _probe(name: str, summary: str) -> dict[str, Any]:
    responses = {"200": _json("Yes.", _ref("Ok")), **_faults("400", "408", "413", "415", "503")}
    return {"get": {"operationId": name, "summary": summary, "security": [{}], "responses": responses}}


def _body() -> dict[str, Any]:
    one = _ref("Alert")
    return {"oneOf": [one, {"type": "array", "items": one, "maxItems": 500}]}


_WAIT: Final[dict[str, Any]] = {
    "name": "wait",
    "in": "query",
    "description": "Answer with the delivery report, after at most so many seconds; more than 30 are 30.",
    "schema": {"type": "number", "minimum": 0},
}
_SECURITY: Final[dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
    "basic": {"type": "http", "scheme": "basic", "description": "The token is the password."},
    "query": {"type": "apiKey", "in": "query", "name": "token", "description": "For senders that can do no better."},
}
_TEXT: Final = {"type": ["string", "number", "null"]}
_SCHEMAS: Final[dict[str, Any]] = {
    "Alert": {
        "type": "object",
        "description": "At least one of title, message and description is a text that is not blank. Any other key is"
        " kept in the metadata.",
        "anyOf": [
            {"required": [name], "properties": {name: {"type": ["string", "number"], "pattern": r"\S"}}}
            for name in ("title", "message", "description")
        ],
        "properties": {
            **{name: {**_TEXT, "description": text} for name, text in _TEXTS.items()},
            "severity": {
                "description": f"One of {', '.join(Severity)}, or any tool's word; an unknown one is a warning.",
                "examples": list(Severity),
            },
            "level": {"description": "As `severity`: the tutorial's name."},
            "status": {
                "description": "Default: firing.",
                "oneOf": [{"type": "string", "enum": list(Status)}, {"type": "null"}],
            },
            "tags": {"type": ["array", "string", "null"], "items": {"type": "string"}},
            "metadata": {"type": ["object", "null"]},
            "url": {"description": "A dashboard or runbook: http or https."},
            "created_at": {"description": "ISO 8601, or seconds or milliseconds since 1970."},
        },
        "examples": [{"level": "critical", "service": "payments-api", "description": "Error rate exceeded 5%"}],
    },
    "Accepted": {
        "type": "object",
        "required": ["ok", "accepted", "ignored"],
        "properties": {
            "ok": {"const": True},
            "accepted": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["id", "dedup_key", "status"],
                    "properties": {
                        "id": {"type": "string"},
                        "dedup_key": {"type": "string"},
                        "status": {"enum": ["accepted", "duplicate", "unrouted"]},
                    },
                },
            },
            "ignored": {"type": "integer", "description": "Messages that are no alerts."},
        },
    },
    "Report": {
        "type": "object",
        "required": ["ok", "accepted", "ignored"],
        "properties": {
            "ok": {"type": "boolean", "description": "Nothing has failed."},
            "report": {"type": ["object", "null"], "description": "Of one alert: its deliveries, and the ids."},
            "reports": {"type": "array", "items": {"type": "object"}, "description": "Of a list."},
            "sent": {"type": "boolean", "description": "Of the tutorial's body."},
            "message_id": {"type": "string", "description": "Of the tutorial's body: the provider's."},
            "reason": {"type": "string", "description": "Of the tutorial's body: why nobody got it."},
        },
    },
    "Heartbeat": {
        "type": "object",
        "required": ["ok", "heartbeat", "late_in"],
        "properties": {
            "ok": {"const": True},
            "heartbeat": {"type": "string"},
            "late_in": {"type": "number", "description": "Seconds within which it is to come again."},
        },
    },
    "Ok": {"type": "object", "required": ["ok"], "properties": {"ok": {"const": True}}},
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}},
}
