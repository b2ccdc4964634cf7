"""The gateway as views of the project, sync and async."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import AsyncClient, Client

from alert_core import Alert
from alert_django import get_dispatcher, views
from alert_gateway.gateway import Gateway

Configure = Callable[..., None]
Ask = Callable[..., Any]
TOKEN = "3f9a7c1e5b2d4806"
ALERTS: dict[str, Any] = {"targets": {"ops": {"type": "memory"}}, "gateway": {"token": TOKEN, "answer_within": 60}}
SHOWN = {"Authorization": f"Bearer {TOKEN}"}


def ask_sync(path: str, **more: Any) -> Any:
    return Client(enforce_csrf_checks=True).post(f"/hooks/{path}", content_type="application/json", **more)


def ask_async(path: str, **more: Any) -> Any:
    async def ask() -> Any:
        client = AsyncClient(enforce_csrf_checks=True)
        return await client.post(f"/ahooks/{path}", content_type="application/json", **more)

    return asyncio.run(ask())


@pytest.fixture(params=[ask_sync, ask_async], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest, configure: Configure) -> Iterator[Ask]:
    """Posts to each kind of view in its turn; CSRF is looked at as in production."""
    configure(ALERTS=ALERTS, MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"])
    yield request.param
    views.close()


def arrived() -> list[Alert]:
    dispatcher = get_dispatcher()
    assert dispatcher.flush(60)
    found: list[Alert] = dispatcher.targets["ops"].alerts
    return found


def test_a_webhook_is_an_alert(ask: Ask) -> None:
    response = ask("alerts", data={"title": "Disk full", "message": "No space left"}, headers=SHOWN)
    assert response.status_code == 202
    assert response["content-type"] == "application/json"
    assert [alert.title for alert in arrived()] == ["Disk full"]


def test_without_a_token_nobody_sends(ask: Ask) -> None:
    response = ask("alerts", data={"title": "Disk full", "message": "No space left"})
    assert response.status_code == 401
    assert "www-authenticate" in response
    assert arrived() == []


def test_a_token_in_the_query_is_seen(ask: Ask) -> None:
    assert ask(f"alerts?token={TOKEN}", data={"title": "t", "message": "m"}).status_code == 202


def test_what_is_below_no_path_of_the_gateway_is_not_found(ask: Ask) -> None:
    assert ask("nonsense", headers=SHOWN).status_code == 404
    assert ask("", headers=SHOWN).status_code in {404, 405}


def test_without_a_token_in_the_settings_only_this_machine_sends(configure: Configure) -> None:
    configure(ALERTS={"targets": ALERTS["targets"]}, ALLOWED_HOSTS=["localhost"])
    alert = {"title": "t", "message": "m"}
    assert ask_sync("alerts", data=alert, headers={"Host": "localhost"}).status_code == 202
    proxied = {"Host": "localhost", "X-Forwarded-For": "192.0.2.7"}
    assert ask_sync("alerts", data=alert, headers=proxied).status_code == 403
    views.close()


def test_changed_settings_are_another_gateway(configure: Configure) -> None:
    configure(ALERTS=ALERTS)
    first = views.gateway()
    assert views.gateway() is first
    configure(ALERTS={**ALERTS, "gateway": {"token": "another-token-4711"}})
    assert views.gateway() is not first
    views.close()


def test_a_body_over_the_limit_is_refused_as_everywhere(ask: Ask) -> None:
    for size in (300_000, 3_000_000):
        response = ask("alerts", data=json.dumps({"title": "x" * size}), headers=SHOWN)
        assert (response.status_code, response["content-type"]) == (413, "application/json")


@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
def test_a_sender_waits_no_longer_than_senders_do(
    configure: Configure, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    configure(ALERTS={**ALERTS, "gateway": {"token": TOKEN, "answer_within": 0.05}})
    go_on = threading.Event()
    handle = Gateway.handle

    def slow(gateway: Gateway, request: Any) -> Any:
        assert go_on.wait(60)
        return handle(gateway, request)

    monkeypatch.setattr(Gateway, "handle", slow)
    response = ask("alerts", data={"title": "t", "message": "m"}, headers=SHOWN)
    assert response.status_code == 503
    assert response["retry-after"] == "5"
    go_on.set()
    views.close()
