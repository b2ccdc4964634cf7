"""The shop with Django and Celery: views, commands, tasks, settings."""

import json
from typing import Any
from unittest import mock

import pytest
from django.core.management import call_command
from django.test import Client, RequestFactory, override_settings

from alert_infra import Alert, AlertConfigurationError, AlertDispatcher, DeliveryResult
from alert_infra.celery import AsyncAlertConfig, AsyncAlertDispatcher, CeleryAlertDispatcher, normalize_async_config
from alert_infra.django import (
    DjangoEmailTransport,
    build_async_dispatcher,
    build_dispatcher,
    get_alert_infra_settings,
    request_metadata,
    send_alert,
)
from alert_infra.django.tasks import dispatch_alert_task
from alert_infra.email.interfaces import EmailProvider
from alert_infra.email.services import EmailService, get_email_service
from alert_infra.email.tasks import send_notify_email_task
from alert_infra.exceptions import AlertConfigError, RetryableAlertTransportError
from application import worker
from application.fixtures import RecordingTransport

QUEUED = {"ASYNC": {"ENABLED": True, "QUEUE": "alerts", "FAIL_SILENTLY": False}}


def queued_messages(app: Any, queue: str) -> list[Any]:
    """What is in a queue of the memory broker: args and kwargs."""
    found: list[Any] = []
    with app.connection_for_read() as connection, connection.SimpleQueue(queue) as simple:
        while True:
            try:
                message = simple.get(block=False)
            except simple.Empty:
                return found
            message.ack()
            args, kwargs, _ = message.decode()
            found.append((args, kwargs))


def test_a_view_tells_with_its_request(outbox: list[Any]) -> None:
    headers = {"Authorization": "Bearer customer-token", "X-Shop-Request": "req-77"}
    response = Client(headers=headers).post("/invoices/7/", {"status": "paid"})
    assert response.status_code == 409
    assert response.json() == {"ok": False, "alert_sent": True, "sent": ["email.django"]}
    (message,) = outbox
    assert message.subject == "Corner Shop WARNING: Suspicious invoice update"
    assert message.from_email == "alerts@example.com"
    assert message.to == ["ops@example.com", "owner@example.com"]
    assert "Invoice: 7" in message.body
    assert "Tags: invoice security" in message.body
    html, kind = message.alternatives[0]
    assert kind == "text/html"
    assert "<li>Request: req-77</li>" in html
    assert "customer-token" not in str(message.message())


def test_a_command_tells_and_fails(outbox: list[Any]) -> None:
    with pytest.raises(TimeoutError):
        call_command("supplier_sync")
    assert outbox[0].subject == "Corner Shop CRITICAL: Supplier sync failed"


def test_a_task_tells_and_fails(outbox: list[Any]) -> None:
    result = worker.process_invoice.apply(args=(5,))
    assert result.state == "FAILURE"
    assert "Invoice: 5" in outbox[0].body
    assert "LookupError" in outbox[0].body


def test_a_request_is_told_without_its_secrets() -> None:
    request = RequestFactory().get("/pay/?token=x", headers={"Cookie": "sid=1", "X-Api-Key": "k", "X-Request-ID": "r"})
    assert request_metadata(request) == {
        "method": "GET",
        "path": "/pay/",
        "request_id": "r",
        "headers": {"Cookie": "[REDACTED]", "X-Api-Key": "[REDACTED]"},
    }


def test_disabled_mode() -> None:
    with override_settings(ALERT_INFRA={"ENABLED": False, "REDACT_SENSITIVE_DATA": True}):
        result = send_alert(title="Test", message="Body", metadata={"token": "secret"})
    assert result.sent == ()
    assert result.failed == {}


def test_nothing_enabled_goes_nowhere() -> None:
    with override_settings(ALERT_INFRA={}):
        assert send_alert(title="Test", message="Body").sent == ("noop",)


