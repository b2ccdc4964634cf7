"""The kind `smtp` keeps the contract of every transport."""

import base64
import email
import email.policy
import html
import socket
from collections.abc import Sequence
from email.message import EmailMessage
from typing import Any, BinaryIO, ClassVar

from alert_core import Alert
from alert_core.testing import CANARY, Fault, ProviderReplies, Received, Reply, StandIn, TransportContract
from alert_core.testing.standin import reset

REPLIES = {"EHLO": "250-stand-in\r\n250 AUTH PLAIN", "AUTH": "235 2.7.0 Ok", "DATA": "354 go on"}


class SmtpStandIn(StandIn):
    """Speak SMTP: every message is recorded whole, and its final dot answered as scripted."""

    def talk(self, connection: socket.socket, number: int) -> None:
        with connection.makefile("rb") as lines:
            connection.sendall(b"220 stand-in ESMTP\r\n")
            login = b""
            while line := lines.readline():
                verb, _, rest = line.partition(b" ")
                command = verb.decode().strip().upper()
                connection.sendall(REPLIES.get(command, "250 2.0.0 Ok").encode() + b"\r\n")
                if command == "AUTH":
                    login = base64.b64decode(rest.split()[1])
                if command == "DATA":
                    self.record(self.read(lines, login, number))
                    if not self.answer(connection, self.take()):
                        return

    def read(self, lines: BinaryIO, login: bytes, number: int) -> Received:
        content = b""
        while (line := lines.readline()) != b".\r\n":
            if not line:
                raise ValueError("the message has no end")
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        headers = {name.lower(): str(value) for name, value in parsed(content).items()}
        return Received(headers={**headers, "authorization": login.decode()}, body=content, connection=number)

    def answer(self, connection: socket.socket, reply: Reply) -> bool:
        line = f"{reply.status} ".encode() + reply.body + b"\r\n"
        match reply.fault:
            case None:
                connection.sendall(line)
                return True
            case Fault.DRIP_HEAD:
                self.drip(connection, line.strip())
            case Fault.TRUNCATE:
                connection.sendall(line[:2])
            case Fault.GARBAGE:
                connection.sendall(b"\x16\x03\x01 this is not SMTP\r\n")
            case Fault.RESET:
                reset(connection)
            case _:
                self.closing.wait()
        return False


def parsed(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(content: bytes, kind: str) -> str:
    found = parsed(content).get_body((kind,))
    assert found is not None
    return str(found.get_content())


class TestSmtp(TransportContract):
    kind = "smtp"
    options: ClassVar[dict[str, Any]] = {
        "host": "mail.example.com",
        "username": "alerts",
        "password": CANARY,
        "security": "none",
        "from_email": "Alerts <alerts@example.com>",
        "to_emails": ["ops@example.com"],
    }
    replies = ProviderReplies(
        ok=Reply(250, text="2.0.0 Ok: queued as BAAFC284967"),
        bad_request=Reply(554, text="5.6.0 malformed message"),
        unauthorized=Reply(535, text="5.7.8 authentication failed"),
        forbidden=Reply(550, text="5.7.1 relay not permitted"),
        not_found=Reply(550, text="5.1.1 no such user"),
        too_large=Reply(552, text="5.3.4 message too big"),
        rate_limited=Reply(450, text="4.7.1 greylisted, come back later"),
        unavailable=Reply(421, text="4.3.2 shutting down"),
        others={
            "local error": Reply(451, text="4.3.0 local error", outcome="retryable"),
            "full": Reply(452, text="4.2.2 mailbox full", outcome="retryable"),
            "no enhanced code": Reply(554, text="refused", outcome="permanent"),
            "no yes": Reply(354, text="go on", outcome="uncertain"),
        },
    )
    stand_in = SmtpStandIn
    markup = ("<b>", "<script>", "<img src=x>", '"><a href="https://evil.example">')
    supports_resolve = True

    def endpoint(self, host: str, port: int, ca_bundle: str | None) -> dict[str, Any]:
        if ca_bundle is None:
            return {"host": host, "port": port, "security": "none"}
        return {"host": host, "port": port, "security": "tls", "ca_bundle": ca_bundle}

    def strings(self, request: Received) -> Sequence[str]:
        return [part(request.body, "html").partition("<body")[2]]

    def shown(self, request: Received) -> str:
        page = html.unescape(part(request.body, "html").replace("<br>", "\n"))
        return "\n".join([request.headers["subject"], part(request.body, "plain"), page])

    def check_request(self, request: Received, alert: Alert) -> None:
        message = parsed(request.body)
        assert [str(defect) for found in message.walk() for defect in found.defects] == []
        assert max(map(len, request.body.split(b"\r\n"))) <= 998
        assert message["To"].addresses[0].addr_spec == "ops@example.com"
        assert request.body.count(b"\n") == request.body.count(b"\r\n")
