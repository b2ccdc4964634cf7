"""What the tests share: the distribution's fixture, requests that the providers like, and a browser on the page."""

import base64
import importlib
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


PATIENCE = 60


class Page:
    """The inbox in a browser."""

    def __init__(self, driver: Any, sandbox: Sandbox) -> None:
        self.driver = driver
        self.sandbox = sandbox

    def open(self, *, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Load it anew."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        self.driver.get(f"{self.sandbox.url}/")
        self.until("document.getElementById('live').textContent === 'live'")

    def js(self, expression: str, *arguments: Any) -> Any:
        """The value of an expression; `arguments[0]` and so on are given."""
        return self.driver.execute_script(f"return ({expression})", *arguments)

    def until(self, expression: str, *arguments: Any) -> Any:
        """Wait until it is true."""
        wait = importlib.import_module("selenium.webdriver.support.wait").WebDriverWait
        return wait(self.driver, PATIENCE, poll_frequency=0.05).until(
            lambda _: self.js(expression, *arguments), f"{expression} {arguments}"
        )

    def text(self, selector: str) -> str:
        """What is shown there."""
        return str(self.js("document.querySelector(arguments[0]).innerText", selector))

    def click(self, selector: str) -> None:
        """Click, as a person does: where it is covered, that fails."""
        self.driver.find_element("css selector", selector).click()

    def choose(self, selector: str, value: str) -> None:
        """Take an option."""
        self.click(f"{selector} option[value='{value}']" if value != "" else f"{selector} option")

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        chains = importlib.import_module("selenium.webdriver.common.action_chains").ActionChains
        chains(self.driver).send_keys(*keys).perform()

    def titles(self) -> list[str]:
        """Of the messages shown, newest first."""
        rows = "[...document.querySelectorAll('#list li:not([hidden]) .title')].map(row => row.textContent)"
        return list(self.js(rows))

    def shows(self, count: int) -> None:
        """Wait until so many messages are shown."""
        self.until("document.querySelectorAll('#list li:not([hidden])').length === arguments[0]", count)

    def read(self, text: str) -> None:
        """Click the message with that title, and wait until it is shown."""
        rows = self.driver.find_elements("css selector", "#list li:not([hidden]) button")
        next(row for row in rows if text in row.text).click()
        self.until("document.querySelector('#detail h2')?.innerText.includes(arguments[0])", text)

    @property
    def complaints(self) -> list[str]:
        """What the browser's console has of errors."""
        return [json.dumps(entry) for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.fixture
def page(driver: Any, sandbox: Sandbox) -> Iterator[Page]:
    """The inbox, opened; a test that leaves an error in the browser's console fails."""
    made = Page(driver, sandbox)
    made.open()
    driver.get_log("browser")
    yield made
    assert made.complaints == []
    driver.get("about:blank")


@pytest.fixture
def send(sandbox: Sandbox) -> Callable[..., httpx.Response]:
    """`send("slack", {"text": …})`: a message, by JSON, as a client of the provider sends it."""
    at = sandbox.environment()
    places = {
        "slack": (at["ALERT_SLACK_WEBHOOK_URL"], {}),
        "telegram": (f"{at['ALERT_TELEGRAM_API_URL']}/bot{at['ALERT_TELEGRAM_BOT_TOKEN']}/sendMessage", {}),
        "resend": (f"{at['ALERT_RESEND_API_URL']}/emails", {"Authorization": "Bearer re_1"}),
        "pagerduty": (f"{at['ALERT_PAGERDUTY_API_URL']}/enqueue", {}),
        "castbrick": (f"{at['ALERT_CASTBRICK_API_URL']}/sms/send", {"Authorization": "Bearer cb_1"}),
    }
    usual: dict[str, dict[str, Any]] = {
        "telegram": {"chat_id": 7},
        "resend": {"from": "a@example.com", "to": "o@example.com"},
        "pagerduty": {"routing_key": "k" * 32, "event_action": "trigger", "dedup_key": "disk"},
        "castbrick": {"recipients": ["+244923000000"]},
    }

    def post(kind: str, body: dict[str, Any]) -> httpx.Response:
        url, headers = places[kind]
        return httpx.post(url, json={**usual.get(kind, {}), **body}, headers=headers, trust_env=False, timeout=30)

    return post
