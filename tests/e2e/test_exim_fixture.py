"""The exim that the e2e tests send to wants TLS and a login, and refuses an unknown user."""

import smtplib
import ssl
from typing import Any

import pytest

pytestmark = pytest.mark.needs("exim4")


def test_exim_takes_mail_over_starttls_from_who_logs_in(exim: Any) -> None:
    with smtplib.SMTP(exim.host, exim.port, timeout=30) as client:
        client.starttls(context=ssl.create_default_context(cafile=exim.ca_bundle))
        client.login(exim.username, exim.password)
        refused = client.sendmail(
            "alerts@example.org", ["a@example.org", "nobody@example.org"], "Subject: Disk full\r\n\r\nHello\r\n"
        )
    assert list(refused) == ["nobody@example.org"]
    (message,) = exim.mail()
    assert b"Subject: Disk full" in message
    assert b"Envelope-to: a@example.org" in message


def test_exim_takes_no_mail_in_plain_text(exim: Any) -> None:
    with (
        smtplib.SMTP(exim.host, exim.port, timeout=30) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused, match="authenticate over TLS first"),
    ):
        client.sendmail("alerts@example.org", ["a@example.org"], "Subject: Disk full\r\n\r\nHello\r\n")
    assert exim.mail() == []
