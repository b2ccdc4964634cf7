"""Alerts by e-mail."""

from alert_infra.email.transports import (
    ResendEmailTransport,
    SendGridEmailTransport,
    SMTPEmailTransport,
    format_alert_body,
    format_alert_subject,
)

__all__ = [
    "ResendEmailTransport",
    "SMTPEmailTransport",
    "SendGridEmailTransport",
    "format_alert_body",
    "format_alert_subject",
]
