"""The shop without Django: alerts, dispatchers, transports."""

import copy
import logging
import pickle
import smtplib
from dataclasses import FrozenInstanceError, dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock, Mock

import pytest

from alert_infra import (
    REDACTED,
    SENSITIVE_KEYWORDS,
    VALID_SEVERITIES,
    Alert,
    AlertConfigurationError,
    AlertDeliveryError,
    AlertDispatcher,
    AlertInfraError,
    AlertTransport,
    AlertValidationError,
    DeliveryResult,
    NoOpTransport,
    redact_metadata,
)
from alert_infra.apps import SlackWebhookTransport, TelegramBotTransport
from alert_infra.email import (
    ResendEmailTransport,
    SendGridEmailTransport,
    SMTPEmailTransport,
    format_alert_body,
    format_alert_subject,
)
from alert_infra.exceptions import (
    AlertConfigError,
    AlertTransportError,
    NonRetryableAlertTransportError,
    RetryableAlertTransportError,
)
from alert_infra.security import is_sensitive_key, redact_value
from alert_infra.transports import is_retryable_exception
from application import alerts, billing
from application.fixtures import MockHttpClient, RecordingTransport

INVOICE = {"id": "INV-1001", "amount": 10, "lines": [1, 2], "request_id": "req-01HZY"}


def failing_provider() -> Any:
    return SimpleNamespace(charge=Mock(side_effect=billing.ProviderError), api_key="stripe-live")


def test_a_failed_charge_is_told(recording: RecordingTransport) -> None:
    result = billing.charge(INVOICE, failing_provider(), AlertDispatcher([recording]))
    assert result == DeliveryResult(sent=("recording",))
    assert result.ok
    (alert,) = recording.alerts
    assert (alert.title, alert.severity, alert.source) == ("Payment failure", "critical", "billing-service")
    assert alert.metadata == {"invoice_id": "INV-1001", "lines": (1, 2), "api_key": REDACTED}
    assert alert.request_id == "req-01HZY"
    assert alert.created_at.tzinfo is not None


def test_a_good_charge_is_silent(recording: RecordingTransport) -> None:
    assert billing.charge(INVOICE, Mock(), AlertDispatcher([recording])) is None
    assert recording.alerts == []


def test_a_job_tells_and_fails(recording: RecordingTransport) -> None:
    with pytest.raises(ZeroDivisionError):
        billing.nightly_import(lambda: 1 / 0, AlertDispatcher([recording]))
    assert recording.alerts[0].message == "ZeroDivisionError"
    assert recording.alerts[0].tags == ("import",)


def test_one_broken_transport_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    transports = [
        RecordingTransport("mail", ConnectionError("smtp://user:pw@host")),
        RecordingTransport("chat"),
        RecordingTransport("sms", AlertDeliveryError("no")),
        RecordingTransport("pager", AlertConfigurationError("no")),
        RecordingTransport("bug", KeyError("x")),
    ]
    with caplog.at_level(logging.WARNING, logger="alert_infra.transports"):
        result = AlertDispatcher(transports).send(Alert(title="API outage", message="Health checks are failing."))
    assert not result.ok
    assert result.sent == ("chat",)
    assert result.failed == {
        "mail": "ConnectionError", "sms": "AlertDeliveryError", "pager": "AlertConfigurationError", "bug": "KeyError",
    }  # fmt: skip
    assert result.retryable == ("mail", "sms")
    assert result.non_retryable == ("pager", "bug")
    assert "alert transport mail failed: ConnectionError" in caplog.text
    assert "pw@host" not in caplog.text


def test_transports_are_tried_once_and_in_order() -> None:
    client = MockHttpClient(503)
    sender = Mock(side_effect=lambda *_: client.calls.append({"url": "mail"}))
    mail: dict[str, Any] = {"from_email": "a@example.com", "to_emails": ["ops@example.com"]}
    result = AlertDispatcher(
        [
            ResendEmailTransport(api_key="k", http_client=client, **mail),
            SMTPEmailTransport(host="h", sender=sender, **mail),
            SendGridEmailTransport(api_key="k", http_client=client, **mail),
        ]
    ).send(Alert("t", "m"))
    assert [call["url"].rpartition("/")[2] for call in client.calls] == ["emails", "mail", "send"]
    assert result.sent == ("email.smtp",)
    assert result.retryable == ("email.resend", "email.sendgrid")


