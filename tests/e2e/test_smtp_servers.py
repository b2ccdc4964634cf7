"""The kind `smtp` against Debian's exim and postfix: what they take is found in the mailbox, what they refuse told."""

from __future__ import annotations

import re
import select
import socket
from collections.abc import Callable
from typing import Any

import pytest
from tests.e2e.mail_server import LIMIT, MailServer

from alert_core import (
    Alert,
    Delivery,
    DeliveryError,
    Dispatcher,
    PermanentDeliveryError,
    RetryableDeliveryError,
    RetryPolicy,
    UncertainDeliveryError,
)
from alert_core.testing import StandIn
from alert_smtp.transport import SmtpTransport

Transports = Callable[..., SmtpTransport]

ALERT = Alert("Disk full on dé-1", "/var is at 98 %\n.\nend", severity="critical", tags=["disk"])
TRIES = 3


def dispatch(transport: SmtpTransport, alert: Alert = ALERT) -> tuple[Delivery, ...]:
    """Send it to every recipient, trying again at once."""
    with Dispatcher([transport], deadline=120, retry=RetryPolicy(attempts=TRIES, initial=0.001)) as dispatcher:
        return dispatcher.send(alert).deliveries


def recipients(server: MailServer) -> list[str]:
    return sorted(str(message["Delivered-To"]) for message in server.mail())


def protocols(server: MailServer) -> list[str]:
    """How each message came: ESMTP, with S for TLS and A for a login (RFC 3848)."""
    found = [re.search(r"\swith (\S+)", str(message["Received"])) for message in server.mail()]
    return [match.group(1).upper() for match in found if match]


class LosesTheFirstYes(StandIn):
    """Passes on what each side says, but the first time not the server's reply to the whole message."""

    def __init__(self, port: int) -> None:
        self.server = ("127.0.0.1", port)
        super().__init__()

    def talk(self, connection: socket.socket, number: int) -> None:
        said = b""
        with socket.create_connection(self.server) as server:
            while True:
                for speaker in select.select([connection, server], [], [])[0]:
                    words = speaker.recv(65_536)
                    if not words or (speaker is server and number == 1 and said.startswith(b"354")):
                        return
                    said = words if speaker is server else said
                    (connection if speaker is server else server).sendall(words)


def test_an_alert_over_starttls_with_a_login_is_in_each_recipients_mailbox(
    server: MailServer, smtp: Transports
) -> None:
    assert [d.outcome for d in dispatch(smtp())] == ["delivered"] * 2
    assert recipients(server) == ["a@example.org", "b@example.org"]
    assert protocols(server) == ["ESMTPSA"] * 2


def test_an_alert_over_tls_from_the_start_is_delivered(server: MailServer, smtp: Transports) -> None:
    smtp(port=server.ports.tls, security="tls").send(ALERT, "a@example.org")
    assert recipients(server) == ["a@example.org"]
    assert protocols(server) == ["ESMTPSA"]


def test_an_alert_goes_in_plain_text_where_that_is_told(server: MailServer, smtp: Transports) -> None:
    smtp(port=server.ports.plain, security="none", username=None, password=None).send(ALERT, "a@example.org")
    assert recipients(server) == ["a@example.org"]
    assert protocols(server) == ["ESMTP"]


def test_a_server_without_starttls_gets_nothing_where_plain_text_is_not_told(
    server: MailServer, smtp: Transports
) -> None:
    with pytest.raises(PermanentDeliveryError, match="offers no STARTTLS"):
        smtp(port=server.ports.plain).send(ALERT, "a@example.org")
    assert server.mail() == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
@pytest.mark.parametrize("options", [{"ca_bundle": None}, {"host": "127.0.0.1"}], ids=["authority", "name"])
def test_a_certificate_that_does_not_verify_is_permanent(
    server: MailServer, smtp: Transports, security: str, options: dict[str, Any]
) -> None:
    target = smtp(port=getattr(server.ports, security), security=security, **options)
    with pytest.raises(PermanentDeliveryError, match="certificate does not verify"):
        target.send(ALERT, "a@example.org")
    assert server.mail() == []


