"""What the tests share: the distribution's fixture, a client of its HTTP side, and requests that the providers like."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from alert_sandbox.environment import ACCOUNT, BOT
from alert_sandbox.exchange import Provider, Request, Taken
from alert_sandbox.providers import new_providers
from alert_sandbox.testing import Sandbox, _running_sandbox, sandbox

__all__ = ["_running_sandbox", "sandbox"]

NOW = datetime(2026, 8, 21, 12, tzinfo=UTC)

GOOD: Mapping[str, Mapping[str, Any]] = {
    "slack": {"path": "/T0/B0/secret", "json": {"text": "Disk full"}},
    "slack-bot": {
        "path": "/chat.postMessage",
        "bearer": "xoxb-1",
        "json": {"channel": "C0123456789", "text": "Disk full"},
    },
    "telegram": {"path": f"/bot{BOT}/sendMessage", "json": {"chat_id": -1001, "text": "Disk full"}},
    "resend": {
        "path": "/emails",
        "bearer": "re_1",
        "json": {"from": "Alerts <a@example.com>", "to": ["o@example.com"], "subject": "Disk full", "text": "98 %"},
    },
    "sendgrid": {
        "path": "/mail/send",
        "bearer": "SG.1",
        "json": {
            "personalizations": [{"to": [{"email": "o@example.com"}]}],
            "from": {"email": "a@example.com"},
            "subject": "Disk full",
            "content": [{"type": "text/plain", "value": "98 %"}, {"type": "text/html", "value": "<b>98 %</b>"}],
        },
    },
    "pagerduty": {
        "path": "/enqueue",
        "json": {
            "routing_key": "k" * 32,
            "event_action": "trigger",
            "dedup_key": "disk",
            "payload": {"summary": "Disk full", "source": "db1", "severity": "critical"},
        },
    },
    "castbrick": {
        "path": "/sms/send",
        "bearer": "cb_1",
        "json": {"recipients": ["+244923000000"], "content": "Disk full"},
    },
    "twilio": {
        "path": f"/Accounts/{ACCOUNT}/Messages.json",
        "basic": f"{ACCOUNT}:token",
        "form": {"To": "+244923000000", "From": "+12025550100", "Body": "Disk full"},
    },
    "vonage": {
        "path": "/sms/json",
        "form": {"api_key": "5a5a5a5a", "api_secret": "s", "to": "244923000000", "from": "Alerts", "text": "Disk full"},
    },
}


def request(kind: str, **changes: Any) -> Request:
    """The good request with changes.

    `body`, `headers`, `path`, `method`, `bearer`, `basic` replace; `json` and `form` are laid over the good fields,
    and a field of None is left out.
    """
    good = GOOD[kind]
    headers = {"user-agent": "test"}
    if bearer := changes.get("bearer", good.get("bearer")):
        headers["authorization"] = f"Bearer {bearer}"
    if basic := changes.get("basic", good.get("basic")):
        headers["authorization"] = "Basic " + base64.b64encode(basic.encode()).decode()
    if "json" in good:
        fields = {**good["json"], **changes.get("json", {})}
        body = json.dumps({k: v for k, v in fields.items() if v is not None}).encode()
        headers["content-type"] = "application/json; charset=utf-8"
    else:
        fields = {**good["form"], **changes.get("form", {})}
        body = urlencode({k: v for k, v in fields.items() if v is not None}).encode()
        headers["content-type"] = "application/x-www-form-urlencoded"
    headers |= changes.get("headers", {})
    return Request(
        method=changes.get("method", "POST"),
        path=changes.get("path", good["path"]),
        query=changes.get("query", ""),
        headers={name: value for name, value in headers.items() if value},
        body=changes.get("body", body),
    )


@pytest.fixture
def clock() -> Callable[..., datetime]:
    """The providers' clock; `clock(advance=timedelta(hours=1))` moves it."""
    state = {"now": NOW}

    def read(advance: Any = None) -> datetime:
        if advance is not None:
            state["now"] += advance
        return state["now"]

    return read


Ask = Callable[..., Taken]


@pytest.fixture
def providers(clock: Callable[..., datetime]) -> Mapping[str, Provider]:
    """One of each, by kind."""
    return {provider.kind: provider for provider in new_providers(clock)}


@pytest.fixture(scope="session")
def make_request() -> Callable[..., Request]:
    """The good request of a kind, with changes; where `ask` is too much."""
    return request


@pytest.fixture
def ask(providers: Mapping[str, Provider]) -> Ask:
    """`ask("slack", json={"text": None})`: what the provider makes of its good request with these changes."""
    return lambda kind, **changes: providers[kind].handle(request(kind, **changes))


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """Speaks to the sandbox."""
    with httpx.Client(base_url=sandbox.url, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
def post(http: httpx.Client, sandbox: Sandbox) -> Callable[..., httpx.Response]:
    """`post("slack", json={…})`: send the good request with these changes; `before` stands before its path."""
    prefixes = {provider.kind: provider.prefix for provider in new_providers()}

    def send(kind: str, *, before: str = "", more: Mapping[str, str] | None = None, **changes: Any) -> httpx.Response:
        made = request(kind, **changes)
        headers = {**made.headers, **(more or {})}
        return http.request(made.method, before + prefixes[kind] + made.path, content=made.body, headers=headers)

    return send
