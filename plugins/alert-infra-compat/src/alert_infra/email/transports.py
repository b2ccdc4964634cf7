"""Alerts by e-mail through Resend, SendGrid or SMTP, with the subject and the text of alert-infra."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeVar

from alert_core import Secret
from alert_core.text import escape_html, one_line
from alert_infra.alert import Alert
from alert_infra.apps.http import HttpClient, UrllibHttpClient, post
from alert_infra.email.smtp import as_old_smtp_error, send_mail
from alert_infra.exceptions import AlertConfigurationError, AlertTransportError

EmailSender = Callable[[Sequence[str], str, str, str], None]
_N = TypeVar("_N")


def format_alert_subject(alert: Alert) -> str:
    """`[SEVERITY] title`, in one line."""
    return one_line(f"[{alert.severity.upper()}] {alert.title}")


def format_alert_body(alert: Alert) -> str:
    """The alert as plain text."""
    lines = [
        format_alert_subject(alert),
        "",
        alert.message,
        "",
        f"Source: {alert.source or 'unknown'}",
        f"Created at: {alert.created_at.isoformat()}",
        f"Correlation ID: {alert.correlation_id}",
    ]
    if alert.request_id:
        lines.append(f"Request ID: {alert.request_id}")
    if alert.tags:
        lines.append(f"Tags: {', '.join(alert.tags)}")
    if alert.metadata:
        lines += ["", "Metadata:", *(f"- {key}: {value}" for key, value in alert.metadata.items())]
    return "\n".join(lines)


def html_of(body: str) -> str:
    """A plain text as HTML: its lines escaped, and joined with `<br>`."""
    return "<br>".join(map(escape_html, body.splitlines()))


def _addresses(value: str | Sequence[str] | None) -> list[str]:
    """A list of addresses, from a list or from a text with commas."""
    items = value.split(",") if isinstance(value, str) else value or ()
    return [address for item in items if (address := str(item).strip())]


def number(kind: Callable[[Any], _N], name: str, value: Any) -> _N:
    """Return what `kind`, as int or float, makes of a setting.

    Raises:
        AlertConfigurationError: it is no number; `name` says where.
    """
    try:
        return kind(value)
    except (TypeError, ValueError):
        raise AlertConfigurationError(f"{name} must be a number") from None


class EmailTransport:
    """What the transports have in common: a sender and recipients."""

    def __init__(self, from_email: str, to_emails: Sequence[str], timeout: float) -> None:
        if not from_email:
            raise AlertConfigurationError("from_email is required")
        self.from_email = from_email
        self.to_emails = _addresses(to_emails)
        if not self.to_emails:
            raise AlertConfigurationError("at least one recipient is required")
        self.timeout = timeout


def _from_env(prefix: str, required: str) -> dict[str, Any]:
    """Sender, recipients, and the one variable that each transport must have, by the names of their arguments."""
    if not (value := os.environ.get(f"{prefix}{required}")):
        raise AlertConfigurationError(f"{prefix}{required} is required")
    from_email = os.environ.get("ALERT_FROM_EMAIL") or os.environ.get(f"{prefix}FROM_EMAIL") or ""
    to_emails = os.environ.get("ALERT_TO_EMAILS") or os.environ.get(f"{prefix}TO_EMAILS")
    return {required.lower(): value, "from_email": from_email, "to_emails": to_emails}


class _ApiEmailTransport(EmailTransport):
    """A provider's HTTP API, with a key."""

    _provider: ClassVar[str]

    def __init__(
        self,
        api_key: str,
        from_email: str,
        to_emails: Sequence[str],
        *,
        timeout: float,
        api_url: str,
        http_client: HttpClient | None,
    ) -> None:
        if not api_key:
            raise AlertConfigurationError(f"{self._provider} api_key is required")
        super().__init__(from_email, to_emails, timeout)
        self.api_key = api_key
        self.api_url = api_url
        self.http_client = http_client or UrllibHttpClient()
        Secret(str(api_key))  # so that no alert tells it

    def build_payload(self, alert: Alert) -> dict[str, Any]:
        """The body that the provider is asked to send."""
        raise NotImplementedError

    def send(self, alert: Alert) -> None:
        """Post once.

        Raises:
            AlertTransportError: retryable or not.
        """
        post(
            f"{self._provider} email",
            self.http_client,
            self.api_url,
            json=self.build_payload(alert),
            headers={"Authorization": f"Bearer {self.api_key}"},
            timeout=self.timeout,
        )


class ResendEmailTransport(_ApiEmailTransport):
    """Send through Resend.

    Args:
        api_key: a credential.
        from_email: the sender.
        to_emails: the recipients.
        timeout: seconds.
        api_url: the endpoint's whole URL.
        http_client: default: alert-core's.

    Raises:
        AlertConfigurationError: the key, the sender or the recipients are missing.
    """

    name = "email.resend"
    _provider = "Resend"

    def __init__(
        self,
        *,
        api_key: str,
        from_email: str,
        to_emails: Sequence[str],
        timeout: float = 8.0,
        api_url: str = "https://api.resend.com/emails",
        http_client: HttpClient | None = None,
    ) -> None:
        super().__init__(api_key, from_email, to_emails, timeout=timeout, api_url=api_url, http_client=http_client)

    @classmethod
    def from_env(cls, *, prefix: str = "ALERT_RESEND_", **kwargs: Any) -> Self:
        """Take `<prefix>API_KEY`, sender and recipients from the environment; `kwargs` are the constructor's."""
        return cls(**_from_env(prefix, "API_KEY"), **kwargs)

    def build_payload(self, alert: Alert) -> dict[str, Any]:
        """The body of POST /emails."""
        body = format_alert_body(alert)
        return {
            "from": self.from_email,
            "to": self.to_emails,
            "subject": format_alert_subject(alert),
            "text": body,
            "html": html_of(body),
        }


