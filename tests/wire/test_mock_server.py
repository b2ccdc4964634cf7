"""A server that Prism makes of each vendor's published specification takes what our transports send to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx
import pytest
from tests.wire.exchange import ALERTS, DOCUMENTS, Exchange, rewritten, transport, without_header

from alert_core import Dispatcher
from alert_core.plugins import Plugins
from alert_core.testing import Received

pytestmark = pytest.mark.needs("prism", modules=["openapi_schema_validator", "yaml"])

Change = Callable[[dict[str, Any]], object]
BROKEN: Final[Mapping[str, Change]] = {
    "castbrick": lambda body: body.pop("content"),
    "resend": lambda body: body.pop("subject"),
    "sendgrid": lambda body: body.update({"from": "alerts@example.com"}),
    "twilio": lambda body: body.pop("To"),
    "vonage": lambda body: body.update(to="+44"),
}


@pytest.fixture(scope="module", params=sorted(DOCUMENTS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind whose vendor publishes a specification."""
    return str(request.param)


@pytest.fixture(scope="module")
def dispatcher(kind: str, mock_servers: Mapping[str, str]) -> Iterator[Dispatcher]:
    """Whose one target is the vendor's mock server."""
    made = transport(kind, mock_servers[kind], timeout=60)  # no test of how fast Prism is
    with Dispatcher([made], plugins=Plugins()) as dispatcher:
        yield dispatcher


def replay(received: Received, origin: str) -> int:
    """Send a request again, to another server; the status of the answer."""
    headers = {name: value for name, value in received.headers.items() if name not in ("host", "content-length")}
    url = f"{origin}{received.path}"
    return httpx.request(received.method, url, headers=headers, content=received.body, timeout=60).status_code


@pytest.mark.parametrize("name", ALERTS)
def test_the_mock_server_takes_every_alert(dispatcher: Dispatcher, name: str) -> None:
    report = dispatcher.send(ALERTS[name])
    report.raise_for_failures()
    assert [delivery.outcome for delivery in report.deliveries] == ["delivered"]


def test_it_refuses_the_same_request_once_broken(kind: str, mock_servers: Mapping[str, str]) -> None:
    with Exchange(kind) as exchange:
        (received,) = exchange.send(ALERTS["short"])
    assert replay(received, mock_servers[kind]) in (200, 201, 202)
    assert replay(rewritten(received, BROKEN[kind]), mock_servers[kind]) in (400, 422)


@pytest.mark.parametrize("kind", ["castbrick", "resend", "sendgrid", "twilio"])
def test_it_refuses_a_request_without_credentials(kind: str, mock_servers: Mapping[str, str]) -> None:
    with Exchange(kind) as exchange:
        (received,) = exchange.send(ALERTS["short"])
    assert replay(without_header(received, "authorization"), mock_servers[kind]) == 401