def test_the_receipt_has_the_queue_id_and_the_message_id(server: MailServer, smtp: Transports) -> None:
    receipt = smtp().send(ALERT, "a@example.org")
    (message,) = server.mail()
    queued = re.search(server.queue_id, receipt.detail["reply"])
    assert queued is not None
    assert f"id {queued.group(1)}" in str(message["Received"])
    assert receipt.id == message["Message-ID"]


def test_what_arrives_is_a_message_of_text_and_html_from_a_machine(server: MailServer, smtp: Transports) -> None:
    smtp().send(ALERT, "a@example.org")
    (message,) = server.mail()
    assert message["Subject"] == "[CRITICAL] Disk full on dé-1"
    assert message["From"] == "Alerts <alerts@example.org>"
    assert message["To"] == "a@example.org, Bé <b@example.org>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == ALERT.created_at.replace(microsecond=0)
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    text, html = (part.get_content().replace("\r\n", "\n") for part in message.iter_parts())
    assert "Disk full on dé-1" in text
    assert "/var is at 98 %\n.\nend" in text
    assert "Disk full on dé-1" in html
    assert "/var is at 98 %" in html
    assert [part.defects for part in message.walk()] == [[], [], []]


def test_one_recipient_refused_leaves_the_other_delivered(server: MailServer, smtp: Transports) -> None:
    refused, taken = dispatch(smtp(to_emails=("nobody@example.org", "a@example.org")))
    assert (refused.recipient, refused.outcome, refused.attempts) == ("nobody@example.org", "permanent", 1)
    assert refused.error is not None
    assert (refused.error.status, refused.error.code) == (550, "5.1.1")
    assert (taken.recipient, taken.outcome) == ("a@example.org", "delivered")
    assert recipients(server) == ["a@example.org"]


def test_a_greylisted_recipient_is_retryable(smtp: Transports) -> None:
    with pytest.raises(RetryableDeliveryError, match=r"RCPT was answered 451 4\.7\.1") as caught:
        smtp().send(ALERT, "later@example.org")
    assert (caught.value.status, caught.value.code) == (451, "4.7.1")


def test_a_greylisted_recipient_gets_the_alert_by_the_retry(server: MailServer, smtp: Transports) -> None:
    (delivery,) = dispatch(smtp(to_emails=("later@example.org",)))
    assert (delivery.outcome, delivery.attempts) == ("delivered", 2)
    assert recipients(server) == ["later@example.org"]


@pytest.mark.parametrize(
    ("recipient", "outcome", "status", "code"),
    [("spam", PermanentDeliveryError, 550, "5.7.1"), ("early", RetryableDeliveryError, 451, "4.3.2")],
)
def test_a_reply_to_the_whole_message_is_permanent_by_5yz_and_retryable_by_4yz(
    server: MailServer, smtp: Transports, recipient: str, outcome: type[DeliveryError], status: int, code: str
) -> None:
    with pytest.raises(outcome, match="the message was answered") as caught:
        smtp().send(ALERT, f"{recipient}@example.org")
    assert (caught.value.status, caught.value.code) == (status, code)
    assert server.mail() == []


@pytest.mark.parametrize("recipient", ["spam", "early"])
def test_after_a_refused_message_the_connection_delivers_the_next(
    server: MailServer, smtp: Transports, recipient: str
) -> None:
    target = smtp()
    with pytest.raises(DeliveryError):
        target.send(ALERT, f"{recipient}@example.org")
    target.send(ALERT, "a@example.org")
    assert recipients(server) == ["a@example.org"]


def test_a_message_put_off_again_and_again_is_retryable(server: MailServer, smtp: Transports) -> None:
    (delivery,) = dispatch(smtp(to_emails=("early@example.org",)))
    assert (delivery.outcome, delivery.attempts) == ("retryable", TRIES)
    assert server.mail() == []


