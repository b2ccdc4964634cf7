"""Delivery by the old names: who is asked, where, and what of a failure is told."""

from __future__ import annotations

import logging
import smtplib
import socket
import ssl
import threading
import traceback
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
import trustme
from kombu.utils.json import dumps, loads

from alert_core import Alert as CoreAlert
from alert_core import Dispatcher, RetryPolicy
from alert_core.testing import isolated_plugins
from alert_infra import Alert, AlertConfigurationError, AlertDeliveryError, AlertDispatcher, DeliveryResult
from alert_infra.apps import SlackWebhookTransport, TelegramBotTransport
from alert_infra.apps.http import UrllibHttpClient
from alert_infra.celery import CeleryAlertDispatcher
from alert_infra.django import get_alert_infra_settings, send_alert, tasks
from alert_infra.email import ResendEmailTransport, SMTPEmailTransport
from alert_infra.email import smtp as smtp_module
from alert_infra.exceptions import AlertConfigError, NonRetryableAlertTransportError, RetryableAlertTransportError
from alert_infra.transports import NoOpTransport, UnknownTransportError

ALERT = Alert("Payment failed", "No answer")
TOKEN = "987654:AAH-correct-horse-battery-staple-xyz"
MAIL: dict[str, Any] = {"from_email": "alerts@example.com", "to_emails": ["ops@example.com"]}


class Client:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def post(self, url: str, **_: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def test_a_transport_works_in_the_thread_of_its_caller() -> None:
    """What is bound to a thread, as a database transaction, is the application's own."""
    seen: list[Any] = []

    class Own:
        name = "own"

        def send(self, alert: Alert) -> None:
            seen.append((threading.current_thread(), alert))

    assert AlertDispatcher([Own(), Own()]).send(ALERT) == DeliveryResult(sent=("own", "own"))
    assert seen == [(threading.current_thread(), ALERT)] * 2


def test_names_that_match_nothing_are_an_error_that_says_which_there_are_once_the_others_were_tried() -> None:
    noop = NoOpTransport()
    broken = TelegramBotTransport("1:x", "2", http_client=Client(503))
    dispatcher = AlertDispatcher([broken, noop], raise_on_failure=True)
    with pytest.raises(UnknownTransportError, match="no transport is named slak; there are: telegram, noop") as caught:
        dispatcher.send(ALERT, ["slak", "telegram", "noop"])
    assert noop.alerts == [ALERT]
    failed = {"telegram": "RetryableAlertTransportError", "slak": "AlertConfigurationError"}
    assert caught.value.result == DeliveryResult(("noop",), failed, ("telegram",), ("slak",))
    with pytest.raises(AlertConfigurationError, match="there are: none"):
        AlertDispatcher([]).send(ALERT, ["slack"])


def test_a_worker_tells_unknown_names_in_its_result_and_retries_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    noop, client = NoOpTransport(), Client(503)
    telegram = TelegramBotTransport("1:x", "2", http_client=client)
    monkeypatch.setattr(tasks, "build_dispatcher", lambda: AlertDispatcher([telegram, noop]))

    def run(**options: Any) -> Any:
        names = ["slak", "telegram", "noop"]
        return tasks.dispatch_alert_task.apply((ALERT.to_dict(), names, options)).result

    assert run(MAX_RETRIES=0) == {
        "sent": ["noop"],
        "failed": {"telegram": "RetryableAlertTransportError", "slak": "AlertConfigurationError"},
        "retryable": ["telegram"],
        "non_retryable": ["slak"],
    }
    monkeypatch.setattr(client, "post", Mock(side_effect=[503, 200]))
    assert run()["sent"] == ["telegram"]
    assert len(noop.alerts) == 2


def test_metadata_that_looks_like_kombus_own_types_crosses_the_queue() -> None:
    task = Mock()
    marked = {"__type__": "invoice", "__value__": [{"__type__": "uuid", "__value__": 7}]}
    kept = {"__type__": "invoice", "number": 7}
    CeleryAlertDispatcher(task=task).send(Alert("t", "m", metadata={"marked": marked, "kept": kept}))
    (payload,) = loads(dumps(task.apply_async.call_args.kwargs["args"]))
    assert payload["metadata"] == {
        "marked": {"type": "invoice", "__value__": [{"type": "uuid", "__value__": 7}]},
        "kept": kept,
    }


def test_an_alert_for_nobody_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert AlertDispatcher([]).send(ALERT).ok
    assert "sent to nobody" in caplog.text


@pytest.mark.parametrize("answer", [400, 404, 500, 302])
def test_an_error_status_of_an_injected_client_is_a_failure(answer: int) -> None:
    slack = SlackWebhookTransport("https://hooks.slack.com/services/x", http_client=Client(answer))
    assert AlertDispatcher([slack]).send(ALERT).failed


@pytest.mark.parametrize("kind", ["telegram", "smtp", "celery"])
def test_no_failure_tells_a_credential(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    leak = ConnectionError(f"cannot reach https://api.telegram.org/bot{TOKEN}/sendMessage")
    expected: type[Exception] = RetryableAlertTransportError
    send: Callable[[], object]
    if kind == "telegram":
        telegram = TelegramBotTransport(TOKEN, "1", http_client=Client(leak))
        send = lambda: telegram.send(ALERT)  # noqa: E731 - one a kind
    elif kind == "smtp":

        def sender(*_: object) -> None:
            raise smtplib.SMTPException(TOKEN) from leak

        mail = SMTPEmailTransport(host="h", sender=sender, **MAIL)
        send = lambda: mail.send(ALERT)  # noqa: E731 - as above
    else:

        class App:
            def send_task(self, *_: Any, **__: Any) -> None:
                raise leak

        queued = CeleryAlertDispatcher(celery_app=App(), config={"FAIL_SILENTLY": False})
        expected = AlertConfigError
        send = lambda: queued.send(ALERT)  # noqa: E731 - as above
    with caplog.at_level(logging.DEBUG), pytest.raises(expected) as caught:
        send()
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value)) + caplog.text
    assert TOKEN not in told
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_what_a_transport_was_given_shows_in_no_alert() -> None:
    TelegramBotTransport(TOKEN, "1")
    assert "correct-horse-battery" not in str(Alert("t", f"bot {TOKEN} is blocked").to_dict())


