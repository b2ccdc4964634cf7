"""Our transports, each with options that its provider's own checks accept, and a stand-in that keeps what they send."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import attrs

from alert_core import Alert, Dispatcher, Transport
from alert_core.plugins import Plugins, installed_plugins
from alert_core.testing import HttpStandIn, Received, Reply

FORM: Final = "application/x-www-form-urlencoded"
ACCOUNT: Final = "AC" + "0a" * 16

OPTIONS: Final[Mapping[str, Mapping[str, Any]]] = {
    "castbrick": {
        "api_key": "cb_live_0123456789",
        "to": ["+244923000000"],
        "sender_id": "Alerts",
        "fallback": False,
        "scheduled_at": "2026-11-22T08:00:00Z",
    },
    "pagerduty": {"routing_key": "0123456789abcdef0123456789abcdef"},
    "resend": {
        "api_key": "re_0123456789",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com", "Zoë <zoe@example.org>"],
    },
    "sendgrid": {
        "api_key": "SG.0123456789",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com", "Zoë <zoe@example.org>"],
    },
    "slack": {},
    "slack-bot": {"token": "xoxb-0123456789", "channel": "C0123456789"},
    "telegram": {"bot_token": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11", "chat_id": "-1001234567890"},
    "twilio": {"account_sid": ACCOUNT, "auth_token": "0" * 32, "sender": "+15005550006", "to": ["+15005550009"]},
    "vonage": {"api_key": "abcd1234", "api_secret": "abcdef0123456789", "sender": "Alerts", "to": ["+447700900000"]},
}
"""Every kind that speaks HTTP."""

DOCUMENTS: Final[Mapping[str, str]] = {
    "castbrick": "castbrick-openapi.sms-subset.json",
    "resend": "resend-openapi.json",
    "sendgrid": "sendgrid-tsg_mail_v3.json",
    "twilio": "twilio-messages.json",
    "vonage": "vonage-sms.yml",
}
"""The kinds whose vendors publish a specification of their API, and its file."""

_ENDPOINTS: Final[Mapping[str, str]] = {
    "pagerduty": "https://events.pagerduty.com/v2",
    "slack": "https://hooks.slack.com/services/T0/B0/XXXX",
}

REPLIES: Final[Mapping[str, Reply]] = {
    "castbrick": Reply(
        json={
            "messageId": "a0000000-0000-0000-0000-000000000001",
            "status": "Queued",
            "recipientCount": 2,
            "timestamp": "2026-11-22T06:00:00Z",
        }
    ),
    "pagerduty": Reply(202, json={"status": "success", "message": "Event processed", "dedup_key": "d1"}),
    "resend": Reply(json={"id": "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794"}),
    "sendgrid": Reply(202, headers={"X-Message-Id": "m1"}),
    "slack": Reply(text="ok"),
    "slack-bot": Reply(json={"ok": True, "channel": "C0123456789", "ts": "1503435956.000247", "message": {}}),
    "telegram": Reply(
        json={
            "ok": True,
            "result": {
                "message_id": 7,
                "date": 1,
                "chat": {"id": -1001234567890, "type": "supergroup", "title": "Ops"},
            },
        }
    ),
    "twilio": Reply(201, json={"sid": "SM" + "0a" * 16, "status": "queued", "num_segments": "1", "error_code": None}),
    "vonage": Reply(
        json={"message-count": "1", "messages": [{"status": "0", "message-id": "0A01", "to": "447700900000"}]}
    ),
}
"""The yes of each, by which our transport, or its official client, knows that all went well."""


def _alert(title: str, message: str, **fields: Any) -> Alert:
    fixed: dict[str, Any] = {
        "source": "billing",
        "dedup_key": "disk-full",
        "created_at": datetime(2026, 11, 22, 6, tzinfo=UTC),
    }
    return Alert(title, message, **(fixed | fields))


ALERTS: Final[Mapping[str, Alert]] = {
    "short": _alert("Disk full", "/var is at 98 %"),
    "long": _alert("Disk full, and much more to say of it. " * 40, "A line of many.\n" * 5_000),
    "emoji": _alert("🔥 Disk 👩‍👩‍👧‍👦 voll", "Ж \u2019—… €^{}[]~| 🔥" * 100),
    "markup": _alert(
        "<b>Disk</b> & *full*\r\nBcc: x@y.z", "</html><!channel> [a](b) _x_ `y` {{z}} &amp; \\ \x00\x1b[31m"
    ),
    "resolved": _alert("Disk full", "It has room again", status="resolved"),
    "acknowledged": _alert("Disk full", "Somebody looks", status="acknowledged", severity="critical"),
    "all fields": _alert(
        "Disk full",
        "/var is at 98 %",
        severity="warning",
        tags=["eu", "db, primary"],
        url="https://grafana.example.org/d/1?a=b&c=d",
        request_id="r-1",
        metadata={f"key {number}": {"deep": [number, None, True, "é"]} for number in range(300)},
    ),
}
"""What the transports say, by a name for each."""


class Exchange:
    """One transport of ours and its provider's stand-in; `send()` gives the requests that an alert became."""

    def __init__(self, kind: str, **options: Any) -> None:
        self.standin = HttpStandIn(REPLIES[kind])
        self.transport = transport(kind, f"http://127.0.0.1:{self.standin.port}", **options)
        self._dispatcher = Dispatcher([self.transport], plugins=Plugins())

    def send(self, alert: Alert) -> list[Received]:
        """Deliver the alert, and nothing less."""
        self.standin.received.clear()
        self._dispatcher.send(alert).raise_for_failures()
        return list(self.standin.received)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._dispatcher.close()
        self.standin.close()


def transport(kind: str, origin: str, **options: Any) -> Transport:
    """The transport of a kind, which sends to `origin` what it would send to the provider, under the same path."""
    made = installed_plugins().transport_class(kind)
    url = {getattr(made, "url_option", ""): moved(endpoint(kind), origin)}
    return made(**{**OPTIONS[kind], **options, **url})


def endpoint(kind: str) -> str:
    """The URL that a transport of the kind has by itself, or by what its user must say."""
    if kind in _ENDPOINTS:
        return _ENDPOINTS[kind]
    (found,) = (each for each in installed_plugins().transport_class(kind).options() if each.name == "api_url")
    return str(found.default)


def moved(url: str, origin: str) -> str:
    """The URL, at the scheme, host and port of another."""
    return urlunsplit((*urlsplit(origin)[:2], *urlsplit(url)[2:]))


def rewritten(received: Received, change: Callable[[dict[str, Any]], object]) -> Received:
    """The request with another body of the same form."""
    if received.headers["content-type"].startswith(FORM):
        fields = dict(parse_qsl(received.body.decode(), keep_blank_values=True))
        change(fields)
        return attrs.evolve(received, body=urlencode(fields).encode())
    body = json.loads(received.body)
    change(body)
    return attrs.evolve(received, body=json.dumps(body).encode())


def without_header(received: Received, name: str) -> Received:
    """The request without this header."""
    return attrs.evolve(received, headers={key: value for key, value in received.headers.items() if key != name})
