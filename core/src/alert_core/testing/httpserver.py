"""A stand-in for providers that speak HTTP."""

from __future__ import annotations

import http
import http.client
from typing import TYPE_CHECKING, BinaryIO, Final

import attrs

from alert_core.testing.replies import Fault, Received, Reply
from alert_core.testing.standin import StandIn, reset

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

_CHUNK: Final = b" " * 65536
_CHUNKS: Final = 256  # 16 MB stand for a body without end: enough for the client, not too much for the machine


class HttpStandIn(StandIn):
    """Speak HTTP/1.1, connections kept: every request is recorded whole, then answered as scripted."""

    def talk(self, connection: socket.socket, number: int) -> None:
        """Serve one connection until an answer's fault, or the client, ends it."""
        with connection.makefile("rb") as stream:
            while (received := read_request(stream)) is not None:
                self.record(attrs.evolve(received, connection=number))
                if not self._answer(connection, self.take()) or received.headers.get("connection") == "close":
                    return

    def _answer(self, connection: socket.socket, reply: Reply) -> bool:
        """Send the reply with its fault; whether the connection goes on."""
        head, body = head_of(reply), reply.body
        match reply.fault:
            case None:
                connection.sendall(head + body)
                return True
            case Fault.DRIP_HEAD:
                self.drip(connection, head.rstrip() + b"\r\nX-Drip: ")
            case Fault.DRIP_BODY:
                connection.sendall(head_of(reply, length=1 << 20))
                self.drip(connection, body)
            case Fault.TRUNCATE:
                connection.sendall(head_of(reply, length=len(body) + 100) + body)
            case Fault.GARBAGE:
                connection.sendall(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
            case Fault.ENDLESS:
                connection.sendall(head_of(reply, length=1 << 40) + body)
                for _ in range(_CHUNKS):
                    connection.sendall(_CHUNK)
                self.closing.wait()
            case Fault.RESET | Fault.RESET_BEFORE:
                reset(connection)
            case Fault.HANG | Fault.HANG_BEFORE:
                self.closing.wait()
        return False


def read_request(stream: BinaryIO) -> Received | None:
    """One request, or None where the connection ended between two.

    Raises:
        ValueError: it is no HTTP/1.1 request, or only part of one.
    """
    line = stream.readline(65536)
    if not line:
        return None
    method, path, _ = line.decode("latin-1").split()
    try:
        fields = http.client.parse_headers(stream)
    except http.client.HTTPException:
        raise ValueError("the headers cannot be read") from None
    headers = {name.lower(): value for name, value in fields.items()}
    return Received(method=method, path=path, headers=headers, body=_read_body(stream, headers))


def _read_body(stream: BinaryIO, headers: Mapping[str, str]) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while size := int(stream.readline().split(b";")[0], 16):
            body += stream.read(size)
            stream.readline()
        stream.readline()
        return body
    length = int(headers.get("content-length", "0"))
    body = stream.read(length)
    if len(body) < length:
        raise ValueError("the body is cut")
    return body


def head_of(reply: Reply, length: int | None = None) -> bytes:
    """The status line and the headers, with the body's length, or another."""
    known = reply.status in http.HTTPStatus._value2member_map_
    phrase = http.HTTPStatus(reply.status).phrase if known else "Unknown"
    kind = "application/json" if reply.json is not None else "text/plain; charset=utf-8"
    headers = {"Content-Type": kind, "Content-Length": str(len(reply.body) if length is None else length)}
    headers |= reply.headers
    lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
