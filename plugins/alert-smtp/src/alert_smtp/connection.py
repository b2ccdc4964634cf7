"""One connection to an SMTP server: every step ends with the attempt, every reply is judged (RFC 5321)."""

from __future__ import annotations

import base64
import contextlib
import re
import smtplib
import socket
import ssl
import time
from typing import TYPE_CHECKING, Final

from alert_core import DeliveryError, PermanentDeliveryError, RetryableDeliveryError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MAX_REPLY: Final = 1 << 16
"""Octets of one reply that are read; RFC 5321 section 4.5.3.1.5 allows 512 a line."""

_UNKNOWN_COMMAND: Final = (500, 502)
_TOO_MANY_RECIPIENTS: Final = 552
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_HINTS: Final = {
    530: "the server asks for a login over TLS: set username and password",
    534: "the server wants another way of login",
    535: "check username and password",
}


class Connection(smtplib.SMTP):
    """An SMTP connection whose every step ends by `ends` (`time.monotonic()`).

    Methods raise OSError where the network fails, and a DeliveryError where the server's reply is no yes.
    """

    def __init__(self, host: str, port: int, ends: float) -> None:
        """Connect, trying each address of the host in its share of the time left."""
        super().__init__(local_hostname="localhost")  # given: smtplib would look a name up, unbounded
        self._host = host
        self._ends = ends
        self._received = b""
        self.sock = _connect(host, port, ends)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        address = self.sock.getsockname()[0]
        # An address literal, RFC 5321 section 4.1.3.
        self.local_hostname = f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def resume(self, ends: float) -> None:
        """Work on within another attempt's time."""
        self._ends = ends

    def send(self, s: ReadableBuffer | str) -> None:
        """Send it all. An OSError means that its last octet was not sent."""
        if self._received:
            raise ConnectionError("the server speaks out of turn: its replies can no longer be told apart")
        view = memoryview(s.encode() if isinstance(s, str) else s)
        while view:
            view = view[self._ready().send(view) :]

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply: its code, -1 where it has none, and its text."""
        texts, size = [], 0
        while True:
            while b"\n" not in self._received:
                more = self._ready().recv(4096)
                size += len(more)
                if not more or size > MAX_REPLY:
                    raise ConnectionError("closed by the server, or an endless reply")
                self._received += more
            line, _, self._received = self._received.partition(b"\n")
            texts.append(line[4:].strip())
            if line[3:4] != b"-" or not line[:3].isdigit():
                return int(line[:3]) if line[:3].isdigit() else -1, b"\n".join(texts)

    def expect(self, step: str, wanted: int, reply: tuple[int, bytes]) -> None:
        """See that a reply is the one wanted, by its first digit (RFC 5321 section 4.2.1).

        Raises:
            DeliveryError: it is another; permanent or retryable.
        """
        code, text = reply
        if code // 100 != wanted // 100:
            raise refusal(step, code, text)

    def greet(self) -> None:
        """Say EHLO, and learn what the server can do; HELO where it knows no EHLO."""
        reply = self.ehlo()
        if reply[0] in _UNKNOWN_COMMAND:
            reply = self.helo()
        self.expect("EHLO", 250, reply)

    def encrypt(self, context: ssl.SSLContext) -> None:
        """Go on in TLS, the certificate verified for the host. What came in plain text is forgotten."""
        self.sock = context.wrap_socket(self._ready(), server_hostname=self._host)
        self._received = b""

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Ask for TLS, and greet again inside it."""
        if not self.has_extn("starttls"):
            raise PermanentDeliveryError(
                'the server offers no STARTTLS; security = "tls" is for a port that begins with TLS, as 465'
            )
        self.expect("STARTTLS", 220, self.docmd("STARTTLS"))
        self.encrypt(context)
        self.greet()

    def log_in(self, username: str, password: str) -> None:
        """Log in by one mechanism, tried once: more tries of a wrong password lock accounts."""
        offered = self.esmtp_features.get("auth", "").upper().split()
        name, secret = username.encode(), password.encode()
        if "PLAIN" in offered:  # RFC 4616
            reply = self.docmd("AUTH", "PLAIN " + _base64(b"\0" + name + b"\0" + secret))
        elif "LOGIN" in offered:
            self.expect("AUTH", 334, self.docmd("AUTH", "LOGIN"))
            self.expect("AUTH", 334, self.docmd(_base64(name)))
            reply = self.docmd(_base64(secret))
        else:
            raise PermanentDeliveryError("the server offers no AUTH by PLAIN or LOGIN: remove username and password")
        self.expect("AUTH", 235, reply)

    def begin(self, sender: str, recipient: str, size: int, *, smtputf8: bool) -> None:
        """Open a transaction: MAIL, RCPT and DATA. Nothing of the message is sent yet."""
        options = []
        if smtputf8 and not self.has_extn("smtputf8"):
            raise PermanentDeliveryError("the address is not ASCII, and the server offers no SMTPUTF8")
        if smtputf8:
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        if self.has_extn("size"):
            limit = self.esmtp_features["size"].strip()
            if limit.isdigit() and 0 < int(limit) < size:
                raise PermanentDeliveryError(
                    f"the message has {size} octets, and the server takes {limit}", code="5.3.4"
                )
            options.append(f"SIZE={size}")
        self.expect("MAIL", 250, self.docmd("MAIL", " ".join([f"FROM:<{sender}>", *options])))
        self.expect("RCPT", 250, self.docmd("RCPT", f"TO:<{recipient}>"))
        self.expect("DATA", 354, self.docmd("DATA"))

    def reset(self) -> bool:
        """Give up an open transaction; whether the connection can take another."""
        try:
            self.expect("RSET", 250, self.rset())
        except (OSError, DeliveryError):
            return False
        return True

    def is_quiet(self) -> bool:
        """Whether it is open and silent: a server says 421 before it closes an idle connection."""
        if self.sock is None or self._received:
            return False
        try:
            self.sock.settimeout(0)
            self.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def leave(self) -> None:
        """Say QUIT and close, waiting for nothing."""
        with contextlib.suppress(OSError):
            if self.sock is not None:
                self.sock.settimeout(0)
                self.sock.send(b"QUIT\r\n")
        self.close()

    def _ready(self) -> socket.socket:
        """The socket, its next step limited to the time that is left."""
        if self.sock is None:
            raise ConnectionError("closed")
        self.sock.settimeout(_left(self._ends))
        return self.sock


