"""Any bytes on any route: 2xx, a clear 4xx or a 503, and never a hang."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alert_gateway.plugin
from alert_core import Dispatcher
from alert_core.plugins import Plugins
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request
from alert_gateway.plugin import SOURCES

WORDS = """title message description level severity service source status state labels annotations alerts event payload
fingerprint data id commonLabels evalMatches monitorID check_id Message Type MessageId routing_key event_action
heartbeat monitor workflow_run essentials alertContext firing resolved ok critical 0 1 true null""".split()
PATHS = [
    "/", "/alerts", *(f"/alerts/{name}" for name in SOURCES), "/alerts/", "/alerts/x/y", "/heartbeat/job",
    "/heartbeat/\n", "/healthz", "/readyz", "/metrics", "/openapi.json", "//", "/api/overview", "/api/alerts",
    "/api/silences", "/page/app.js", "/page/../gateway.py",
]  # fmt: skip
keys = st.sampled_from(WORDS) | st.text(max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(WORDS)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=5), max_leaves=25
)
bodies = st.one_of(
    st.binary(max_size=200),
    values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(keys, st.text(max_size=20), max_size=5).map(
        lambda form: "&".join(f"{key}={value}" for key, value in form.items()).encode("utf-8", "replace")
    ),
    st.sampled_from([b"[" * 100_000, b"9" * 5000, b'{"a":' * 3000, b"\x1f\x8b", b"\xff\xfe{\x00}\x00", b'"\\ud800"']),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain", "x"]),
        "content-encoding": st.sampled_from(["gzip", "deflate", "br", "identity"]),
        "authorization": st.text(max_size=30) | st.sampled_from(["Bearer tok", "Basic Og==", "Basic dG9rOnRvaw=="]),
        "x-github-delivery": st.text(max_size=5),
        "x-hub-signature-256": st.text(max_size=80),
        "x-amz-sns-message-type": st.sampled_from(["Notification", "SubscriptionConfirmation", "x"]),
        "sentry-hook-resource": st.sampled_from(["issue", "event_alert", "metric_alert", "x"]),
        "host": st.sampled_from(["localhost", "[", "a:b:c", "evil.example"]),
        "origin": st.text(max_size=10),
        "cookie": st.text(max_size=30),
        "if-none-match": st.text(max_size=10),
    },
)
queries = st.dictionaries(
    st.sampled_from(["wait", "token", "limit", "before", "since"]) | st.text(max_size=5), st.text(max_size=9)
)
methods = st.sampled_from(["GET", "HEAD", "POST", "POST", "POST", "PUT", "DELETE", "OPTIONS", "", "\n", "post"])


@pytest.fixture(scope="module")
def gateways() -> Iterator[list[Gateway]]:
    """One without a token, and one with tokens and secrets; a `?wait=` has nothing to wait for."""
    open_ = {
        "targets": {"quiet": {"type": "noop"}},
        "heartbeats": {"job": {"every": 60}},
        "gateway": {"state": ":memory:"},
    }
    closed = open_ | {
        "gateway": {"token": "tok", "page_token": "tok", "state": ":memory:", "rate": "5/1m"},
        "sources": {name: {"secret": "key"} for name in ("github", "grafana", "sentry")},
    }
    plugins = Plugins([alert_gateway.plugin])
    dispatchers = [Dispatcher.from_config(tables, plugins=plugins) for tables in (open_, closed)]
    yield (made := [Gateway(dispatcher) for dispatcher in dispatchers])
    for gateway in made:
        gateway.close()
        gateway.dispatcher.close(0)


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_is_asked_is_answered_and_no_fault_of_ours(gateways: list[Gateway], data: st.DataObject) -> None:
    request = Request(
        method=data.draw(methods),
        path=data.draw(st.sampled_from(PATHS) | st.text(max_size=20)),
        query=data.draw(queries),
        headers=data.draw(headers),
        body=data.draw(bodies),
        peer=data.draw(st.sampled_from([None, "127.0.0.1", "192.0.2.7", "", "x"])),
    )
    for gateway in gateways:
        response = gateway.handle(request)
        assert 200 <= response.status < 500, response.body
        if response.status >= 400:
            problem: dict[str, Any] = json.loads(response.body)
            assert problem["error"]


@settings(max_examples=150)
@given(st.sampled_from(SOURCES), values, headers)
def test_any_json_that_a_source_may_send_is_accepted(
    gateways: list[Gateway], source: str, value: object, given: dict[str, str]
) -> None:
    given = {name: text for name, text in given.items() if name not in {"content-encoding", "host", "origin"}}
    body = json.dumps(value).encode()
    response = gateways[0].handle(Request(method="POST", path=f"/alerts/{source}", headers=given, body=body))
    assert response.status == (403 if source == "sns" else 202), response.body
