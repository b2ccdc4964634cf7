"""The mail server: SMTP on loopback, plain with STARTTLS on one port, TLS from the start on another."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import secrets
import ssl
from email.message import EmailMessage
from typing import Any, Final, cast

import attrs
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from alert_sandbox.delivery import BODY_LIMIT, HANG, Deliveries, cut
from alert_sandbox.exchange import Broken, Rule, Seen, is_wrong, utc_now
from alert_sandbox.faults import Fault

KIND: Final = "smtp"
_LINGER: Final = 0.5

RULES: Final = (
    AUTH := Rule("smtp-auth", "RFC 4954 section 6: 535", 535, "5.7.8"),
    RECIPIENT := Rule("smtp-recipient", "RFC 5321 section 4.2.3: 550; RFC 3463 section 3.2: X.1.1", 550, "5.1.1"),
    FIELDS := Rule("smtp-fields", "RFC 5322 section 3.6: From and Date are required", 554, "5.6.0"),
)
_FAULTS: Final = {
    "429": "450 4.7.1 Too many messages, try again later",
    "500": "451 4.3.0 Local error in processing",
    "503": "421 4.3.2 Service shutting down",
    "error": "554 5.7.1 Message rejected by policy",
}
_HEADERS: Final = ("From", "To", "Subject", "Date", "Message-ID", "References", "In-Reply-To", "Auto-Submitted")


class Connection(SMTP):
    """One client. aiosmtpd speaks the protocol."""

    def __init__(self, deliveries: Deliveries, opened: set[Connection], **options: Any) -> None:
        super().__init__(
            Handler(deliveries),
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="alert-sandbox",
            authenticator=log_in,
            **options,
        )
        self.fault = Fault("ok")
        self.deliveries = deliveries
        self._opened = opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it in."""
        super().connection_made(transport)
        self._opened.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it out."""
        self._opened.discard(self)
        super().connection_lost(error)

    async def push(self, status: Any) -> None:
        """Send a reply; byte by byte, where that is asked for."""
        if self.fault.name != "drip":
            await super().push(status)
            return
        reply = status.encode() if isinstance(status, str) else status
        for byte in reply + b"\r\n":
            self._writer.write(bytes([byte]))
            await self.pause(self.fault.seconds(0.5))

    async def pause(self, duration: float) -> None:
        """Wait, but not longer than the sandbox runs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.deliveries.closing.wait(), duration)

    @property
    def encrypted(self) -> bool:
        """Whether what comes now comes over TLS."""
        return self.transport is not None and self.transport.get_extra_info("ssl_object") is not None

    def cut(self) -> None:
        """Reset the connection.

        Raises:
            ConnectionResetError: always: nothing more is said on it.
        """
        transport = self._original_transport or self.transport
        if transport is not None:
            cut(cast("asyncio.Transport", transport))
        raise ConnectionResetError

    def stop(self) -> asyncio.Task[None] | None:
        """End it, now; the task to wait for."""
        for transport in (self.transport, self._original_transport):
            if transport is not None:
                cast("asyncio.Transport", transport).abort()
        return self._handler_coroutine