def test_raise_on_failure_raises_once_all_were_tried(recording: RecordingTransport) -> None:
    broken = RecordingTransport("broken", OSError())
    dispatcher = AlertDispatcher([broken, recording], raise_on_failure=True)
    with pytest.raises(AlertDeliveryError, match="alert delivery failed for: broken"):
        dispatcher.send(Alert(title="Deployment failed", message="Migration step."))
    assert recording.alerts


def test_names_choose_transports_and_a_disabled_dispatcher_sends_nothing() -> None:
    first, second = RecordingTransport("first"), RecordingTransport("second")
    dispatcher = AlertDispatcher([first, second])
    assert dispatcher.send(Alert("t", "m"), ["second"]).sent == ("second",)
    assert dispatcher.send(Alert("t", "m"), transport_names=None).sent == ("first", "second")
    assert AlertDispatcher([first], enabled=False).send(Alert("t", "m")) == DeliveryResult()
    assert len(first.alerts) == 1


def test_the_alert_arrives_as_the_object_that_was_sent(recording: RecordingTransport) -> None:
    alert = Alert("t", "m")
    logger = logging.getLogger("shop")
    AlertDispatcher([recording], logger_=logger).send(alert)
    assert recording.alerts[0] is alert
    assert isinstance(recording, AlertTransport)
    noop = NoOpTransport()
    assert AlertDispatcher([noop]).send(alert).sent == ("noop",)
    assert noop.alerts == [alert]


def test_an_alert_is_a_frozen_value() -> None:
    alert = Alert(title=" Smoke ", message="ok", severity="INFO", created_at=datetime(2026, 1, 2))  # noqa: DTZ001 - naive
    assert (alert.title, alert.severity) == ("Smoke", "info")
    assert alert.created_at == datetime(2026, 1, 2, tzinfo=UTC)
    with pytest.raises(FrozenInstanceError):
        alert.title = "other"  # type: ignore[misc]
    assert replace(alert, title="Other").correlation_id == alert.correlation_id
    assert pickle.loads(pickle.dumps(alert)) == alert
    assert copy.deepcopy(alert) == alert
    assert Alert("t", "m").correlation_id != Alert("t", "m").correlation_id


@pytest.mark.parametrize("fields", [{"title": " "}, {"message": ""}, {"severity": "fatal"}, {"title": None}])
def test_an_alert_must_say_something(fields: dict[str, Any]) -> None:
    with pytest.raises(AlertValidationError) as caught:
        Alert(**{"title": "t", "message": "m", **fields})
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, AlertInfraError)
    assert frozenset({"info", "warning", "error", "critical"}) == VALID_SEVERITIES


def test_an_alert_goes_to_a_dictionary_and_back() -> None:
    east = timezone(timedelta(hours=5))
    alert = Alert("t", "m", "warning", "s", ("a",), {"token": "x", "n": (1,)}, datetime(2026, 1, 2, 8, tzinfo=east))
    data = alert.to_dict()
    assert list(data) == [
        "title", "message", "severity", "source", "tags", "metadata", "created_at", "correlation_id", "request_id",
    ]  # fmt: skip
    assert data["created_at"] == "2026-01-02T03:00:00+00:00"
    assert data["metadata"] == {"token": REDACTED, "n": (1,)}
    again = Alert.from_dict(data)
    assert again.to_dict() == data
    assert Alert.from_dict({"title": "t", "message": "m"}).severity == "error"


@dataclass
class Card:
    holder: str
    session_token: str


