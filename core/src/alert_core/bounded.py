"""A network for httpcore whose every step ends with the attempt's time: httpx's timeouts are for one read each."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any

import httpcore

exchange_ends: ContextVar[float] = ContextVar("exchange_ends")
"""When the exchange under way in this thread must end (`time.monotonic()`)."""


def _left(timeout: float | None, fault: type[Exception]) -> float:
    left = exchange_ends.get() - time.monotonic()
    if left <= 0:
        raise fault("the attempt's time is over")
    return left if timeout is None else min(left, timeout)


class BoundedStream(httpcore.NetworkStream):
    """A stream that reads and writes within the attempt's time."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Send what was kept back, then read."""
        if self._unsent:
            unsent, self._unsent = self._unsent, b""
            with contextlib.suppress(httpcore.WriteError):  # an answer may have come before the server closed
                self._stream.write(unsent, _left(timeout, httpcore.WriteTimeout))
        return self._stream.read(max_bytes, _left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 - read() bounds it
        """Keep it until the answer is read, so that headers and body leave in one segment."""
        self._unsent += buffer

    def close(self) -> None:
        """Close the socket."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Speak TLS from here on."""
        left = _left(timeout, httpcore.ConnectTimeout)
        return BoundedStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of a stream."""
        return self._stream.get_extra_info(info)


class BoundedBackend(httpcore.SyncBackend):
    """Connect within the attempt's time, whatever number of addresses a name has."""

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Try the addresses in turn, each with its share of the time."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except UnicodeError:
            raise httpcore.LocalProtocolError("the host is no name") from None
        except OSError:
            raise httpcore.ConnectError("the name does not resolve") from None
        addresses = list(dict.fromkeys(str(address[4][0]) for address in found))
        for position, address in enumerate(addresses):
            share = _left(timeout, httpcore.ConnectTimeout) / (len(addresses) - position)
            try:
                return BoundedStream(super().connect_tcp(address, port, share, local_address, socket_options))
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if position == len(addresses) - 1:
                    raise
        raise httpcore.ConnectError("the name has no address")