def test_settings_have_defaults_and_an_older_name() -> None:
    with override_settings(ALERT_INFRA=None, FEATURE_FLAG_INFRA={"SLACK": {"ENABLED": True}, "ASYNC": {"QUEUE": "q"}}):
        settings = get_alert_infra_settings()
        assert settings["DEFAULT_SEVERITY"] == "error"
        assert settings["SLACK"] == {"ENABLED": True}
        assert settings["ASYNC"]["QUEUE"] == "q"
        assert settings["ASYNC"]["RETRY_BACKOFF_MAX"] == 300
        with pytest.raises(AlertConfigurationError, match="Slack webhook_url is required"):
            build_dispatcher()


def test_mail_is_chosen_by_what_is_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    mail: dict[str, Any] = {"ENABLED": True, "FROM_EMAIL": "a@example.com", "TO_EMAILS": "b@example.com"}

    def name(**more: Any) -> str:
        return build_dispatcher({"EMAIL": {**mail, **more}}).transports[0].name

    monkeypatch.delenv("ALERT_RESEND_API_KEY", raising=False)
    monkeypatch.delenv("ALERT_SENDGRID_API_KEY", raising=False)
    assert name(SMTP_HOST="h") == "email.smtp"
    assert name(SENDGRID_API_KEY="k") == "email.sendgrid"
    assert name(SENDGRID_API_KEY="k", RESEND_API_KEY="k") == "email.resend"
    assert name(BACKEND="django") == "email.django"
    monkeypatch.setenv("ALERT_RESEND_API_KEY", "k")
    assert name(SMTP_HOST="h") == "email.resend"
    with pytest.raises(AlertConfigurationError, match="unsupported email backend"):
        name(BACKEND="pigeon")


def test_a_mail_backend_that_fails_is_a_failed_transport() -> None:
    backend = mock.patch("django.core.mail.backends.locmem.EmailBackend.send_messages", side_effect=OSError)
    with backend:
        result = send_alert(title="Test", message="Body")
    assert result.failed == {"email.django": "RetryableAlertTransportError"}
    assert result.retryable == ("email.django",)
    transport = DjangoEmailTransport(from_email="a@example.com", to_emails=["b@example.com"])
    with backend, pytest.raises(RetryableAlertTransportError):
        transport.send(Alert("t", "m"))


def test_an_alert_goes_through_the_broker_to_the_worker(outbox: list[Any]) -> None:
    with worker.app.connection_for_write(), override_settings(ALERT_INFRA=QUEUED):
        worker.app.set_current()
        result = send_alert(title="Queued", message="m", metadata={"api_key": "s3cr3t-value", "invoice_id": 3})
    assert result == DeliveryResult(sent=("celery",))
    ((args, kwargs),) = queued_messages(worker.app, "alerts")
    assert "s3cr3t-value" not in json.dumps([args, kwargs])
    assert kwargs["async_options"] == {
        "MAX_RETRIES": 3, "RETRY_BACKOFF": True, "RETRY_BACKOFF_MAX": 300, "RETRY_JITTER": True,
    }  # fmt: skip
    assert outbox == []
    worker.app.loader.import_default_modules()
    task = worker.app.tasks["alert_infra.dispatch_alert"]
    ended = task.apply(args=args, kwargs=kwargs)
    assert ended.result == {"sent": ["email.django"], "failed": {}, "retryable": [], "non_retryable": []}
    assert "Invoice: 3" in outbox[0].body


def test_a_retry_is_for_those_that_failed_for_now() -> None:
    mail = RecordingTransport("mail")
    chat = RecordingTransport("chat", TimeoutError())
    bad = RecordingTransport("bad", AlertConfigurationError("x"))
    payload = Alert("t", "m").to_dict()
    with (
        mock.patch("alert_infra.django.tasks.build_dispatcher", return_value=AlertDispatcher([mail, chat, bad])),
        mock.patch("alert_infra.django.tasks.dispatch_alert_task.retry", side_effect=RuntimeError("retried")) as retry,
        pytest.raises(RuntimeError, match="retried"),
    ):
        dispatch_alert_task(payload, async_options={"MAX_RETRIES": 2, "RETRY_BACKOFF": 10, "RETRY_JITTER": False})
    assert retry.call_args.kwargs["args"] == [payload]
    assert retry.call_args.kwargs["kwargs"]["transport_names"] == ["chat"]
    assert retry.call_args.kwargs["countdown"] == 10
    assert retry.call_args.kwargs["max_retries"] == 2