def test_metadata_is_masked_by_its_keys() -> None:
    metadata = {
        "user_id": 7,
        "X-Api-Key": "k",
        "nested": {"refresh_token": "r", "deep": [{"Password": "p"}, {"ok": True}]},
        "card": Card("Ana", "s"),
        "when": datetime(2026, 1, 2, 3, 4),  # noqa: DTZ001 - naive
        "set": {3, 1, 2},
    }
    assert redact_metadata(metadata) == {
        "user_id": 7,
        "X-Api-Key": REDACTED,
        "nested": {"refresh_token": REDACTED, "deep": [{"Password": REDACTED}, {"ok": True}]},
        "card": {"holder": "Ana", "session_token": REDACTED},
        "when": "2026-01-02 03:04:00",
        "set": [1, 2, 3],
    }
    assert redact_metadata(None) == {}
    assert redact_value(("a", 1)) == ("a", 1)
    assert is_sensitive_key("PRIVATE-KEY")
    assert not is_sensitive_key("user_id")
    assert "csrf" in SENSITIVE_KEYWORDS
    with pytest.raises(TypeError):
        redact_metadata(["no", "mapping"])  # type: ignore[arg-type]
    shown = Alert("Debug", "m", metadata={"token": "visible"}, redact_sensitive_data=False)
    assert shown.metadata["token"] == "visible"
    assert shown.to_dict()["metadata"]["token"] == REDACTED


def test_exceptions_say_what_may_be_tried_again() -> None:
    assert is_retryable_exception(AlertDeliveryError("x"))
    assert is_retryable_exception(RetryableAlertTransportError("x"))
    assert is_retryable_exception(TimeoutError())
    assert not is_retryable_exception(NonRetryableAlertTransportError("x"))
    assert not is_retryable_exception(AlertConfigurationError("x"))
    assert not is_retryable_exception(ValueError())
    assert issubclass(AlertConfigurationError, (AlertConfigError, AlertDeliveryError))
    assert issubclass(AlertDeliveryError, AlertTransportError)


@pytest.mark.parametrize("kind", [ResendEmailTransport, SendGridEmailTransport])
def test_mail_by_an_api_has_its_key_in_the_header_alone(kind: Any) -> None:
    client = MockHttpClient(SimpleNamespace(status_code=202))
    transport = kind(
        api_key="test-key", from_email="alerts@example.com", to_emails=["ops@example.com"], http_client=client
    )
    transport.send(Alert(title="Payment failed", message="Failed", metadata={"api_key": "s3cr3t-value"}))
    (call,) = client.calls
    assert call["headers"]["Authorization"] == "Bearer test-key"
    assert call["timeout"] == 8.0
    assert call["json"]["subject"] == "[ERROR] Payment failed"
    assert "s3cr3t-value" not in str(call["json"])
    assert "<br>" in str(call["json"])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (401, NonRetryableAlertTransportError),
        (503, RetryableAlertTransportError),
        (TimeoutError("slow"), RetryableAlertTransportError),
        (AlertConfigurationError("own"), AlertConfigurationError),
    ],
)
def test_a_provider_that_fails_is_told_by_kind(answer: Any, expected: type[Exception]) -> None:
    mail: dict[str, Any] = {"from_email": "alerts@example.com", "to_emails": ["ops@example.com"]}
    with pytest.raises(expected):
        ResendEmailTransport(api_key="k", http_client=MockHttpClient(answer), **mail).send(Alert("t", "m"))


def test_mail_by_a_sender_redacts(alert_env: None) -> None:
    calls: list[Any] = []
    transport = SMTPEmailTransport.from_env(sender=lambda *call: calls.append(call), timeout=3.0)
    transport.send(Alert("Disk", "full", metadata={"api_key": "s3cr3t-value"}, tags=("a", "b"), request_id="r"))
    ((recipients, subject, body, html),) = calls
    assert recipients == ["ops@example.com", "owner@example.com"]
    assert subject == "[ERROR] Disk"
    assert "s3cr3t-value" not in body
    assert "- api_key: [REDACTED]" in body.splitlines()
    assert {"Source: unknown", "Request ID: r", "Tags: a, b", "Metadata:"} <= {*body.splitlines()}
    assert html.split("<br>")[2] == "full"
    assert (transport.host, transport.port, transport.username, transport.use_tls) == (
        "smtp.example.com", 2525, "alerts", False,
    )  # fmt: skip
    assert transport.timeout == 3.0


def test_a_refused_mail_is_told_by_kind() -> None:
    def mail(error: Exception) -> SMTPEmailTransport:
        sender = Mock(side_effect=error)
        return SMTPEmailTransport(host="h", from_email="a@example.com", to_emails=["b@example.com"], sender=sender)

    with pytest.raises(NonRetryableAlertTransportError):
        mail(smtplib.SMTPRecipientsRefused({"b@example.com": (550, b"no")})).send(Alert("t", "m"))
    with pytest.raises(RetryableAlertTransportError):
        mail(smtplib.SMTPDataError(451, b"later")).send(Alert("t", "m"))
    with pytest.raises(RetryableAlertTransportError):
        mail(smtplib.SMTPServerDisconnected("gone")).send(Alert("t", "m"))


