"""`alertctl serve`."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
from collections.abc import Iterator
from typing import Final

import click
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from alert_core import ConfigError
from alert_gateway.access import is_loopback
from alert_gateway.asgi import Application, create_app
from alert_gateway.bodies import MAX_BODY
from alert_gateway.config import PORT
from alert_gateway.gateway import Gateway

_PATIENCE: Final = 10
"""Seconds that requests under way get at the end."""
_MAX_HEAD: Final = 2 * MAX_BODY
"""Bytes until a request's headers have ended; more than one read from the socket, which may have a body in it too."""
_MAX_REQUEST: Final = 32 * MAX_BODY
"""Bytes of a request, with the body that is refused and the trailers."""


class Protocol(HttpToolsProtocol):
    """uvicorn's, with an end to a request: httptools takes and keeps headers and trailers of any size."""

    _left = _MAX_HEAD

    def on_message_begin(self) -> None:
        """Count anew."""
        super().on_message_begin()
        self._left = _MAX_HEAD

    def on_headers_complete(self) -> None:
        """The body may be longer."""
        self._left = _MAX_REQUEST
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse it, unless that is too much."""
        self._left -= len(data)
        if self._left >= 0:
            super().data_received(data)
        elif not self.transport.is_closing():
            self.send_400_response("The request is too large.")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65_535), help="0 takes a free one.")
def serve(host: str, port: int) -> int:
    """Take webhooks of monitoring tools, and show the status page.

    \b
        alertctl serve
        curl http://127.0.0.1:8224/alerts -d '{"level": "critical", "service": "api", "description": "Down"}'

    SIGTERM or Ctrl-C ends it: what was accepted is delivered, or stays in the outbox.
    """  # noqa: D301 - click's mark of a paragraph that keeps its lines
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    application = create_app()
    gateway = application.gateway
    try:
        _check(gateway, host)
        listener = _listen(host, port)
    except BaseException:
        application.close()
        raise
    gc.freeze()  # what is imported lives as long as the process: no collection, of some 50 ms, has to look at it
    with listener, _ended_by_signals(_server(application)) as server:
        address = listener.getsockname()
        where = f"[{address[0]}]" if ":" in address[0] else address[0]
        click.echo(f"Listening on http://{where}:{address[1]}/")
        if not gateway.keys:
            click.echo("No [gateway] token is configured: this machine alone may ask.")
        server.run(sockets=[listener])
    return 0


def _check(gateway: Gateway, host: str) -> None:
    """Nobody listens to the world without a token.

    Raises:
        ConfigError: the host is not loopback, and there is none.
    """
    if not (gateway.keys or is_loopback(host)):
        text = f"is needed to listen on {host}: without a token this machine alone may ask"
        raise ConfigError([("gateway.token", text)])


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        click.UsageError: nobody can.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise click.UsageError(f"cannot listen on {host} port {port}: {reason}") from None


def _server(application: Application) -> uvicorn.Server:
    return uvicorn.Server(
        uvicorn.Config(
            application,
            http=Protocol,
            log_config=None,
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_graceful_shutdown=_PATIENCE,
        )
    )


@contextlib.contextmanager
def _ended_by_signals(server: uvicorn.Server) -> Iterator[uvicorn.Server]:
    """Before uvicorn takes the signals over a signal is not lost, and after it has ended it raises them once more."""
    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    for name in before:
        signal.signal(name, lambda *_: setattr(server, "should_exit", True))
    try:
        yield server
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
