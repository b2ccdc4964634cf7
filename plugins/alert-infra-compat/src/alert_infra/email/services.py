"""A mail through the first provider that takes it."""

from __future__ import annotations

from collections.abc import Sequence

from alert_infra.email.interfaces import EmailProvider
from alert_infra.email.providers import ResendProvider, SendGridProvider, SMTPProvider


class EmailService:
    """Tries providers in turn: by default Resend, SendGrid, SMTP."""

    def __init__(self, providers: Sequence[EmailProvider] | None = None) -> None:
        self.providers = providers or [ResendProvider(), SendGridProvider(), SMTPProvider()]

    def send(self, to: Sequence[str], subject: str, html: str, text: str) -> str:
        """Send one mail to all of `to`; return the name of the provider that took it.

        Raises:
            Exception: what the last provider raised, where none took it.
        """
        fault: Exception = RuntimeError("no email providers configured")
        for provider in self.providers:
            try:
                provider.send(to, subject, html, text)
            except Exception as error:  # noqa: BLE001 - the next one's turn
                fault = error
            else:
                return provider.name
        raise fault


def get_email_service() -> EmailService:
    """Return a service with the default providers."""
    return EmailService()