def test_an_alert_whose_reply_was_lost_is_sent_again_under_the_same_message_id(
    server: MailServer, smtp: Transports
) -> None:
    plain = {"security": "none", "username": None, "password": None, "to_emails": ("a@example.org",)}
    with LosesTheFirstYes(server.ports.plain) as between:
        (delivery,) = dispatch(smtp(port=between.port, **plain))
    assert (delivery.outcome, delivery.attempts) == ("delivered", 2)
    assert delivery.receipt is not None
    first, second = server.mail()
    assert first["Message-ID"] == second["Message-ID"] == delivery.receipt.id
    assert [part.get_content() for part in first.iter_parts()] == [part.get_content() for part in second.iter_parts()]


def test_an_alert_whose_reply_was_lost_is_uncertain_and_keeps_its_message_id_also_in_another_transport(
    server: MailServer, smtp: Transports
) -> None:
    plain = {"security": "none", "username": None, "password": None}
    with LosesTheFirstYes(server.ports.plain) as between, pytest.raises(UncertainDeliveryError, match="no reply"):
        smtp(port=between.port, **plain).send(ALERT, "a@example.org")
    receipt = smtp(port=server.ports.plain, **plain).send(ALERT, "a@example.org")
    assert [message["Message-ID"] for message in server.mail()] == [receipt.id] * 2


def test_a_wrong_password_is_permanent_and_tried_once(server: MailServer, smtp: Transports) -> None:
    start = len(server.log())
    (delivery,) = dispatch(smtp(password="wrong-canary-8Kd2", to_emails=("a@example.org",)))
    assert (delivery.outcome, delivery.attempts) == ("permanent", 1)
    assert delivery.error is not None
    assert delivery.error.status == 535
    assert "check username and password" in str(delivery.error)
    assert len(server.logged(server.failed_login, start)) == 1
    assert server.mail() == []


def test_a_missing_login_is_permanent(server: MailServer, smtp: Transports) -> None:
    with pytest.raises(PermanentDeliveryError, match="RCPT was answered 55"):
        smtp(username=None, password=None).send(ALERT, "a@example.org")
    assert server.mail() == []


def test_a_message_above_the_servers_size_is_permanent_and_never_comes_to_data(
    server: MailServer, smtp: Transports
) -> None:
    start = len(server.log())
    target = smtp()
    with pytest.raises(PermanentDeliveryError, match=f"octets, and the server takes {LIMIT}") as caught:
        target.send(Alert("Disk full", "x" * LIMIT), "a@example.org")
    target.close()
    assert caught.value.code == "5.3.4"
    assert server.logged(server.ended_without_data, start)
    assert server.mail() == []


def test_after_a_message_above_the_servers_size_others_are_delivered(server: MailServer, smtp: Transports) -> None:
    target = smtp()
    with pytest.raises(PermanentDeliveryError):
        target.send(Alert("Disk full", "x" * LIMIT), "a@example.org")
    target.send(ALERT, "a@example.org")
    assert recipients(server) == ["a@example.org"]


def test_an_address_that_is_not_ascii_is_delivered_by_smtputf8(server: MailServer, smtp: Transports) -> None:
    smtp(to_emails=("jürgen@example.org", "a@example.org")).send(ALERT, "jürgen@example.org")
    (message,) = server.mail()
    assert message["Delivered-To"] == "jürgen@example.org"
    assert message["To"] == "jürgen@example.org, a@example.org"


def test_without_smtputf8_only_the_address_that_is_not_ascii_is_permanent(server: MailServer, smtp: Transports) -> None:
    target = smtp(
        port=server.ports.plain,
        security="none",
        username=None,
        password=None,
        to_emails=("jürgen@example.org", "a@example.org"),
    )
    refused, taken = dispatch(target)
    assert (refused.outcome, refused.attempts) == ("permanent", 1)
    assert "the server offers no SMTPUTF8" in str(refused.error)
    assert taken.outcome == "delivered"
    assert recipients(server) == ["a@example.org"]


def test_a_connection_that_the_server_closed_while_idle_is_replaced(server: MailServer, smtp: Transports) -> None:
    start = len(server.log())
    target = smtp(port=server.ports.hasty)
    target.send(ALERT, "a@example.org")
    assert server.logged(server.closed_while_idle, start)
    target.send(ALERT, "b@example.org")
    assert recipients(server) == ["a@example.org", "b@example.org"]