def test_a_retry_sends_to_nobody_twice() -> None:
    mail, chat = RecordingTransport("mail"), RecordingTransport("chat", TimeoutError())
    with mock.patch("alert_infra.django.tasks.build_dispatcher", return_value=AlertDispatcher([mail, chat])):
        options = {"async_options": {"MAX_RETRIES": 2}}
        ended = dispatch_alert_task.apply(args=(Alert("t", "m").to_dict(),), kwargs=options)
    assert isinstance(ended.result, dict)
    assert ended.result["failed"] == {"chat": "TimeoutError"}
    assert (len(mail.alerts), len(chat.alerts)) == (1, 3)


def test_a_broker_that_is_down_fails_silently_or_clearly() -> None:
    app = mock.Mock()
    app.send_task.side_effect = ConnectionError("amqp://user:pw@broker")
    quiet = CeleryAlertDispatcher(celery_app=app).send(Alert("t", "m"))
    assert quiet.failed == {"celery": "ConnectionError"}
    assert quiet.non_retryable == ("celery",)
    with pytest.raises(AlertConfigError) as caught:
        CeleryAlertDispatcher(celery_app=app, config={"FAIL_SILENTLY": False}).send(Alert("t", "m"))
    assert "pw@broker" not in str(caught.value)


def test_the_dispatcher_of_the_settings_can_be_patched() -> None:
    with (
        override_settings(ALERT_INFRA=QUEUED),
        mock.patch("alert_infra.django.config.CeleryAlertDispatcher") as dispatcher,
    ):
        dispatcher.return_value.send.return_value = DeliveryResult(sent=("patched",))
        assert send_alert(title="t", message="m").sent == ("patched",)
        assert dispatcher.call_args.kwargs["config"]["QUEUE"] == "alerts"
    with override_settings(ALERT_INFRA=QUEUED):
        assert isinstance(build_async_dispatcher(), CeleryAlertDispatcher)


def test_reports_enqueue_without_django() -> None:
    recording = RecordingTransport()
    worker.transports[:] = [recording]
    assert worker.reports_dispatcher().send(Alert("Report failed", "m", metadata={"token": "x"})).sent == ("celery",)
    ((args, kwargs),) = queued_messages(worker.plain_app, "reports")
    assert worker.deliver.apply(args=args, kwargs=kwargs).result == ["recording"]
    assert recording.alerts[0].metadata == {"token": "[REDACTED]"}
    task = mock.Mock()
    worker.reports_dispatcher(task=task, celery_app=None).send(Alert("t", "m"), ["recording"])
    assert task.apply_async.call_args.kwargs["queue"] == "reports"
    assert task.apply_async.call_args.kwargs["kwargs"]["transport_names"] == ["recording"]
    assert AsyncAlertDispatcher is CeleryAlertDispatcher
    assert normalize_async_config(None) == AsyncAlertConfig()


class Provider(EmailProvider):
    def __init__(self, name: str, error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.sent: list[Any] = []

    def send(self, to: Any, subject: Any, html: Any, text: Any) -> None:
        if self.error:
            raise self.error
        self.sent.append((to, subject, html, text))


def test_template_mails_go_through_the_first_provider_that_works() -> None:
    assert [provider.name for provider in get_email_service().providers] == ["resend", "sendgrid", "smtp"]
    working = Provider("second")
    service = EmailService([Provider("first", OSError()), working])
    with mock.patch("alert_infra.email.tasks.get_email_service", return_value=service):
        arguments = ("ana@example.com", "Welcome", "alerts/welcome.html", {"context": {"name": "Ana"}})
        assert send_notify_email_task.apply(args=arguments).result == {"status": "sent", "provider": "second"}
        assert send_notify_email_task.apply(args=("nobody", *arguments[1:])).result == {"status": "invalid email"}
    ((to, subject, html, text),) = working.sent
    assert (to, subject) == (["ana@example.com"], "Welcome")
    assert html.strip() == "<p>Welcome, Ana! Write to mailto:help@example.com.</p>"
    assert text == "Please view this email in HTML."
