"""A secret in any field of any alert, in any encoding, is in nothing that a transport would send or that we show."""

from __future__ import annotations

import base64
import email
import email.policy
import json
import logging
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_core import Alert, Dispatcher, Receipt, RetryPolicy, Secret
from alert_core.builtin import render
from alert_core.http import HttpTransport
from alert_core.mail import Mailbox
from alert_core.plugins import Plugins
from alert_core.testing import TransportContract
from alert_smtp.payload import build_message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
CANARY = 'Zq7"canary/9&x+tQ4=w'  # every encoding of it differs from it
FORMS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "URL-quoted": lambda text: quote(text, safe=""),
    "JSON-escaped": lambda text: json.dumps(text)[1:-1],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
}
FIELDS = [
    "title",
    "message",
    "source",
    "tags",
    "url",
    "dedup_key",
    "id",
    "correlation_id",
    "request_id",
    "key",
    "value",
    "deep",
]


def over_http() -> Iterator[HttpTransport]:
    """Each installed kind over HTTP, with the options of its contract class."""
    plugins = Plugins.discover({})
    for path in sorted(ROOT.glob("plugins/*/tests/test_*contract*.py")):
        for value in runpy.run_path(str(path)).values():
            if isinstance(value, type) and issubclass(value, TransportContract) and value is not TransportContract:
                transport = plugins.transport_class(value.kind)(**value.options)
                if isinstance(transport, HttpTransport):
                    yield transport


OVER_HTTP = list(over_http())


@pytest.fixture(autouse=True)
def known() -> Secret:
    """It is a credential of some target."""
    return Secret(CANARY)


def planted(field: str, text: str) -> Alert:
    fields: dict[str, Any] = {"title": "Disk full", "message": "/var is at 98 %"}
    match field:
        case "tags":
            fields["tags"] = ["eu", text]
        case "url":
            fields["url"] = "https://grafana.example.org/d/1?q=" + text
        case "key":
            fields["metadata"] = {text: 1}
        case "value":
            fields["metadata"] = {"note": text}
        case "deep":
            fields["metadata"] = {"a": [{"b": (text.encode(), {text}, ValueError(text))}]}
        case _:
            fields[field] = text
    return Alert(**fields)


def shown(alert: Alert) -> str:
    """Everything that would leave: each transport's bytes, the console, and what we write of the alert ourselves."""
    own = [repr(alert), json.dumps(alert.to_dict()), json.dumps(alert.to_dict(), ensure_ascii=False), render(alert)]
    return "\n".join([*own, *mailed(alert), *(text for transport in OVER_HTTP for text in posted(transport, alert))])


def posted(transport: HttpTransport, alert: Alert) -> list[str]:
    """A request as it goes out, and what its form says once decoded."""
    to = transport.recipients_option
    request = transport.request(alert, *([getattr(transport, to)[0]] if to else []))
    body = request.content.decode()
    return [request.url, body, *request.headers.values(), *(value for _, value in parse_qsl(body))]


def mailed(alert: Alert) -> list[str]:
    """A mail as its reader's program decodes it."""
    mailbox = Mailbox.parse("ops@example.com")
    message = build_message(alert, target="mail", sender=mailbox, recipients=[mailbox], smtputf8=False)
    mail = email.message_from_bytes(message.content, policy=email.policy.default)
    parts = [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]
    return [*parts, *map(str, mail.values())]


@settings(max_examples=60)
@given(st.sampled_from(FIELDS), st.sampled_from(sorted(FORMS)), st.text(max_size=20), st.text(max_size=20))
def test_a_credential_in_any_field_and_encoding_is_in_nothing_that_leaves(
    field: str, form: str, before: str, after: str
) -> None:
    around = ("", "") if field in ("url", "id", "correlation_id", "request_id") else (before, after)
    text = FORMS[form](CANARY).join(around)
    out = shown(planted(field, text))
    for encode in FORMS.values():
        assert encode(CANARY) not in out


@settings(max_examples=60)
@given(st.sampled_from(FIELDS), st.sampled_from(sorted(FORMS)))
def test_nor_is_it_in_a_report_or_a_log_though_the_transport_says_it_back(field: str, form: str) -> None:
    records: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    class Echo:
        name = "echo"

        def send(self, alert: Alert) -> Receipt:
            logging.getLogger("some.library").debug("sending %r", alert)
            if alert.severity == "critical":
                raise RuntimeError(CANARY)
            return Receipt(id=FORMS[form](CANARY), detail={FORMS[form](CANARY): [CANARY]})

    handler, root = Keep(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with Dispatcher([Echo()], plugins=Plugins(), retry=RetryPolicy(attempts=1)) as dispatcher:
            alert = planted(field, FORMS[form](CANARY))
            reports = [dispatcher.send(alert), dispatcher.send(alert.evolve(severity="critical"))]
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    out = "\n".join([*(json.dumps(report.to_dict()) for report in reports), *map(repr, reports), *records])
    for encode in FORMS.values():
        assert encode(CANARY) not in out