def test_slack_gets_text_blocks_and_the_alert() -> None:
    client = MockHttpClient()
    transport = SlackWebhookTransport("https://hooks.slack.com/services/test", http_client=client)
    transport.send(Alert(title="Test", message="Body", metadata={"authorization": "secret"}))
    (call,) = client.calls
    assert call["url"] == "https://hooks.slack.com/services/test"
    assert call["timeout"] == 5.0
    assert call["json"]["text"] == "[ERROR] Test"
    assert call["json"]["blocks"][0]["text"]["text"] == "*[ERROR] Test*\nBody"
    assert call["json"]["metadata"]["metadata"]["authorization"] == "[REDACTED]"


def test_telegram_gets_text_without_a_preview() -> None:
    client = MagicMock()
    TelegramBotTransport("123:t", "-100", http_client=client).send(Alert("Import", "status 1", request_id="r-1"))
    client.post.assert_called_once_with(
        "https://api.telegram.org/bot123:t/sendMessage",
        json={
            "chat_id": "-100",
            "text": "[ERROR] Import\nstatus 1\nSource: unknown\nRequest ID: r-1",
            "disable_web_page_preview": True,
        },
        timeout=5.0,
    )


def test_the_environment_makes_the_dispatcher(alert_env: None) -> None:
    alerts.get_dispatcher.cache_clear()
    dispatcher = alerts.get_dispatcher()
    assert [transport.name for transport in dispatcher.transports] == ["email.smtp", "slack", "telegram"]
    assert alerts.get_dispatcher() is dispatcher
    alerts.get_dispatcher.cache_clear()
    client = MockHttpClient(500)
    with pytest.raises(AlertDeliveryError):
        alerts.mail_only(http_client=client).send(Alert("Deploy", "failed"))
    assert client.calls[0]["json"]["to"] == ["ops@example.com", "owner@example.com"]
    assert SendGridEmailTransport.from_env().api_key == "sendgrid-from-secret-manager"


@pytest.mark.parametrize(
    "make",
    [
        lambda: SlackWebhookTransport("http://hooks.slack.com/x"),
        lambda: SlackWebhookTransport.from_env(env_var="NOT_THERE"),
        lambda: TelegramBotTransport("", "1"),
        lambda: TelegramBotTransport.from_env(token_env="NOT_THERE", chat_env="NOT_THERE"),
        lambda: SMTPEmailTransport(host="", from_email="a@example.com", to_emails=["b@example.com"]),
        lambda: SMTPEmailTransport(host="h", from_email="a@example.com", to_emails=[]),
        lambda: ResendEmailTransport(api_key="k", from_email="", to_emails=["b@example.com"]),
        lambda: SendGridEmailTransport.from_env(prefix="NOT_THERE_"),
    ],
)
def test_what_is_missing_is_told_at_once(make: Any) -> None:
    with pytest.raises(AlertConfigurationError):
        make()


def test_a_transport_of_the_shops_own() -> None:
    client = Mock()
    dispatcher = AlertDispatcher([alerts.PagerDutyTransport(client, "svc_123")])
    assert dispatcher.send(Alert(title="Queue backlog high", message="10,000 jobs", source="queue")).ok
    service, payload = client.trigger_incident.call_args.args
    assert (service, payload["summary"]) == ("svc_123", "[ERROR] Queue backlog high")
    assert payload["custom_details"]["source"] == "queue"
    client.trigger_incident.side_effect = OSError
    result = dispatcher.send(Alert("t", "m"))
    assert result.failed == {"pagerduty": "AlertDeliveryError"}
    assert result.retryable == ("pagerduty",)


def test_the_formats_of_mail() -> None:
    alert = Alert("Disk usage high", "/var is above 90%.", "warning", metadata={"host": "db-1"})
    assert format_alert_subject(alert) == "[WARNING] Disk usage high"
    assert format_alert_body(alert).splitlines()[-1] == "- host: db-1"