class Handler:
    """aiosmtpd's hooks: the fault, the judgement, the inbox."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: Connection, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A message begins: its fault is decided here."""
        server.fault = self._deliveries.next_fault(KIND)
        if server.fault.name == "reset-before":
            server.cut()
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Connection, _: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Nobody lives at `nobody@…`, nor where the address has the word `invalid` in it."""
        if address.lower().startswith("nobody@") or is_wrong(address):
            reply = f"550 5.1.1 <{address}>: Recipient address rejected: User unknown"
            seen = Seen(title=f"(a recipient refused: {address})", to=(address,))
            keep(server, envelope, seen, reply, [RECIPIENT.broken(reply)])
            return reply
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 Ok"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Connection, _: Session, envelope: Envelope
    ) -> str:
        """Judge the message, keep it, and answer as the fault says."""
        content = cast("bytes", envelope.content or b"")
        message = parsed(content)
        broken = [FIELDS.broken(f"the message has no {name}") for name in ("From", "Date") if name not in message]
        reply = f"250 2.0.0 Ok: queued as {secrets.token_hex(5).upper()}"
        if broken:
            reply = f"554 5.6.0 Message not accepted: {broken[0].message}"
        reply = _FAULTS.get(server.fault.name, reply)
        keep(server, envelope, mail_seen(message, envelope), reply, broken)
        if server.fault.name == "hang":
            await server.pause(HANG)
        if server.fault.name in ("hang", "reset-after"):
            server.cut()
        return reply


def log_in(server: SMTP, _: Session, envelope: Envelope, __: str, given: Any) -> AuthResult:
    """Every name and password is right, but one with the word `invalid` in it."""
    login = cast("LoginPassword", given)
    if not any(is_wrong(part.decode("utf-8", "replace")) for part in (login.login, login.password)):
        return AuthResult(success=True)
    reply = "535 5.7.8 Error: authentication failed"
    keep(cast("Connection", server), envelope, Seen(title="(a login refused)"), reply, [AUTH.broken(reply)])
    return AuthResult(success=False, handled=False, message=reply)


def keep(server: Connection, envelope: Envelope, seen: Seen, reply: str, broken: list[Broken]) -> None:
    """Put a message, or what was refused of one, into the inbox."""
    content = cast("bytes", envelope.content or b"")
    fault = server.fault.name
    server.deliveries.store.add(
        at=utc_now(),
        kind=KIND,
        accepted=fault in ("ok", "drip", "reset-after") and reply.startswith("250"),
        seen=seen,
        request={
            "method": "SMTP",
            "path": "over TLS" if server.encrypted else "in plain text",
            "headers": {"mail from": str(envelope.mail_from or ""), "rcpt to": ", ".join(envelope.rcpt_tos)},
            "body": content.decode("utf-8", "replace"),
        },
        answer={"status": int(reply[:3]) if fault != "hang" else 0, "headers": {}, "body": reply},
        broken=tuple(broken),
        fault="" if fault == "ok" else str(server.fault),
    )


def parsed(content: bytes) -> EmailMessage:
    """The message; an empty one where its parts are nested without end."""
    try:
        return email.message_from_bytes(content, policy=email.policy.default)
    except RecursionError:
        return EmailMessage()


def mail_seen(message: EmailMessage, envelope: Envelope) -> Seen:
    """The mail as its reader sees it."""
    parts = {}
    for kind in ("plain", "html"):
        try:
            found = message.get_body((kind,))
            parts[kind] = str(found.get_content()) if found is not None else ""
        except (LookupError, ValueError, AttributeError):  # a charset or a type that Python does not know, or no body
            parts[kind] = ""
    subject = _header(message, "Subject")
    view = {
        "from": _header(message, "From"),
        "to": [_header(message, "To")],
        "cc": [],
        "bcc": [],
        "subject": subject,
        "text": parts["plain"],
        "html": parts["html"],
        "headers": {name: _header(message, name) for name in _HEADERS if name in message},
    }
    text = f"{subject}\n{parts['plain'] or parts['html']}"
    return Seen(title=subject, text=text, to=tuple(envelope.rcpt_tos), view=view)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return str(message.get(name, ""))
    except (LookupError, ValueError, AttributeError, TypeError):  # what the header's parser makes of garbage
        return ""


@attrs.define
class MailServer:
    """Both ports. For one event loop."""

    deliveries: Deliveries
    tls: ssl.SSLContext
    opened: set[Connection] = attrs.field(factory=set)
    servers: list[asyncio.Server] = attrs.field(factory=list)

    async def start(self, plain: Any, encrypted: Any) -> None:
        """Take connections on two bound sockets."""
        loop = asyncio.get_running_loop()
        options: dict[str, Any] = {"data_size_limit": BODY_LIMIT, "loop": loop}

        def starttls() -> Connection:
            return Connection(self.deliveries, self.opened, tls_context=self.tls, **options)

        def implicit() -> Connection:
            return Connection(self.deliveries, self.opened, auth_require_tls=False, **options)

        self.servers = [
            await loop.create_server(starttls, sock=plain),
            await loop.create_server(implicit, sock=encrypted, ssl=self.tls),
        ]

    async def stop(self) -> None:
        """Stop, and cut who is connected."""
        for server in self.servers:
            server.close()
        ended = [connection.stop() for connection in list(self.opened)]
        if waiting := [task for task in ended if task is not None]:
            await asyncio.wait(waiting, timeout=_LINGER)
