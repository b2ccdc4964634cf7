"""The kind `smtp` against Debian's exim: what it takes is found in its mailboxes, what it refuses is told as it is."""

import email
import email.policy
import select
import socket
import subprocess
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest

from alert_core import Alert, Dispatcher, PermanentDeliveryError, RetryableDeliveryError, RetryPolicy
from alert_smtp.transport import SmtpTransport

pytestmark = pytest.mark.needs("exim4")

ALERT = Alert("Disk full on dé-1", "/var is at 98 %\n.\nend", severity="critical", tags=["disk"])
ONCE = RetryPolicy(attempts=1)
LIMIT = 20_000
STRICT = f"""
message_size_limit = {LIMIT}
smtp_receive_timeout = 1s
acl_smtp_data = judged
begin acl
judged:
  deny    message = 5.7.1 refused by policy
          condition = ${{if match {{$h_subject:}}{{spam}}}}
  defer   message = 4.3.2 come back later
          condition = ${{if match {{$h_subject:}}{{early}}}}
  accept
"""
BUSY = """
relay:
  defer   message = 4.2.1 greylisted
          local_parts = later
"""


def with_stricter_rules(configuration: str) -> str:
    """The fixture's configuration, with limits, recipients that are put off, and subjects that are refused."""
    return configuration.replace("begin acl", STRICT.lstrip(), 1).replace("relay:\n", BUSY.lstrip(), 1)


