"""The mail servers that these tests send to: aiosmtpd, and one that fails by script."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import aiosmtpd.controller
import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from alert_smtp.transport import SmtpTransport

USERNAME, PASSWORD = "alerts@example.com", "smtp-canary-Kp3x"
FROM, TO = "Alerts <alerts@example.com>", ("ops@example.com", "Security <security@example.com>")


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_bundle(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


def server_context(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


class Inbox:
    """A handler of aiosmtpd that keeps what arrives."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.hellos: list[str] = []
        self.logins: list[str] = []

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.hellos.append(hostname)
        session.host_name = hostname
        return responses

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        self.envelopes.append(envelope)
        return f"250 2.0.0 Ok: queued as Q{len(self.envelopes)}"

    def log_in(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        self.logins.append(mechanism)
        given = LoginPassword(USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=data == given, handled=False)


class Controller(aiosmtpd.controller.Controller):
    """One that leaves no connection open behind it: asyncio warns of those, in whatever test runs by then."""

    def factory(self) -> SMTP:
        server: SMTP = super().factory()  # type: ignore[no-untyped-call]  # aiosmtpd has it untyped
        self.servers = [*getattr(self, "servers", []), server]
        return server

    def stop(self, no_assert: bool = False) -> None:
        asyncio.run_coroutine_threadsafe(self.drop_connections(), self.loop).result(30)
        super().stop(no_assert)

    async def drop_connections(self) -> None:
        for server in getattr(self, "servers", []):
            if isinstance(server.transport, asyncio.WriteTransport):
                server.transport.abort()
        for _ in range(10):  # the loop's turns until each transport has ended
            await asyncio.sleep(0)


class MailServer:
    """aiosmtpd on a loopback port, speaking as `security` says."""

    def __init__(self, security: str, context: ssl.SSLContext, **options: Any) -> None:
        self.inbox = Inbox()
        if security == "starttls":
            options = {"tls_context": context, "require_starttls": True, **options}
        if security == "tls":
            options["ssl_context"] = context
        self.controller = Controller(
            self.inbox,
            hostname="127.0.0.1",
            port=_free_port(),
            authenticator=self.inbox.log_in,
            auth_require_tls=security == "starttls",  # aiosmtpd knows no TLS but its own STARTTLS
            **options,
        )


@pytest.fixture
def mail_server(authority: trustme.CA) -> Iterator[Callable[..., MailServer]]:
    """`mail_server(security, name="localhost", **options)` starts aiosmtpd with a certificate for that name."""
    with contextlib.ExitStack() as running:

        def start(security: str, name: str = "localhost", ca: trustme.CA = authority, **options: Any) -> MailServer:
            server = MailServer(security, server_context(ca, name), **options)
            server.controller.start()
            running.callback(server.controller.stop)
            return server

        yield start


class ScriptedServer:
    """An SMTP server whose answer to each step is a script, and which counts connections and notes commands.

    A step (`greeting`, `ehlo`, `mail`, `rcpt`, `data`, `content`, `message`, `rset`, `auth`, `starttls`) is answered by
    its reply, or does one of HANG, CLOSE, RESET and DRIP; a list has one action for each time the step comes, its last
    for all that follow. `content` is what it does after 354, before it reads; `message` answers the final dot.
    """

    REPLIES: ClassVar = {
        "greeting": "220 scripted ESMTP",
        "ehlo": "250-scripted\r\n250 ENHANCEDSTATUSCODES",
        "content": "",
        "data": "354 go on",
        "message": "250 2.0.0 Ok: queued as S1",
    }

    def __init__(self, script: dict[str, Any]) -> None:
        self.script = {step: list(a) if isinstance(a, list) else [a] for step, a in script.items()}
        self.connections = 0
        self.commands: list[str] = []
        self.messages: list[bytes] = []
        self.ending = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()

    def accept(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines, contextlib.suppress(OSError):
            connection.settimeout(30)
            going = self.act("greeting", connection)
            while going and (line := lines.readline()):
                verb, _, rest = line.decode("utf-8").rstrip("\r\n").partition(" ")
                self.commands.append(f"{verb.upper()} {rest}".strip())  # smtplib writes some of them small
                step = verb.lower()
                going = self.act(step, connection)
                if step == "data" and going:
                    going = self.act("content", connection) and self.read(lines) and self.act("message", connection)

    def read(self, lines: Any) -> bool:
        message = b""
        while line := lines.readline():
            if line == b".\r\n":
                self.messages.append(message)
                return True
            message += line
        return False

    def act(self, step: str, connection: socket.socket) -> bool:
        """Do what the script says; whether the connection goes on."""
        actions = self.script.get(step, [self.REPLIES.get(step, "250 2.0.0 Ok")])
        action = actions.pop(0) if len(actions) > 1 else actions[0]
        if action == "RESET":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if action in ("CLOSE", "RESET"):
            return False
        if action == "HANG":
            self.ending.wait(30)
            return False
        if action == "DRIP":
            while not self.ending.wait(0.02):
                connection.sendall(b"2")
            return False
        if action:
            connection.sendall(action.encode() + b"\r\n")
        return not action.startswith("421")

    def close(self) -> None:
        self.ending.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join(10)


@pytest.fixture
def scripted_server() -> Iterator[Callable[..., ScriptedServer]]:
    """`scripted_server(mail="450 4.7.1 later", …)` starts a ScriptedServer."""
    with contextlib.ExitStack() as running:

        def start(**script: Any) -> ScriptedServer:
            server = ScriptedServer(script)
            running.callback(server.close)
            return server

        yield start


@pytest.fixture
def transport() -> Iterator[Callable[..., SmtpTransport]]:
    """`transport(port=…, …)` makes a transport in plain text for the scripted server; closed at the end."""
    with contextlib.ExitStack() as made:

        def make(**options: Any) -> SmtpTransport:
            given = {"host": "127.0.0.1", "security": "none", "from_email": FROM, "to_emails": TO}
            smtp = SmtpTransport(**(given | options))
            made.callback(smtp.close)
            return smtp

        yield make


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
