"""The receivers, in a process of their own: a thread a connection, with as little work an answer as possible.

`python servers.py CERTIFICATE` prints the ports as JSON and serves until its standard input ends.

HTTP and HTTPS answer every request with `ok`: at once, on `/wait/50…` after 50 ms, on `/hang` never. SMTP takes every
message and keeps none.
"""

import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
GREETED = b"250-localhost\r\n250-8BITMIME\r\n250 SIZE 10485760\r\n"
Answer = Callable[[socket.socket], None]


def answer_http(connection: socket.socket) -> None:
    """Answer the requests of one connection, one after another, until it is closed."""
    received = b""
    while True:
        while (end := received.find(b"\r\n\r\n")) < 0:
            if not (more := connection.recv(65536)):
                return
            received += more
        head = received[:end].lower()
        length = int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0] or 0)
        while len(received) < end + 4 + length:
            received += connection.recv(65536)
        received = received[end + 4 + length :]
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/wait/"):
            time.sleep(int(path.split(b"/")[2]) / 1000)
        if path == b"/hang":
            connection.recv(1)
            return
        connection.sendall(OK)
        if b"\r\nconnection: close" in head:
            return


def answer_smtp(connection: socket.socket) -> None:
    """Say yes to every command and every message (RFC 5321)."""
    lines = connection.makefile("rb")
    connection.sendall(b"220 localhost\r\n")
    for line in lines:
        command = line[:4].upper()
        if command == b"DATA":
            connection.sendall(b"354 go on\r\n")
            while next(lines) != b".\r\n":
                pass
        if command == b"QUIT":
            connection.sendall(b"221 bye\r\n")
            return
        connection.sendall(GREETED if command == b"EHLO" else b"250 ok\r\n")


def over_tls(certificate: str) -> Answer:
    """HTTP inside TLS, with this certificate and its key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def answer(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            answer_http(secured)

    return answer


def serve(answer: Answer) -> int:
    """Listen on a free port, which is returned."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    threading.Thread(target=_accept, args=(listener, answer), daemon=True).start()
    return int(listener.getsockname()[1])


def _accept(listener: socket.socket, answer: Answer) -> None:
    while True:
        connection, _ = listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_answer, args=(connection, answer), daemon=True).start()


def _answer(connection: socket.socket, answer: Answer) -> None:
    with connection, contextlib.suppress(OSError, StopIteration):  # the client left
        answer(connection)


if __name__ == "__main__":
    ports = {"http": serve(answer_http), "https": serve(over_tls(sys.argv[1])), "smtp": serve(answer_smtp)}
    print(json.dumps(ports), flush=True)
    sys.stdin.read()
