"""The kind `django`: alerts through the project's mail backend, with its templates."""

import smtplib
import ssl
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend

from alert_core import (
    Alert,
    ConfigError,
    DeliveryError,
    PermanentDeliveryError,
    RetryableDeliveryError,
    UncertainDeliveryError,
)
from alert_django import get_dispatcher, send_alert
from alert_django.mail import DjangoTransport

Configure = Callable[..., None]
TO = ("ops@example.org", "Boss <boss@example.org>")
TEMPLATES: dict[str, Any] = {
    "subject_template": "alerts/email_subject.txt",
    "body_template": "alerts/email_body.txt",
    "html_template": "alerts/email_body.html",
    "template_context": {"product_name": "Billing", "alert": "never"},
}


class Backend(BaseEmailBackend):
    """Does what it is told."""

    opening: ClassVar[BaseException | None] = None
    sending: ClassVar[Any] = 1
    timeouts: ClassVar[list[float]] = []

    timeout = 60.0

    def open(self) -> None:
        self.timeouts.append(self.timeout)
        if self.opening is not None:
            raise self.opening

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        if isinstance(self.sending, BaseException):
            raise self.sending
        count: int = self.sending
        return count

    def close(self) -> None:
        raise smtplib.SMTPServerDisconnected("after the answer")