@pytest.mark.parametrize("table", ["EMAIL", "environment"])
def test_a_projects_first_alert_tells_no_credential_of_its_settings(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"correct-horse-{table}"
    given: dict[str, Any] = {"ASYNC": {"ENABLED": True}, "SLACK": None}
    if table == "environment":
        monkeypatch.setenv("ALERT_SLACK_WEBHOOK_URL", secret)
    else:
        given[table] = {"SMTP_PASSWORD": secret}
    app = Mock()
    monkeypatch.setattr("django.conf.settings", SimpleNamespace(ALERT_INFRA=given))
    monkeypatch.setattr("celery.current_app", app)
    assert send_alert(title=f"no login with {secret}", message=secret, metadata={"n": secret}).sent == ("celery",)
    assert "[REDACTED" in str(app.mock_calls)
    assert secret not in str(app.mock_calls)


def test_what_is_done_to_the_settings_is_done_to_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("django.conf.settings", SimpleNamespace())
    get_alert_infra_settings()["SLACK"]["ENABLED"] = True
    assert not get_alert_infra_settings()["SLACK"]["ENABLED"]


def test_slack_and_telegram_cut_what_they_would_refuse() -> None:
    long = Alert("t", "<&>" * 2000 + "🚨" * 3000, metadata={"n": "x" * 9000})
    for block in SlackWebhookTransport("https://example.com/x").build_payload(long)["blocks"]:
        assert len(block["text"]["text"].encode("utf-16-le")) // 2 <= 3000
    text = TelegramBotTransport("1:x", "2").build_payload(long)["text"]
    assert len(text.encode("utf-16-le")) // 2 <= 4096


@pytest.mark.parametrize(
    ("url", "timeout"),
    [("http://mail.example.com/x", 1), ("mail", 1), ("https://u:p@x/y", 1), ("https://x/y", 0), ("https://x/y", None)],
)
def test_an_unsafe_url_or_a_timeout_that_is_none_is_refused(url: str, timeout: Any) -> None:
    with pytest.raises(AlertConfigurationError) as caught:
        UrllibHttpClient().post(url, json={}, timeout=timeout)
    assert "example.com" not in str(caught.value)


def test_a_host_that_is_not_there_may_be_tried_again_and_costs_no_socket() -> None:
    with socket.socket() as silent:  # bound and not listening: nobody else gets the port
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        url = f"http://127.0.0.1:{port}/emails"
        result = AlertDispatcher(
            [
                ResendEmailTransport(api_key="key-1", api_url=url, **MAIL),
                SMTPEmailTransport(host="127.0.0.1", port=port, **MAIL),
            ]
        ).send(ALERT)
    assert result.retryable == ("email.resend", "email.smtp")


def test_a_transport_of_old_tells_a_new_dispatcher_what_may_be_tried_again() -> None:
    class Old:
        def __init__(self, name: str, error: Exception) -> None:
            self.name = name
            self.error = error

        def send(self, alert: Any) -> None:
            raise self.error

    class OwnError(AlertDeliveryError):
        code = "own"

        def __init__(self, about: str) -> None:
            self.about = about

    assert OwnError("x").code == "own"
    targets = [
        Old("own", OwnError("x")),
        Old("later", RetryableAlertTransportError("x")),
        Old("never", NonRetryableAlertTransportError("x")),
        Old("wrong", AlertConfigurationError("x")),
        Old("perhaps", AlertDeliveryError("x", "more")),
    ]
    with Dispatcher(targets, retry=RetryPolicy(attempts=1), plugins=isolated_plugins()) as dispatcher:
        report = dispatcher.send(CoreAlert("t", "m"))
    assert report.retryable == ("later",)
    assert report.permanent == ("never", "wrong")
    assert report.uncertain == ("own", "perhaps")


class Mailbox:
    def __init__(self) -> None:
        self.got: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
        self.got.append(envelope.content)
        return "250 OK"


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """The context of a server for localhost, which clients here trust."""
    own = trustme.CA()
    trusting = ssl.create_default_context()
    own.configure_trust(trusting)
    monkeypatch.setattr(smtp_module, "client_context", lambda _: trusting)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(params=["starttls", "tls"])
def mail_server(
    request: pytest.FixtureRequest,
    authority: ssl.SSLContext,
    serve_mail: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, list[bytes]]:
    """A server that takes mail over TLS alone, and knows ASCII addresses alone: its port, and what it got."""
    box = Mailbox()
    if request.param == "tls":
        port = serve_mail(box, ssl_context=authority, enable_SMTPUTF8=False)
        monkeypatch.setattr(smtp_module, "_TLS_PORT", port)
    else:
        port = serve_mail(box, tls_context=authority, require_starttls=True, enable_SMTPUTF8=False)
    return port, box.got


def test_a_mail_goes_over_verified_tls(mail_server: tuple[int, list[bytes]]) -> None:
    port, got = mail_server
    named = {"from_email": "Überwachung <alerts@example.com>", "to_emails": ["Köln <a@example.com>, b@example.com"]}
    SMTPEmailTransport(host="localhost", port=port, **{**MAIL, **named}).send(ALERT)
    assert b"Subject: [ERROR] Payment failed\r\n" in got[0]
    assert b"Message-ID: <" in got[0]
    with pytest.raises(NonRetryableAlertTransportError, match="certificate"):  # which is not for this address
        SMTPEmailTransport(host="127.0.0.1", port=port, **MAIL).send(ALERT)
    assert len(got) == 1