def refusal(step: str, status: int, text: bytes) -> DeliveryError:
    """The error that a reply means, quoting its numbers alone: its text may hold addresses."""
    found = _ENHANCED.match(text)
    code = found.group().decode() if found else None
    if status // 100 not in (4, 5):
        return RetryableDeliveryError(f"{step} was not answered as by an SMTP server")
    # RFC 5321 section 4.5.3.1.10: too many recipients was once 552, and is to be tried again.
    too_many = step == "RCPT" and status == _TOO_MANY_RECIPIENTS and code in (None, "5.5.3")
    kind = RetryableDeliveryError if status // 100 == 4 or too_many else PermanentDeliveryError  # noqa: PLR2004
    said = f"{status} {code}" if code else str(status)
    hint = f"; {_HINTS[status]}" if status in _HINTS else ""
    return kind(f"{step} was answered {said}{hint}", status=status, code=code)


def _connect(host: str, port: int, ends: float) -> socket.socket:
    addresses = list(dict.fromkeys(found[4][0] for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    for position, address in enumerate(addresses, 1):
        try:
            return socket.create_connection((str(address), port), timeout=_left(ends) / (len(addresses) - position + 1))
        except OSError:
            if position == len(addresses):
                raise
    raise OSError("the name has no address")


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("the attempt's time is over")
    return left


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