@pytest.fixture
def backend(use_mail: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> type[Backend]:
    """Takes the place of the settings' backend."""
    monkeypatch.setattr("django.core.mail.backends.dummy.EmailBackend", Backend)
    monkeypatch.setattr(Backend, "timeouts", [])
    use_mail("dummy")
    return Backend


def an_alert(title: str = "Disk <full> & more", **fields: Any) -> Alert:
    return Alert(title, "No space left\non <var> & tmp", severity="critical", tags=["disk", "prod"], **fields)


def sent(alert: Alert, **options: Any) -> Any:
    """The mail that the project's backend got."""
    mail.outbox = []
    try:
        DjangoTransport(**{"name": "mail", "to_emails": TO, **options}).send(alert)
        (message,) = mail.outbox
    finally:
        del mail.outbox
    return message


def html_of(message: Any) -> str:
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return str(content)


def test_without_templates_it_is_the_mail_of_every_transport() -> None:
    message = sent(an_alert())
    assert message.subject == "[CRITICAL] Disk <full> & more"
    assert "No space left\non <var> & tmp" in message.body
    assert "Disk &lt;full&gt; &amp; more" in html_of(message)
    assert message.from_email == "alerts@example.org"
    assert message.to == list(TO)


def test_two_attempts_have_one_message_id_and_an_evolved_alert_another() -> None:
    alert = an_alert()
    first, second, third = sent(alert), sent(alert), sent(alert.evolve(title="Disk empty"))
    assert first.extra_headers == second.extra_headers
    assert first.extra_headers["Message-ID"] != third.extra_headers["Message-ID"]

    assert first.message()["Auto-Submitted"] == "auto-generated"


def test_the_seeds_templates_make_the_mail() -> None:
    alert = an_alert(source="billing", metadata={"invoice_id": "INV-1"})
    message = sent(alert, **TEMPLATES)
    assert message.subject == "Billing CRITICAL: Disk <full> & more"
    assert message.body.splitlines() == [
        "No space left",
        "on <var> & tmp",
        "",
        "Source: billing",
        f"Correlation ID: {alert.correlation_id}",
        "Invoice: INV-1",
        "Tags: disk, prod; severity: critical",
    ]
    assert html_of(message) == "<h1>Disk &lt;full&gt; &amp; more</h1>\n<p>No space left\non &lt;var&gt; &amp; tmp</p>"


def test_a_template_of_the_text_alone_gives_the_html_too() -> None:
    message = sent(an_alert(), body_template="alerts/email_body.txt")
    assert html_of(message).startswith("No space left<br>\non &lt;var&gt; &amp; tmp<br>")
    assert message.subject == "[CRITICAL] Disk <full> & more"


def test_a_long_subject_is_cut_and_one_line() -> None:
    message = sent(an_alert("x" * 500 + "\r\nBcc: everybody@example.org"), **TEMPLATES)
    assert len(message.subject) <= 200
    assert "\n" not in message.subject
    assert "\n" not in sent(an_alert("a\r\nBcc: everybody@example.org"), **TEMPLATES).subject


@pytest.mark.parametrize("name", ["alerts/broken.txt", "alerts/absent.txt"])
def test_a_template_that_fails_costs_no_alert(name: str, caplog: pytest.LogCaptureFixture) -> None:
    message = sent(an_alert(), subject_template=name, body_template=name, html_template=name)
    assert message.subject == "[CRITICAL] Disk <full> & more"
    assert "No space left" in message.body
    assert "No space left" in html_of(message)
    assert f"the template {name} failed (Template" in caplog.text


@pytest.mark.parametrize("admins", [["ops@example.org"], [("Ops", "ops@example.org")]])
def test_without_recipients_the_admins_get_it(configure: Configure, admins: list[Any]) -> None:
    configure(ADMINS=admins)
    assert sent(an_alert(), to_emails=None).to == ["ops@example.org"]


def test_the_sender_may_be_another() -> None:
    assert sent(an_alert(), from_email="Alerts <a@example.com>").from_email == "Alerts <a@example.com>"


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"to_emails": ["nobody"]}, "to_emails: address 1: must be an e-mail address"),
        ({"to_emails": None}, "to_emails: required option missing: nobody is in ADMINS"),
        ({"from_email": "nobody"}, "from_email: must be an e-mail address"),
        ({"using": "nightly"}, "using: MAILERS of the settings has no such mailer"),
    ],
)
def test_a_wrong_option_is_told(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        DjangoTransport(**{"to_emails": TO, **options})


def test_a_sender_in_the_settings_that_is_no_address_is_told(configure: Configure) -> None:
    configure(DEFAULT_FROM_EMAIL="nobody")
    with pytest.raises(PermanentDeliveryError, match="DEFAULT_FROM_EMAIL"):
        sent(an_alert())


class ApiError(Exception):
    """As django-anymail raises."""

    def __init__(self, status_code: int) -> None:
        super().__init__("to ops@example.org with key-4711")
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (smtplib.SMTPRecipientsRefused({"ops@example.org": (550, b"no")}), PermanentDeliveryError),
        (smtplib.SMTPRecipientsRefused({"a": (450, b""), "b": (550, b"")}), RetryableDeliveryError),
        (smtplib.SMTPSenderRefused(553, b"no", "alerts@example.org"), PermanentDeliveryError),
        (smtplib.SMTPDataError(452, b"full"), RetryableDeliveryError),
        (smtplib.SMTPDataError(250, b"what?"), UncertainDeliveryError),
        (smtplib.SMTPServerDisconnected("gone"), UncertainDeliveryError),
        (TimeoutError(), UncertainDeliveryError),
        (ValueError("a line break"), PermanentDeliveryError),
        (ApiError(401), PermanentDeliveryError),
        (ApiError(429), RetryableDeliveryError),
        (ApiError(503), RetryableDeliveryError),
        (ApiError(500), UncertainDeliveryError),
    ],
)
def test_what_the_backend_raises_while_sending_has_its_outcome(
    backend: type[Backend], monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[DeliveryError]
) -> None:
    monkeypatch.setattr(backend, "sending", error)
    with pytest.raises(kind) as raised:
        DjangoTransport(to_emails=TO).send(an_alert())
    assert "example.org" not in str(raised.value)
    assert "key-4711" not in str(raised.value)
    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectionRefusedError(), RetryableDeliveryError),
        (TimeoutError(), RetryableDeliveryError),
        (smtplib.SMTPServerDisconnected("gone"), RetryableDeliveryError),
        (smtplib.SMTPConnectError(421, b"busy"), RetryableDeliveryError),
        (smtplib.SMTPConnectError(554, b"no"), RetryableDeliveryError),
        (smtplib.SMTPAuthenticationError(535, b"no"), PermanentDeliveryError),
        (smtplib.SMTPAuthenticationError(454, b"later"), RetryableDeliveryError),
        (smtplib.SMTPNotSupportedError("STARTTLS"), PermanentDeliveryError),
        (ssl.SSLCertVerificationError("expired"), PermanentDeliveryError),
    ],
)
def test_what_the_backend_raises_while_it_connects_has_its_outcome(
    backend: type[Backend], monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[DeliveryError]
) -> None:
    monkeypatch.setattr(backend, "opening", error)
    with pytest.raises(kind):
        DjangoTransport(to_emails=TO).send(an_alert())


def test_another_error_of_a_backend_is_uncertain(
    backend: type[Backend], monkeypatch: pytest.MonkeyPatch, configure: Configure
) -> None:
    monkeypatch.setattr(backend, "sending", LookupError("ops@example.org"))
    configure(ALERTS={"targets": {"mail": {"type": "django", "to_emails": TO, "retry": {"attempts": 1}}}})
    report = send_alert(title="t", message="m")
    assert report.uncertain == ("mail",)


def test_nothing_sent_is_tried_again_and_a_backend_that_says_nothing_is_trusted(
    backend: type[Backend], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backend, "sending", 0)
    with pytest.raises(RetryableDeliveryError, match="sent nothing"):
        DjangoTransport(to_emails=TO).send(an_alert())
    monkeypatch.setattr(backend, "sending", None)
    assert DjangoTransport(to_emails=TO).send(an_alert()).id


def test_the_targets_timeout_holds_for_the_mail_server(backend: type[Backend]) -> None:
    DjangoTransport(to_emails=TO, timeout=2.5).send(an_alert())
    assert backend.timeouts == [2.5]


def test_the_environment_alone_never_chooses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_TO_EMAILS", "ops@example.org")
    with pytest.raises(ConfigError, match="nothing is configured"):
        get_dispatcher()
