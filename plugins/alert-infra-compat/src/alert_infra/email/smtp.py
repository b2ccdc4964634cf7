"""A mail to an SMTP server over alert-smtp's connection, and what its faults are called in alert-infra."""

from __future__ import annotations

import smtplib
import ssl
import time
from collections.abc import Sequence
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from typing import Final

from alert_core import DeliveryError
from alert_core.tls import client_context
from alert_infra.apps.http import as_old_error
from alert_infra.exceptions import AlertDeliveryError, NonRetryableAlertTransportError, RetryableAlertTransportError

_TLS_PORT: Final = 465
"""Speaks TLS from the start (RFC 8314)."""
_TRANSIENT: Final = range(400, 500)


def send_mail(
    host: str,
    port: int,
    *,
    sender: str,
    recipients: Sequence[str],
    parts: tuple[str, str, str],
    login: tuple[str, str] | None,
    use_tls: bool,
    timeout: float,
) -> None:
    """Send one mail to all recipients. TLS is verified, and `timeout` seconds hold for it all.

    Args:
        host: the server's name, which its certificate must have.
        port: with `use_tls`, 465 speaks TLS from the start; any other is asked for STARTTLS.
        sender: From.
        recipients: To.
        parts: subject, text and HTML.
        login: user and password.
        use_tls: False: in plain text.
        timeout: seconds.

    Raises:
        DeliveryError: the server's no, before it had the mail.
        smtplib.SMTPException: its no to the mail; also where only some of the recipients were refused.
        OSError: a fault of the network.
    """
    from alert_smtp.connection import Connection

    message = _message(sender, recipients, *parts)
    connection = Connection(host, port, time.monotonic() + timeout)
    try:
        if use_tls and port == _TLS_PORT:
            connection.encrypt(client_context(None))
        connection.expect("the greeting", 220, connection.getreply())
        connection.greet()
        if use_tls and port != _TLS_PORT:
            connection.start_tls(client_context(None))
        if login:
            connection.log_in(*login)
        refused = connection.send_message(message)  # to the addresses of its From and To
    finally:
        connection.leave()
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def _message(sender: str, recipients: Sequence[str], subject: str, body: str, html: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = ", ".join(recipients)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2] or "localhost")
    message.set_content(body)
    message.add_alternative(html, subtype="html")
    return message


def as_old_smtp_error(label: str, error: Exception) -> AlertDeliveryError:
    """What alert-infra calls a failed mail: its text has the class and the status of what was raised, no more."""
    if isinstance(error, DeliveryError):
        return as_old_error(label, error)
    permanent, what = False, "alert delivery failed"
    match error:
        case smtplib.SMTPRecipientsRefused():
            permanent, what = not _all_transient(error.recipients), "recipient rejected"
        case smtplib.SMTPDataError():
            permanent = error.smtp_code not in _TRANSIENT
            what = "permanent data failure" if permanent else "temporary data failure"
        case smtplib.SMTPAuthenticationError() if error.smtp_code not in _TRANSIENT:
            permanent, what = True, "authentication failed"
        case ssl.SSLCertVerificationError():
            permanent, what = True, "server's certificate does not verify"
    kind = NonRetryableAlertTransportError if permanent else RetryableAlertTransportError
    return kind(f"{label} {what} ({type(error).__name__})")


def _all_transient(refusals: object) -> bool:
    """Whether every recipient was refused for now alone, as a greylist does."""
    if not isinstance(refusals, dict) or not refusals:
        return False
    return all(isinstance(reply, tuple) and reply[0] in _TRANSIENT for reply in refusals.values())
