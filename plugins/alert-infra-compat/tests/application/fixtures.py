"""What the shop's tests share: Django set up, and its mail."""

import os
from collections.abc import Iterator
from typing import Any

import django
import pytest
from django.core import mail
from django.test.utils import setup_test_environment

os.environ["DJANGO_SETTINGS_MODULE"] = "application.settings"
django.setup()
setup_test_environment()


class MockHttpClient:
    """As in the README."""

    def __init__(self, answer: Any = 200) -> None:
        self.calls: list[dict[str, Any]] = []
        self.answer = answer

    def post(self, url: str, *, json: Any, headers: Any = None, timeout: float) -> Any:
        self.calls.append({"url": url, "json": json, "headers": headers, "timeout": timeout})
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class RecordingTransport:
    """As in the README."""

    name = "recording"

    def __init__(self, name: str = "recording", error: Exception | None = None) -> None:
        self.name = name
        self.error = error
        self.alerts: list[Any] = []

    def send(self, alert: Any) -> None:
        self.alerts.append(alert)
        if self.error:
            raise self.error


@pytest.fixture
def outbox() -> Iterator[list[Any]]:
    mail.outbox = []
    yield mail.outbox
    mail.outbox = []


@pytest.fixture
def recording() -> RecordingTransport:
    return RecordingTransport()


@pytest.fixture
def alert_env(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "ALERT_FROM_EMAIL": "alerts@example.com",
        "ALERT_TO_EMAILS": "ops@example.com, owner@example.com",
        "ALERT_RESEND_API_KEY": "resend-from-secret-manager",
        "ALERT_SENDGRID_API_KEY": "sendgrid-from-secret-manager",
        "ALERT_SMTP_HOST": "smtp.example.com",
        "ALERT_SMTP_PORT": "2525",
        "ALERT_SMTP_USERNAME": "alerts",
        "ALERT_SMTP_PASSWORD": "smtp-from-secret-manager",
        "ALERT_SMTP_USE_TLS": "no",
        "ALERT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/from-secret-manager",
        "ALERT_TELEGRAM_BOT_TOKEN": "123456:from-secret-manager",
        "ALERT_TELEGRAM_CHAT_ID": "-1001234567890",
    }.items():
        monkeypatch.setenv(name, value)