class SendGridEmailTransport(_ApiEmailTransport):
    """Send through SendGrid; arguments as of `ResendEmailTransport`."""

    name = "email.sendgrid"
    _provider = "SendGrid"

    def __init__(
        self,
        *,
        api_key: str,
        from_email: str,
        to_emails: Sequence[str],
        timeout: float = 8.0,
        api_url: str = "https://api.sendgrid.com/v3/mail/send",
        http_client: HttpClient | None = None,
    ) -> None:
        super().__init__(api_key, from_email, to_emails, timeout=timeout, api_url=api_url, http_client=http_client)

    @classmethod
    def from_env(cls, *, prefix: str = "ALERT_SENDGRID_", **kwargs: Any) -> Self:
        """Take `<prefix>API_KEY`, sender and recipients from the environment; `kwargs` are the constructor's."""
        return cls(**_from_env(prefix, "API_KEY"), **kwargs)

    def build_payload(self, alert: Alert) -> dict[str, Any]:
        """The body of POST /v3/mail/send."""
        body = format_alert_body(alert)
        return {
            "personalizations": [{"to": [{"email": address} for address in self.to_emails]}],
            "from": {"email": self.from_email},
            "subject": format_alert_subject(alert),
            "content": [{"type": "text/plain", "value": body}, {"type": "text/html", "value": html_of(body)}],
        }


class SMTPEmailTransport(EmailTransport):
    """Send through an SMTP server, or through a function of the application's own.

    Args:
        host: the server's name, which its certificate must have.
        port: 587 for STARTTLS, 465 for TLS from the start.
        from_email: the sender.
        to_emails: the recipients.
        username: for the login, where there is one.
        password: for the login; a credential.
        use_tls: False: in plain text.
        timeout: seconds, of the whole attempt.
        sender: takes recipients, subject, text and HTML, and sends them; default: alert-smtp's connection.

    Raises:
        AlertConfigurationError: the host, the sender or the recipients are missing, or the port is no number.
    """

    name = "email.smtp"

    def __init__(  # noqa: PLR0913 - alert-infra's arguments
        self,
        *,
        host: str,
        port: int = 587,
        from_email: str,
        to_emails: Sequence[str],
        username: str | None = None,
        password: str | None = None,
        use_tls: bool = True,
        timeout: float = 8.0,
        sender: EmailSender | None = None,
    ) -> None:
        if not host:
            raise AlertConfigurationError("SMTP host is required")
        super().__init__(from_email, to_emails, timeout)
        self.host = host
        self.port = number(int, "SMTP port", port)
        self.username = username
        self.password = password
        self.use_tls = use_tls
        self.sender = sender or self._send_via_smtp
        if password:
            Secret(str(password))  # so that no alert tells it

    @classmethod
    def from_env(cls, *, prefix: str = "ALERT_SMTP_", **kwargs: Any) -> Self:
        """Take `<prefix>HOST`, PORT, USERNAME, PASSWORD, USE_TLS, sender and recipients from the environment.

        USE_TLS is off as `false`, `0` or `no`. `kwargs` are the constructor's.
        """
        return cls(
            **_from_env(prefix, "HOST"),
            port=number(int, f"{prefix}PORT", os.environ.get(f"{prefix}PORT") or "587"),
            username=os.environ.get(f"{prefix}USERNAME"),
            password=os.environ.get(f"{prefix}PASSWORD"),
            use_tls=is_on(os.environ.get(f"{prefix}USE_TLS")),
            **kwargs,
        )

    def send(self, alert: Alert) -> None:
        """Hand over once.

        Raises:
            AlertTransportError: retryable or not.
        """
        body = format_alert_body(alert)
        try:
            self.sender(self.to_emails, format_alert_subject(alert), body, html_of(body))
        except AlertTransportError:
            raise
        except Exception as error:  # noqa: BLE001 - the sender is anybody's
            fault = as_old_smtp_error("SMTP email", error)
        else:
            return
        raise fault  # here, so that it has no context

    def _send_via_smtp(self, recipients: Sequence[str], subject: str, body: str, html: str) -> None:
        send_mail(
            self.host,
            self.port,
            sender=self.from_email,
            recipients=recipients,
            parts=(subject, body, html),
            login=(self.username, self.password) if self.username and self.password else None,
            use_tls=self.use_tls,
            timeout=self.timeout,
        )


def is_on(value: str | None) -> bool:
    """A switch in the environment that is on unless it is `false`, `0` or `no`."""
    return (value or "true").strip().lower() not in {"0", "false", "no"}
