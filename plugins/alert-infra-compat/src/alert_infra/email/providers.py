"""The providers of the template mails, configured by Django's settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from alert_infra.apps.http import UrllibHttpClient
from alert_infra.email.interfaces import EmailProvider
from alert_infra.email.smtp import send_mail
from alert_infra.exceptions import AlertConfigurationError

_TIMEOUT: Final = 8.0


class ResendProvider(EmailProvider):
    """Resend, by the settings RESEND_API_KEY and DEFAULT_FROM_EMAIL."""

    name = "resend"

    def send(self, to: Sequence[str], subject: str, html: str, text: str) -> None:
        """Post once."""
        mail = {"from": _setting("DEFAULT_FROM_EMAIL"), "to": list(to), "subject": subject, "html": html, "text": text}
        _post("https://api.resend.com/emails", "RESEND_API_KEY", mail)


class SendGridProvider(EmailProvider):
    """SendGrid, by the settings SENDGRID_API_KEY and DEFAULT_FROM_EMAIL."""

    name = "sendgrid"

    def send(self, to: Sequence[str], subject: str, html: str, text: str) -> None:
        """Post once."""
        mail = {
            "personalizations": [{"to": [{"email": address} for address in to]}],
            "from": {"email": _setting("DEFAULT_FROM_EMAIL")},
            "subject": subject,
            "content": [{"type": "text/plain", "value": text}, {"type": "text/html", "value": html}],
        }
        _post("https://api.sendgrid.com/v3/mail/send", "SENDGRID_API_KEY", mail)


class SMTPProvider(EmailProvider):
    """An SMTP server with STARTTLS and a login.

    By the settings SMTP_HOST, SMTP_PORT, SMTP_HOST_USER, SMTP_HOST_PASSWORD and DEFAULT_FROM_EMAIL.
    """

    name = "smtp"

    def send(self, to: Sequence[str], subject: str, html: str, text: str) -> None:
        """Hand over once."""
        send_mail(
            _setting("SMTP_HOST"),
            int(_setting("SMTP_PORT")),
            sender=_setting("DEFAULT_FROM_EMAIL"),
            recipients=to,
            parts=(subject, text, html),
            login=(_setting("SMTP_HOST_USER"), _setting("SMTP_HOST_PASSWORD")),
            use_tls=True,
            timeout=_TIMEOUT,
        )


def _post(url: str, key: str, mail: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {_setting(key)}"}
    UrllibHttpClient().post(url, json=mail, headers=headers, timeout=_TIMEOUT)


def _setting(name: str) -> Any:
    from django.conf import settings

    value = getattr(settings, name, None)
    if not value:
        raise AlertConfigurationError(f"the setting {name} is required")
    return value
