"""The mail server, by Python's own client."""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage

import pytest

from alert_sandbox.delivery import BODY_LIMIT
from alert_sandbox.testing import Sandbox

Connect = Callable[..., smtplib.SMTP]


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    defaults = {"From": "Alerts <a@example.com>", "To": "o@example.com", "Subject": "[ERROR] Disk full"}
    for name, value in {**defaults, "Date": "Fri, 21 Aug 2026 12:00:00 +0000", **headers}.items():
        if value:
            message[name] = value
    message.set_content("98 % of /var, ação")
    message.add_alternative("<b>98 %</b>", subtype="html")
    return message


@pytest.fixture
def connect(sandbox: Sandbox) -> Iterator[Connect]:
    """`connect("starttls")`, `"tls"` or `"none"`; the certificate is verified."""
    opened: list[smtplib.SMTP] = []
    context = ssl.create_default_context(cafile=str(sandbox.ca_bundle))

    def make(security: str = "none") -> smtplib.SMTP:
        at = sandbox.addresses
        if security == "tls":
            client: smtplib.SMTP = smtplib.SMTP_SSL("localhost", at.smtps_port, context=context, timeout=30)
        else:
            client = smtplib.SMTP("localhost", at.smtp_port, timeout=30)
        opened.append(client)
        if security == "starttls":
            client.starttls(context=context)
        return client

    yield make
    for client in opened:
        client.close()


@pytest.mark.parametrize(
    ("security", "path"), [("none", "in plain text"), ("starttls", "over TLS"), ("tls", "over TLS")]
)
def test_a_mail_arrives_and_is_shown_as_its_reader_sees_it(
    sandbox: Sandbox, connect: Connect, security: str, path: str
) -> None:
    assert connect(security).send_message(mail()) == {}
    (message,) = sandbox.messages()
    assert (message.kind, message.accepted, message.severity, message.title) == (
        "smtp",
        True,
        "error",
        "[ERROR] Disk full",
    )
    assert message.seen.view["text"].strip() == "98 % of /var, ação"
    assert message.seen.view["html"].strip() == "<b>98 %</b>"
    assert message.seen.view["from"] == "Alerts <a@example.com>"
    assert (message.to, message.request["path"]) == (("o@example.com",), path)
    assert message.answer["body"].startswith("250 2.0.0 Ok: queued as ")


def test_a_login_is_taken_over_tls_alone_and_any_but_a_wrong_one(sandbox: Sandbox, connect: Connect) -> None:
    with pytest.raises(smtplib.SMTPNotSupportedError):
        connect("none").login("alerts", "password")
    connect("starttls").login("alerts", "password")
    connect("tls").login("alerts", "password")
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        connect("tls").login("alerts", "invalid")
    assert refused.value.smtp_code == 535
    for message in sandbox.messages():  # the client tries each mechanism
        assert (message.accepted, message.broken[0].rule.id) == (False, "smtp-auth")
        assert "invalid" not in str(message.to_dict())


def test_nobody_and_invalid_addresses_are_refused_while_others_get_it(sandbox: Sandbox, connect: Connect) -> None:
    refused = connect().send_message(mail(), to_addrs=["o@example.com", "nobody@example.com", "x@invalid.example"])
    assert {address: code for address, (code, _) in refused.items()} == {
        "nobody@example.com": 550,
        "x@invalid.example": 550,
    }
    assert [(m.accepted, m.to) for m in sandbox.messages()] == [
        (False, ("nobody@example.com",)),
        (False, ("x@invalid.example",)),
        (True, ("o@example.com",)),
    ]


@pytest.mark.parametrize("field", ["From", "Date"])
def test_a_mail_without_a_required_field_is_refused(sandbox: Sandbox, connect: Connect, field: str) -> None:
    with pytest.raises(smtplib.SMTPDataError) as refused:
        connect().send_message(mail(**{field: ""}), from_addr="a@example.com")
    assert refused.value.smtp_code == 554
    assert sandbox.messages()[0].broken[0].rule.id == "smtp-fields"


def test_what_is_too_long_is_refused_by_rfc_5321(sandbox: Sandbox, connect: Connect) -> None:
    client = connect()
    client.ehlo()
    assert client.esmtp_features["size"] == str(BODY_LIMIT)
    assert client.mail("a@example.com", [f"SIZE={BODY_LIMIT + 1}"])[0] == 552
    client.rset()
    with pytest.raises(smtplib.SMTPDataError) as refused:
        client.sendmail("a@example.com", ["o@example.com"], b"From: a@example.com\r\n\r\n" + b"x" * 1100 + b"\r\n")
    assert refused.value.smtp_code == 500
    assert sandbox.messages() == []


@pytest.mark.parametrize(("fault", "code"), [("429", 450), ("500", 451), ("503", 421), ("error", 554)])
def test_a_fault_is_told_by_smtps_own_codes(sandbox: Sandbox, connect: Connect, fault: str, code: int) -> None:
    sandbox.fail("smtp", f"{fault},ok")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        connect().send_message(mail())
    assert refused.value.smtp_code == code
    connect().send_message(mail())
    assert [(m.accepted, m.fault) for m in sandbox.messages()] == [(False, fault), (True, "")]


def test_a_reset_comes_before_the_message_or_after_it(sandbox: Sandbox, connect: Connect) -> None:
    for fault, arrived in (("reset-before", 0), ("reset-after", 1)):
        sandbox.fail("smtp", fault)
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            connect("starttls").send_message(mail())
        assert len(sandbox.messages()) == arrived, fault


def test_a_drip_still_delivers(sandbox: Sandbox, connect: Connect) -> None:
    sandbox.fail("smtp", "drip:0.001,ok")
    connect().send_message(mail())
    assert [m.accepted for m in sandbox.messages()] == [True]


def test_a_hang_ends_with_the_sandbox() -> None:
    def send(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
            client.send_message(mail())

    with Sandbox() as sandbox, ThreadPoolExecutor(1) as pool:
        sandbox.fail("smtp", "hang")
        hung = pool.submit(send, sandbox.addresses.smtp_port)
        (message,) = sandbox.wait(1, timeout=60)
        assert (message.answer["status"], hung.done()) == (0, False)
        sandbox.close()
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            hung.result(timeout=60)


def test_a_mail_that_python_can_hardly_read_is_shown_all_the_same(sandbox: Sandbox, connect: Connect) -> None:
    content = (
        b"From: =?x?q?\r\nDate: never\r\nSubject: =?utf-8?q?=FF=FE?=\r\n"
        b"Content-Type: text/html; charset=klingon\r\nContent-Transfer-Encoding: base64\r\n\r\n%%%\r\n"
    )
    connect().sendmail("a@example.com", ["o@example.com"], content)
    (message,) = sandbox.messages()
    assert message.accepted
    assert "klingon" in message.request["body"]
