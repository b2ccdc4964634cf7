"""A provider's stand-in on loopback: real sockets, a thread a connection, faults on request."""

from __future__ import annotations

import socket
import struct
import threading
from collections import deque
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, Self

from alert_core.testing.replies import Fault, Received, Reply

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

HOST: Final = "127.0.0.1"
_LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # close() then sends RST, not FIN
_DRIP: Final = (
    0.02  # seconds between two bytes: under every read timeout, so that only a bound on the whole attempt ends it
)


class StandIn:
    """Base class: a subclass speaks one protocol, in `talk()`.

    It listens from the moment it is made. `script()` says what is answered; `received` has every request, `connections`
    counts what was accepted, a reset one included.

    Args:
        tls: a server's context; every connection then starts with a handshake.
        replies: as of `script()`.
    """

    def __init__(self, *replies: Reply, tls: ssl.SSLContext | None = None) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self.closing = threading.Event()
        self._tls = tls
        self._lock = threading.Condition()
        self._replies = deque(replies or (Reply(),))
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server((HOST, 0), backlog=128)
        self.host, self.port = HOST, int(self._listener.getsockname()[1])
        self._start(self._accept)

    def talk(self, connection: socket.socket, number: int) -> None:
        """Serve one connection until it ends. An OSError out of it ends the connection, and nothing else."""
        raise NotImplementedError

    def script(self, *replies: Reply) -> Self:
        """Answer with these, one a request; the last one is repeated."""
        with self._lock:
            self._replies = deque(replies)
        return self

    def take(self) -> Reply:
        """The reply for this request."""
        with self._lock:
            return self._replies.popleft() if len(self._replies) > 1 else self._replies[0]

    def record(self, received: Received) -> None:
        """Keep a request, before it is answered."""
        with self._lock:
            self.received.append(received)
            self._lock.notify_all()

    def wait(self, requests: int = 1, timeout: float = 5.0) -> bool:
        """Wait until so many requests were received, at most `timeout` seconds; whether they were."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self.received) >= requests, timeout)

    def drop_connections(self) -> None:
        """Close every open connection; go on listening."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Stop listening, cut every connection, and wait for the threads. May be called twice."""
        if self.closing.is_set():
            return
        self.closing.set()
        with suppress(OSError):  # wakes accept()
            socket.create_connection((self.host, self.port), timeout=1).close()
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join(timeout=5)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]  # any callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            if self.closing.is_set():
                connection.close()
                return
            self.connections += 1
            self._start(self._serve, connection, self.connections)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with self._lock:
            self._open.add(connection)
        try:
            if self._breaks_at_once(connection):
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                plain, connection = connection, self._tls.wrap_socket(connection, server_side=True)
                with self._lock:
                    self._open.discard(plain)
                    self._open.add(connection)
            self.talk(connection, number)
        except (OSError, ValueError):  # the client is gone, or speaks something else
            pass
        finally:
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _breaks_at_once(self, connection: socket.socket) -> bool:
        with self._lock:
            fault = self._replies[0].fault
        if fault is Fault.RESET_BEFORE:
            self.take()
            reset(connection)
        elif fault is Fault.HANG_BEFORE:
            self.take()
            self.closing.wait()
        return fault in (Fault.RESET_BEFORE, Fault.HANG_BEFORE)

    def drip(self, connection: socket.socket, start: bytes) -> None:
        """Send a byte at a time until the client goes away: `start`, and then spaces without end."""
        position = 0
        while not self.closing.wait(_DRIP):
            connection.sendall(start[position : position + 1] or b" ")
            position += 1


def reset(connection: socket.socket) -> None:
    """Close a connection with RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    connection.close()


@contextmanager
def refusing_port() -> Iterator[int]:
    """A port where connections are refused: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        yield int(bound.getsockname()[1])


@contextmanager
def silent_port() -> Iterator[int]:
    """A port where a connection is neither taken nor refused: its backlog is full (Linux then drops what knocks)."""
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        listener.listen(0)
        port = int(listener.getsockname()[1])
        waiting = []
        try:
            for _ in range(4):
                client = socket.socket()
                waiting.append(client)
                client.setblocking(False)
                client.connect_ex((HOST, port))
            yield port
        finally:
            for client in waiting:
                client.close()
