"""Mail over real connections to aiosmtpd: STARTTLS, TLS from the start, plain text, logins, certificates."""

import email
import email.policy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import trustme

from alert_core import Alert, PermanentDeliveryError, RetryableDeliveryError
from alert_smtp.transport import SmtpTransport

Servers = Callable[..., Any]
Transports = Callable[..., SmtpTransport]

ALERT = Alert("Disk full", ".\r\n.leading dots\r\n.", severity="critical")
LOGIN = {"username": "alerts@example.com", "password": "smtp-canary-Kp3x"}


@pytest.fixture(params=["starttls", "tls", "none"])
def security(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def aimed(transport: Transports, server: Any, security: str, ca_bundle: str, **options: Any) -> SmtpTransport:
    return transport(host="localhost", port=server.controller.port, security=security, ca_bundle=ca_bundle, **options)


def test_an_alert_arrives(mail_server: Servers, transport: Transports, security: str, ca_bundle: str) -> None:
    server = mail_server(security)
    receipt = aimed(transport, server, security, ca_bundle).send(ALERT, "ops@example.com")
    (envelope,) = server.inbox.envelopes
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    assert envelope.mail_from == "alerts@example.com"
    assert envelope.rcpt_tos == ["ops@example.com"]
    assert message["Subject"] == "[CRITICAL] Disk full"
    assert message["Message-ID"] == receipt.id
    assert receipt.recipient == "ops@example.com"
    assert receipt.detail == {"reply": "2.0.0 Ok: queued as Q1"}
    assert server.inbox.hellos[-1] == "[127.0.0.1]"


def test_leading_dots_arrive(mail_server: Servers, transport: Transports, ca_bundle: str) -> None:
    server = mail_server("tls")
    aimed(transport, server, "tls", ca_bundle).send(ALERT, "ops@example.com")
    message = email.message_from_bytes(server.inbox.envelopes[0].content, policy=email.policy.default)
    assert ".\r\n.leading dots\r\n.\r\n" in next(message.iter_parts()).get_content()


def test_each_recipient_gets_the_message_that_names_all(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("starttls")
    smtp = aimed(transport, server, "starttls", ca_bundle)
    receipts = [smtp.send(ALERT, recipient) for recipient in smtp.to_emails]
    first, second = server.inbox.envelopes
    assert first.rcpt_tos == ["ops@example.com"]
    assert second.rcpt_tos == ["security@example.com"]
    assert first.content == second.content
    assert b"To: ops@example.com,\r\n Security <security@example.com>\r\n" in first.content
    assert receipts[0].id == receipts[1].id


def test_a_login_happens_once_a_connection(
    mail_server: Servers, transport: Transports, security: str, ca_bundle: str
) -> None:
    server = mail_server(security, auth_required=security == "starttls")
    smtp = aimed(transport, server, security, ca_bundle, **LOGIN)
    for _ in range(3):
        smtp.send(ALERT, "ops@example.com")
    assert len(server.inbox.envelopes) == 3
    assert server.inbox.logins == ["PLAIN"]


def test_login_is_the_second_mechanism(mail_server: Servers, transport: Transports, ca_bundle: str) -> None:
    server = mail_server("tls", auth_exclude_mechanism=["PLAIN"])
    aimed(transport, server, "tls", ca_bundle, **LOGIN).send(ALERT, "ops@example.com")
    assert server.inbox.logins == ["LOGIN"]


def test_a_wrong_password_is_tried_once_and_is_permanent(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("starttls", auth_required=True)
    smtp = aimed(transport, server, "starttls", ca_bundle, username="alerts@example.com", password="smtp-wrong-7Hq")
    with pytest.raises(PermanentDeliveryError, match=r"AUTH was answered 535 5\.7\.8; check username") as caught:
        smtp.send(ALERT, "ops@example.com")
    assert (caught.value.status, caught.value.code) == (535, "5.7.8")
    assert server.inbox.logins == ["PLAIN"]
    assert server.inbox.envelopes == []


def test_a_missing_login_is_permanent(mail_server: Servers, transport: Transports, ca_bundle: str) -> None:
    server = mail_server("starttls", auth_required=True)
    with pytest.raises(PermanentDeliveryError, match="set username and password") as caught:
        aimed(transport, server, "starttls", ca_bundle).send(ALERT, "ops@example.com")
    assert caught.value.status == 530


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    mail_server: Servers, transport: Transports, security: str, ca_bundle: str
) -> None:
    server = mail_server(security, ca=trustme.CA())
    with pytest.raises(PermanentDeliveryError, match="certificate does not verify"):
        aimed(transport, server, security, ca_bundle).send(ALERT, "ops@example.com")
    with pytest.raises(PermanentDeliveryError, match="certificate does not verify"):
        transport(host="localhost", port=server.controller.port, security=security).send(ALERT, "ops@example.com")
    assert server.inbox.envelopes == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_for_another_name_is_refused(
    mail_server: Servers, transport: Transports, security: str, ca_bundle: str
) -> None:
    server = mail_server(security, name="other.example.com")
    with pytest.raises(PermanentDeliveryError, match="certificate does not verify"):
        aimed(transport, server, security, ca_bundle, **LOGIN).send(ALERT, "ops@example.com")
    assert server.inbox.envelopes == []
    assert server.inbox.logins == []


def test_without_starttls_nothing_goes_out_in_plain_text(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("none")
    with pytest.raises(PermanentDeliveryError, match="offers no STARTTLS"):
        aimed(transport, server, "starttls", ca_bundle, **LOGIN).send(ALERT, "ops@example.com")
    assert server.inbox.logins == []
    assert server.inbox.envelopes == []


def test_tls_to_a_port_in_plain_text_is_retryable(mail_server: Servers, transport: Transports, ca_bundle: str) -> None:
    server = mail_server("none")
    with pytest.raises(RetryableDeliveryError, match="SSLError"):
        aimed(transport, server, "tls", ca_bundle).send(ALERT, "ops@example.com")


def test_an_address_that_is_not_ascii_goes_by_smtputf8(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("tls", enable_SMTPUTF8=True)
    smtp = aimed(transport, server, "tls", ca_bundle, to_emails=["jürgen@example.com", "ops@example.com"])
    for recipient in smtp.to_emails:
        smtp.send(ALERT, recipient)
    first, second = server.inbox.envelopes
    assert first.rcpt_tos == ["jürgen@example.com"]
    assert "To: jürgen@example.com,".encode() in first.content
    assert b"To: ops@example.com\r\n" in second.content


def test_without_smtputf8_only_the_address_that_needs_it_fails(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("tls", enable_SMTPUTF8=False)
    smtp = aimed(transport, server, "tls", ca_bundle, to_emails=["jürgen@example.com", "ops@example.com"])
    with pytest.raises(PermanentDeliveryError, match="SMTPUTF8"):
        smtp.send(ALERT, "jürgen@example.com")
    smtp.send(ALERT, "ops@example.com")
    assert len(server.inbox.envelopes) == 1


def test_a_message_larger_than_the_server_takes_is_not_sent(
    mail_server: Servers, transport: Transports, ca_bundle: str
) -> None:
    server = mail_server("tls", data_size_limit=2000)
    smtp = aimed(transport, server, "tls", ca_bundle)
    with pytest.raises(PermanentDeliveryError, match="octets, and the server takes 2000"):
        smtp.send(Alert("Disk full", "x" * 3000), "ops@example.com")
    assert server.inbox.envelopes == []


def test_eight_threads_send_at_once(mail_server: Servers, transport: Transports, ca_bundle: str) -> None:
    server = mail_server("tls")
    smtp = aimed(transport, server, "tls", ca_bundle)
    alerts = [Alert(f"Disk {number} full", "x") for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        receipts = list(threads.map(lambda alert: smtp.send(alert, "ops@example.com"), alerts))
    arrived = [email.message_from_bytes(envelope.content) for envelope in server.inbox.envelopes]
    assert sorted(str(m["Message-ID"]) for m in arrived) == sorted(str(r.id) for r in receipts)
    assert len({receipt.id for receipt in receipts}) == 40
