"""The sandbox itself: its ports, its thread, and what a test or a tour asks of it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import trustme
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from alert_sandbox import environment
from alert_sandbox.app import KINDS, build
from alert_sandbox.delivery import Deliveries
from alert_sandbox.faults import parse_plan
from alert_sandbox.mail import MailServer
from alert_sandbox.store import Filter, Message

HOST: Final = "127.0.0.1"
PORT: Final = 8225
SMTP_PORT: Final = 2525
SMTPS_PORT: Final = 2465
_PATIENCE: Final = 30.0

_T = TypeVar("_T")


class Sandbox:
    """A running sandbox on loopback, from the moment it is made until `close()`.

    Args:
        port: of HTTP; 0 takes a free one.
        smtp_port: of SMTP with STARTTLS; 0 takes a free one.
        smtps_port: of SMTP over TLS; 0 takes a free one.

    Raises:
        OSError: a port is taken.
    """

    def __init__(self, *, port: int = 0, smtp_port: int = 0, smtps_port: int = 0) -> None:
        sockets: list[socket.socket] = []
        try:
            for wanted in (port, smtp_port, smtps_port):
                sockets.append(listen(wanted))  # noqa: PERF401 - those that are open are closed where one fails
        except OSError:
            for taken in sockets:
                taken.close()
            raise
        self._folder = tempfile.TemporaryDirectory(prefix="alert-sandbox-")
        self._deliveries = Deliveries()
        self._tls = self._certificate()
        ports = [int(opened.getsockname()[1]) for opened in sockets]
        self.addresses = environment.Addresses(
            url=f"http://{HOST}:{ports[0]}",
            host=HOST,
            smtp_port=ports[1],
            smtps_port=ports[2],
            ca_bundle=str(self.ca_bundle),
        )
        self._deliveries.environment = self.environment()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(sockets,), name="alert-sandbox", daemon=True)
        self._thread.start()
        if not self._ready.wait(_PATIENCE):
            raise RuntimeError("the sandbox did not start; see the traceback above")

    @property
    def url(self) -> str:
        """Where the page is: `http://127.0.0.1:8225`."""
        return self.addresses.url

    @property
    def ca_bundle(self) -> Path:
        """The certificate that vouches for the mail server's, for `ca_bundle` of an `smtp` target."""
        return Path(self._folder.name) / "ca.pem"

    def environment(self) -> dict[str, str]:
        """The variables that point every transport here."""
        return environment.environment(self.addresses)

    def targets(self) -> dict[str, dict[str, Any]]:
        """A target of each kind that is installed, for `Dispatcher.from_config({"targets": …})`."""
        return environment.targets(self.addresses)

    def messages(self, **wanted: Any) -> list[Message]:
        """What arrived, oldest first: by `kind`, `severity`, `text` in it, `accepted` or not, `after` an id."""
        return self._deliveries.store.find(Filter(**wanted))

    def wait(self, count: int = 1, *, timeout: float = 10.0, **wanted: Any) -> list[Message]:
        """What arrived, once there are `count` such messages.

        Raises:
            TimeoutError: fewer came in `timeout` seconds.
        """
        waiting = self._deliveries.wait(Filter(**wanted), count, timeout)
        found, in_time = asyncio.run_coroutine_threadsafe(waiting, self._loop).result(timeout + _PATIENCE)
        if not in_time:
            told = "\n".join(f"  {m.kind} {m.answer['status']} {m.title}" for m in self.messages())
            raise TimeoutError(
                f"{len(found)} of {count} messages came in {timeout:g} s. All that came:\n{told or '  none'}"
            )
        return found

    def fail(self, kind: str, plan: str) -> None:
        """Let a kind (or every kind, `*`) fail by plan: `429:1,500,ok`; the last fault stays. "" ends it.

        Raises:
            ValueError: there is no such kind or fault.
        """
        if kind not in (*KINDS, "*"):
            raise ValueError(f"no kind {kind!r}; there are {', '.join(KINDS)} and *")
        plans = {kind: parse_plan(plan) if plan else ()}
        self._call(lambda: self._deliveries.set_faults(plans))

    def clear(self) -> None:
        """Forget every message and every fault."""

        def forget() -> None:
            self._deliveries.store.clear()
            self._deliveries.clear_faults()

        self._call(forget)

    def close(self) -> None:
        """Stop: hanging requests are cut. May be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop)
            self._thread.join(_PATIENCE)
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _certificate(self) -> ssl.SSLContext:
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost", HOST).configure_cert(context)
        authority.cert_pem.write_to_path(str(self.ca_bundle))
        self._deliveries.authority = authority.cert_pem.bytes()
        return context

    def _call(self, action: Callable[[], _T]) -> _T:
        async def there() -> _T:
            return action()

        return asyncio.run_coroutine_threadsafe(there(), self._loop).result(_PATIENCE)

    def _run(self, sockets: list[socket.socket]) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve(*sockets))

    async def _serve(self, http: socket.socket, plain: socket.socket, encrypted: socket.socket) -> None:
        transports = self._deliveries.transports

        class Protocol(H11Protocol):
            """HTTP/1.1 whose connections can be reset."""

            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own
                super().connection_made(transport)
                self._peer = tuple(transport.get_extra_info("peername"))
                transports[self._peer] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                transports.pop(self._peer, None)
                super().connection_lost(exc)

        config = uvicorn.Config(
            build(self._deliveries),
            http=Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=1,
        )
        self._http = uvicorn.Server(config)
        mail = MailServer(self._deliveries, self._tls)
        await mail.start(plain, encrypted)
        http.setblocking(False)
        self._ready.set()
        await self._http.serve(sockets=[http])
        await mail.stop()

    def _stop(self) -> None:
        self._deliveries.closing.set()
        self._deliveries.store.changed()
        self._http.should_exit = True


def listen(port: int) -> socket.socket:
    """A socket that listens on loopback.

    Raises:
        OSError: the port is taken.
    """
    return socket.create_server((HOST, port), backlog=128)
