"""What our transports send, compared field by field with what the vendors' official clients send for the same content.

Every difference stands here with its reason: one more fails, and so does one that is gone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest
from tests.wire.clients import CLIENTS
from tests.wire.exchange import ALERTS, FORM, Exchange, rewritten

from alert_core.testing import Received

pytestmark = pytest.mark.needs(
    modules=["castbrick", "pagerduty", "resend", "sendgrid", "slack_sdk", "telegram", "twilio"]
)

IMPLIED: Final = ("content-length", "host")

NAMED = "Each program names itself."
KEPT = (
    "The client connects once a request and says so; ours keeps the connection, as HTTP/1.1 does where nothing is said."
)
SPELT_OUT = "The client spells out what HTTP/1.1 does where nothing is said."
ANY = "`*/*` says no more than no header does (RFC 9110 section 12.5.1)."
JSON_ALONE = "The API answers in JSON alone, and where no header asks, any type will do (RFC 9110 section 12.5.1)."
PLAIN = "An answer is short: ours asks for none that it would have to decompress."
CHARSET = "Ours says which encoding its JSON has; RFC 8259 section 11 has no such parameter, and lets it be ignored."

DIFFERENCES: Final[Mapping[str, Mapping[str, str]]] = {
    "castbrick": {"header user-agent": NAMED, "header connection": KEPT, "header content-type": CHARSET},
    "pagerduty": {
        "header user-agent": NAMED,
        "header accept": ANY,
        "header accept-encoding": PLAIN,
        "header connection": SPELT_OUT,
        "header content-type": CHARSET,
    },
    "resend": {
        "header user-agent": NAMED,
        "header accept": JSON_ALONE,
        "header accept-encoding": PLAIN,
        "header connection": SPELT_OUT,
        "header content-type": CHARSET,
    },
    "sendgrid": {"header user-agent": NAMED, "header connection": KEPT, "header content-type": CHARSET},
    "slack": {
        "header user-agent": NAMED,
        "header connection": KEPT,
        "header content-type": "Both say UTF-8, as Slack asks; ours has a space after the semicolon.",
    },
    "slack-bot": {
        "header user-agent": NAMED,
        "header connection": KEPT,
        "header content-type": "Both say UTF-8, as Slack asks; ours has a space after the semicolon.",
    },
    "telegram": {
        "header user-agent": NAMED,
        "header accept": ANY,
        "header accept-encoding": PLAIN,
        "header connection": SPELT_OUT,
        "header content-type": "The Bot API takes a form, whose objects are JSON, or JSON as a whole, which is ours.",
    },
    "twilio": {
        "header user-agent": NAMED,
        "header x-twilio-client": NAMED,
        "header accept-charset": "RFC 9110 section 12.5.2 deprecates it; JSON is UTF-8 all the same.",
        "header accept-encoding": PLAIN,
        "header connection": SPELT_OUT,
    },
}
"""By kind: the fields that differ, and why."""


def is_form(received: Received) -> bool:
    """Whether the body is one, and no JSON."""
    return received.headers["content-type"].startswith(FORM)


def decoded(received: Received) -> dict[str, Any]:
    """The body's fields; those of a form are texts, where they do not hold a JSON object or array."""
    if not is_form(received):
        return dict(json.loads(received.body))
    pairs = parse_qsl(received.body.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    return {name: unpacked(value) for name, value in pairs}


def unpacked(value: str) -> Any:
    """The object or array that a form's field holds as JSON; any other text as it is."""
    try:
        return json.loads(value) if value.startswith(("{", "[")) else value
    except ValueError:
        return value


def leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Every value below this one, by its path."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(f"{name} {key}", item)
    if not items:
        yield name, value


def fields(received: Received, *, as_text: bool) -> dict[str, Any]:
    """The request taken apart, but for two headers that say nothing of their own: Content-Length and Host."""
    url = urlsplit(received.path)
    found: dict[str, Any] = {"method": received.method, "path": url.path, "query": url.query}
    found |= {f"header {name}": value for name, value in received.headers.items() if name not in IMPLIED}
    for name, value in leaves("body", decoded(received)):
        found[name] = json.dumps(value) if as_text and not isinstance(value, str) else value
    return found


def differences(ours: Received, theirs: Received) -> dict[str, tuple[Any, Any]]:
    """The two values of each field that differs; a number is its digits where one of the two bodies is a form."""
    as_text = is_form(ours) != is_form(theirs)
    left, right = fields(ours, as_text=as_text), fields(theirs, as_text=as_text)
    return {name: both for name in left | right if (both := (left.get(name), right.get(name)))[0] != both[1]}


@pytest.mark.parametrize("name", ALERTS)
@pytest.mark.parametrize("kind", CLIENTS)
def test_the_official_client_sends_the_same_but_for_what_is_listed(
    kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Exchange(kind) as exchange:
        exchange.send(ALERTS["short"])  # so that what follows is a reply to it, where the provider has such
        (ours,) = exchange.send(ALERTS[name])
        exchange.standin.received.clear()
        CLIENTS[kind](f"http://127.0.0.1:{exchange.standin.port}", decoded(ours), ours.headers)
        (theirs,) = exchange.standin.received
    found = differences(ours, theirs)
    assert {field: both for field, both in found.items() if field not in DIFFERENCES[kind]} == {}
    assert [field for field in DIFFERENCES[kind] if field not in found] == []


@pytest.mark.parametrize("kind", ["slack", "twilio"])
def test_a_field_that_is_missing_or_new_is_a_difference(kind: str) -> None:
    with Exchange(kind) as exchange:
        (ours,) = exchange.send(ALERTS["short"])
    name = next(iter(decoded(ours)))
    renamed = rewritten(ours, lambda body: body.update({f"{name}s": body.pop(name)}))
    assert differences(ours, ours) == {}
    assert differences(ours, renamed).keys() == {f"body {name}", f"body {name}s"}
