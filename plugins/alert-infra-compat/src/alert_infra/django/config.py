"""From Django's settings to a dispatcher."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any, Final

from alert_core import Secret
from alert_infra.apps import SlackWebhookTransport, TelegramBotTransport
from alert_infra.celery import CeleryAlertDispatcher
from alert_infra.django.email import DjangoEmailTransport
from alert_infra.email import ResendEmailTransport, SendGridEmailTransport, SMTPEmailTransport
from alert_infra.email.transports import is_on, number
from alert_infra.exceptions import AlertConfigurationError
from alert_infra.transports import AlertDispatcher, AlertTransport, NoOpTransport

DEFAULTS: Final[dict[str, Any]] = {
    "ENABLED": True,
    "DEFAULT_SEVERITY": "error",
    "REDACT_SENSITIVE_DATA": True,
    "ASYNC": {
        "ENABLED": False,
        "BACKEND": "celery",
        "TASK_NAME": "alert_infra.dispatch_alert",
        "QUEUE": "alerts",
        "MAX_RETRIES": 3,
        "RETRY_BACKOFF": True,
        "RETRY_BACKOFF_MAX": 300,
        "RETRY_JITTER": True,
        "FAIL_SILENTLY": True,
    },
    "EMAIL": {
        "ENABLED": False,
        "BACKEND": "auto",
        "SUBJECT_TEMPLATE": None,
        "BODY_TEMPLATE": None,
        "HTML_TEMPLATE": None,
        "TEMPLATE_CONTEXT": {},
    },
    "SLACK": {"ENABLED": False},
    "TELEGRAM": {"ENABLED": False},
}
_BACKENDS: Final = ("auto", "resend", "sendgrid", "smtp", "django")
_CREDENTIALS: Final = (
    ("EMAIL", "RESEND_API_KEY", "ALERT_RESEND_API_KEY"),
    ("EMAIL", "SENDGRID_API_KEY", "ALERT_SENDGRID_API_KEY"),
    ("EMAIL", "SMTP_PASSWORD", "ALERT_SMTP_PASSWORD"),
    ("SLACK", "WEBHOOK_URL", "ALERT_SLACK_WEBHOOK_URL"),
    ("TELEGRAM", "BOT_TOKEN", "ALERT_TELEGRAM_BOT_TOKEN"),
)
Settings = Mapping[str, Any]


def get_alert_infra_settings() -> dict[str, Any]:
    """`ALERT_INFRA`, else `FEATURE_FLAG_INFRA`, of Django's settings, over the defaults."""
    from django.conf import settings

    given = getattr(settings, "ALERT_INFRA", None)
    if given is None:
        given = getattr(settings, "FEATURE_FLAG_INFRA", None)
    return _merged(copy.deepcopy(DEFAULTS), given or {})


def hide_credentials(settings: Settings) -> None:
    """Mask the settings' credentials from now on: the alert is made before its transports, or where none are made."""
    for table, name, variable in _CREDENTIALS:
        Secret(str(_given(settings.get(table) or {}, name, variable)))


def build_dispatcher(config: Settings | None = None) -> AlertDispatcher:
    """Build a dispatcher of what the settings enable; of a NoOpTransport where they enable nothing.

    Args:
        config: default: Django's settings.

    Raises:
        AlertConfigurationError: what is enabled is incomplete or unsafe.
    """
    settings = config or get_alert_infra_settings()
    if not settings.get("ENABLED", True):
        return AlertDispatcher([NoOpTransport()], enabled=False)
    builders = {"EMAIL": _email, "SLACK": _slack, "TELEGRAM": _telegram}
    tables = {name: settings.get(name) or {} for name in builders}
    transports = [builders[name](table) for name, table in tables.items() if table.get("ENABLED")]
    return AlertDispatcher(transports or [NoOpTransport()])