def start_another(exim: Any, *arguments: str) -> tuple[int, subprocess.Popen[bytes]]:
    """A second daemon of the same mail server, on a port of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = exim.start("-bdf", "-oX", str(port), *arguments)
    other = type(exim)(exim.folder, exim.program, exim.account, port)
    other.wait_until_it_listens(server)
    return port, server


@pytest.fixture
def strict_port(exim: Any) -> Iterator[int]:
    """A daemon with the stricter rules."""
    exim.settings.write_text(with_stricter_rules(exim.settings.read_text()))
    port, server = start_another(exim)
    yield port
    server.terminate()
    server.wait(timeout=30)


@pytest.fixture
def tls_port(exim: Any) -> Iterator[int]:
    """A daemon that speaks TLS from the start, as on port 465."""
    port, server = start_another(exim, "-tls-on-connect")
    yield port
    server.terminate()
    server.wait(timeout=30)


@pytest.fixture
def smtp(exim: Any) -> Iterator[Any]:
    """`smtp(port=…, …)`: a transport for this server, with its certificate and login."""
    made: list[SmtpTransport] = []

    def make(**options: Any) -> SmtpTransport:
        given = {
            "host": exim.host,
            "port": exim.port,
            "username": exim.username,
            "password": exim.password,
            "ca_bundle": str(exim.ca_bundle),
            "from_email": "Alerts <alerts@example.org>",
            "to_emails": ("a@example.org", "Bé <b@example.org>"),
            "timeout": 30,  # exim starts a process for each connection
        }
        made.append(SmtpTransport(**(given | options)))
        return made[-1]

    yield make
    for transport in made:
        transport.close()


def delivered(exim: Any) -> list[Message]:
    return [email.message_from_bytes(mail, policy=email.policy.default) for mail in exim.mail()]


def test_an_alert_over_starttls_is_in_each_recipients_mailbox(exim: Any, smtp: Any) -> None:
    with Dispatcher([smtp()], deadline=60) as dispatcher:
        report = dispatcher.send(ALERT)
    report.raise_for_failures()
    messages = delivered(exim)
    assert sorted(str(m["Envelope-to"]) for m in messages) == ["a@example.org", "b@example.org"]
    for message in messages:
        assert message["Subject"] == "[CRITICAL] Disk full on dé-1"
        assert message["To"] == "a@example.org, Bé <b@example.org>"
        assert {message["Message-ID"]} == {d.receipt.id for d in report.deliveries if d.receipt}
        text = message.get_body(("plain",)).get_content()  # type: ignore[attr-defined]  # an EmailMessage, by its policy
        assert "/var is at 98 %\n.\nend" in text.replace("\r\n", "\n")
        assert message.defects == []


def test_the_receipt_has_the_queue_id(exim: Any, smtp: Any) -> None:
    receipt = smtp().send(ALERT, "a@example.org")
    queue_id = receipt.detail["reply"].removeprefix("OK id=")
    assert f"id {queue_id}" in str(delivered(exim)[0]["Received"])


def test_an_alert_over_tls_from_the_start_arrives(exim: Any, tls_port: int, smtp: Any) -> None:
    smtp(port=tls_port, security="tls").send(ALERT, "a@example.org")
    assert [str(m["Envelope-to"]) for m in delivered(exim)] == ["a@example.org"]


def test_one_recipient_refused_leaves_the_other_delivered(exim: Any, smtp: Any) -> None:
    target = smtp(to_emails=("nobody@example.org", "a@example.org"))
    with Dispatcher([target], deadline=60, retry=ONCE) as dispatcher:
        refused, taken = dispatcher.send(ALERT).deliveries
    assert (refused.recipient, refused.outcome) == ("nobody@example.org", "permanent")
    assert (taken.recipient, taken.outcome) == ("a@example.org", "delivered")
    assert refused.error is not None
    assert refused.error.status == 550
    assert [str(m["Envelope-to"]) for m in delivered(exim)] == ["a@example.org"]


def test_a_wrong_password_is_permanent(exim: Any, smtp: Any) -> None:
    with pytest.raises(PermanentDeliveryError, match="check username and password") as caught:
        smtp(password="exim-wrong-8Kd2").send(ALERT, "a@example.org")
    assert caught.value.status == 535
    assert delivered(exim) == []


def test_without_a_login_exim_relays_nothing(exim: Any, smtp: Any) -> None:
    with pytest.raises(PermanentDeliveryError, match="RCPT was answered 550"):
        smtp(username=None, password=None).send(ALERT, "a@example.org")
    assert delivered(exim) == []


def test_a_certificate_of_an_unknown_authority_is_permanent(exim: Any, smtp: Any) -> None:
    with pytest.raises(PermanentDeliveryError, match="certificate does not verify"):
        smtp(ca_bundle=None).send(ALERT, "a@example.org")
    assert delivered(exim) == []


def test_a_message_above_the_servers_size_is_permanent(exim: Any, strict_port: int, smtp: Any) -> None:
    target = smtp(port=strict_port)
    with pytest.raises(PermanentDeliveryError, match=f"octets, and the server takes {LIMIT}"):
        target.send(Alert("Disk full", "x" * LIMIT), "a@example.org")
    target.send(ALERT, "a@example.org")
    assert len(delivered(exim)) == 1


def test_a_recipient_put_off_is_retryable(exim: Any, strict_port: int, smtp: Any) -> None:
    with pytest.raises(RetryableDeliveryError, match=r"RCPT was answered 451 4\.2\.1") as caught:
        smtp(port=strict_port).send(ALERT, "later@example.org")
    assert (caught.value.status, caught.value.code) == (451, "4.2.1")


@pytest.mark.parametrize(
    ("title", "outcome", "status"), [("spam", PermanentDeliveryError, 550), ("early", RetryableDeliveryError, 451)]
)
def test_a_message_refused_after_its_final_dot_is_told_by_its_reply(
    exim: Any, strict_port: int, smtp: Any, title: str, outcome: type[Exception], status: int
) -> None:
    target = smtp(port=strict_port)
    with pytest.raises(outcome, match=f"the message was answered {status}"):
        target.send(Alert(title, "x"), "a@example.org")
    target.send(ALERT, "a@example.org")
    assert len(delivered(exim)) == 1


def test_an_address_that_is_not_ascii_arrives_by_smtputf8(exim: Any, smtp: Any) -> None:
    smtp(to_emails=("jürgen@example.org", "a@example.org")).send(ALERT, "jürgen@example.org")
    (mail,) = exim.mail()
    assert "Envelope-to: jürgen@example.org\n".encode() in mail
    assert "To: jürgen@example.org,\n a@example.org\n".encode() in mail


def test_a_connection_that_exim_closed_while_idle_is_replaced(exim: Any, strict_port: int, smtp: Any) -> None:
    target = smtp(port=strict_port)
    target.send(ALERT, "a@example.org")
    ((_, kept),) = target._pool._idle
    assert select.select([kept.sock], [], [], 60)[0]  # exim says 421 after smtp_receive_timeout
    target.send(ALERT, "b@example.org")
    assert len(delivered(exim)) == 2
