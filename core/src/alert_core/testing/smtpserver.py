"""A stand-in for mail servers."""

from __future__ import annotations

import base64
import email
import email.policy
from typing import TYPE_CHECKING, BinaryIO, Final

from alert_core.testing.replies import Fault, Received, Reply
from alert_core.testing.standin import StandIn, reset

if TYPE_CHECKING:
    import socket
    from email.message import EmailMessage

_REPLIES: Final = {"EHLO": "250-stand-in\r\n250 AUTH PLAIN", "AUTH": "235 2.7.0 Ok", "DATA": "354 go on"}


class SmtpStandIn(StandIn):
    """Speak SMTP (RFC 5321): every message is recorded whole, and its final dot answered as scripted.

    A `Received` has the message as its `body`, and of its `headers` those of the message by lower-case name, and as
    `authorization` what an AUTH PLAIN showed. A `Reply`'s status is the server's three digits, its text follows.
    """

    def talk(self, connection: socket.socket, number: int) -> None:
        """Serve one connection until an answer's fault, or the client, ends it."""
        with connection.makefile("rb") as lines:
            connection.sendall(b"220 stand-in ESMTP\r\n")
            login = b""
            while line := lines.readline():
                verb, _, rest = line.partition(b" ")
                command = verb.decode().strip().upper()
                connection.sendall(_REPLIES.get(command, "250 2.0.0 Ok").encode() + b"\r\n")
                if command == "AUTH":
                    login = base64.b64decode(rest.split()[1])
                if command == "DATA":
                    self.record(_read(lines, login, number))
                    if not self._answer(connection, self.take()):
                        return

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        """Send the reply with its fault; whether the connection goes on."""
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


def _read(lines: BinaryIO, login: bytes, number: int) -> Received:
    """A message up to its final dot, without the dots that the client added."""
    content = b""
    while (line := lines.readline()) != b".\r\n":
        if not line:
            raise ValueError("the message has no end")
        content += line.removeprefix(b".") if line.startswith(b"..") else line
    headers = {name.lower(): str(value) for name, value in parsed(content).items()}
    return Received(headers={**headers, "authorization": login.decode()}, body=content, connection=number)


def parsed(content: bytes) -> EmailMessage:
    """The message."""
    return email.message_from_bytes(content, policy=email.policy.default)


def part(content: bytes, kind: str) -> str:
    """The text of a message's part: `plain` or `html`."""
    found = parsed(content).get_body((kind,))
    if found is None:
        raise ValueError(f"the message has no {kind} part")
    return str(found.get_content())