def build_async_dispatcher(config: Settings | None = None) -> CeleryAlertDispatcher:
    """Build what enqueues through Celery, by the settings' `ASYNC`; `config` as of `build_dispatcher`."""
    settings = config or get_alert_infra_settings()
    return CeleryAlertDispatcher(config=settings.get("ASYNC", {}))


def _merged(base: Settings, override: Settings) -> dict[str, Any]:
    merged = dict(base)
    for name, value in override.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged


def _given(table: Settings, name: str, variable: str) -> Any:
    """A setting, or the environment variable that it falls back to; empty where neither is set."""
    return table.get(name) or os.environ.get(variable) or ""


def _email(table: Settings) -> AlertTransport:
    backend = str(table.get("BACKEND", "auto")).lower()
    if backend not in _BACKENDS:
        known = f"{', '.join(map(repr, _BACKENDS[:-1]))}, and {_BACKENDS[-1]!r}"
        raise AlertConfigurationError(
            f"unsupported email backend {backend!r}; supported alert email backends are {known}"
        )
    keys = {
        "resend": _given(table, "RESEND_API_KEY", "ALERT_RESEND_API_KEY"),
        "sendgrid": _given(table, "SENDGRID_API_KEY", "ALERT_SENDGRID_API_KEY"),
    }
    if backend == "auto":
        backend = next((name for name, key in keys.items() if key), "smtp")
    common = {
        "from_email": _given(table, "FROM_EMAIL", "ALERT_FROM_EMAIL"),
        "to_emails": _given(table, "TO_EMAILS", "ALERT_TO_EMAILS"),
        "timeout": number(float, "EMAIL.TIMEOUT", table.get("TIMEOUT", 8.0)),
    }
    if backend in keys:
        kind = ResendEmailTransport if backend == "resend" else SendGridEmailTransport
        url = table.get(f"{backend.upper()}_API_URL")
        return kind(api_key=keys[backend], **common, **({"api_url": url} if url else {}))
    return _smtp(table, common) if backend == "smtp" else _django(table, common)


def _smtp(table: Settings, common: dict[str, Any]) -> SMTPEmailTransport:
    use_tls = table.get("SMTP_USE_TLS")
    return SMTPEmailTransport(
        host=_given(table, "SMTP_HOST", "ALERT_SMTP_HOST"),
        port=number(int, "EMAIL.SMTP_PORT", _given(table, "SMTP_PORT", "ALERT_SMTP_PORT") or 587),
        username=_given(table, "SMTP_USERNAME", "ALERT_SMTP_USERNAME") or None,
        password=_given(table, "SMTP_PASSWORD", "ALERT_SMTP_PASSWORD") or None,
        use_tls=is_on(os.environ.get("ALERT_SMTP_USE_TLS")) if use_tls is None else bool(use_tls),
        **common,
    )


def _django(table: Settings, common: dict[str, Any]) -> DjangoEmailTransport:
    names: dict[str, Any] = {
        f"{part.lower()}_template_name": table.get(f"{part}_TEMPLATE") or table.get(f"{part}_TEMPLATE_NAME")
        for part in ("SUBJECT", "BODY", "HTML")
    }
    return DjangoEmailTransport(**common, **names, template_context=table.get("TEMPLATE_CONTEXT"))


def _slack(table: Settings) -> SlackWebhookTransport:
    url = _given(table, "WEBHOOK_URL", "ALERT_SLACK_WEBHOOK_URL")
    return SlackWebhookTransport(url, timeout=number(float, "SLACK.TIMEOUT", table.get("TIMEOUT", 5.0)))


def _telegram(table: Settings) -> TelegramBotTransport:
    token = _given(table, "BOT_TOKEN", "ALERT_TELEGRAM_BOT_TOKEN")
    chat_id = _given(table, "CHAT_ID", "ALERT_TELEGRAM_CHAT_ID")
    timeout = number(float, "TELEGRAM.TIMEOUT", table.get("TIMEOUT", 5.0))
    return TelegramBotTransport(token, chat_id, timeout=timeout)
