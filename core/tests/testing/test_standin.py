"""The fault server itself, seen by a plain client."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from alert_core.testing import Fault, HttpStandIn, Received, Reply
from alert_core.testing.standin import refusing_port, silent_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

PATIENCE = 20.0


@pytest.fixture
def server() -> Iterator[HttpStandIn]:
    with HttpStandIn() as server:
        yield server


def talk(server: HttpStandIn, timeout: float = PATIENCE, request: bytes = b"") -> bytes:
    """Everything that a client gets for one request, until the connection ends."""
    with socket.create_connection((server.host, server.port), timeout=timeout) as client:
        client.sendall(
            request or b"POST /x?y=1 HTTP/1.1\r\nContent-Length: 5\r\nX-A: b\r\nConnection: close\r\n\r\nhello"
        )
        answer = b""
        while part := client.recv(65536):
            answer += part
            if b"\r\n\r\n" in answer and answer.endswith(b"}"):
                return answer
        return answer


def test_a_request_is_recorded_whole_and_answered_as_scripted(server: HttpStandIn) -> None:
    server.script(Reply(201, json={"id": "m1"}, headers={"X-Id": "7"}))
    answer = talk(server)
    assert answer.startswith(b"HTTP/1.1 201 Created\r\n")
    assert b"X-Id: 7\r\n" in answer
    assert answer.endswith(b'{"id": "m1"}')
    assert server.received == [
        Received(
            method="POST",
            path="/x?y=1",
            headers={"content-length": "5", "x-a": "b", "connection": "close"},
            body=b"hello",
            connection=1,
        )
    ]


def test_a_chunked_request_is_read(server: HttpStandIn) -> None:
    client = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    client.request(
        "POST", "/", body=iter([b"he", b"llo"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )
    assert client.getresponse().read() == b""
    client.close()
    assert server.received[0].body == b"hello"


def test_replies_come_in_order_and_the_last_one_is_repeated(server: HttpStandIn) -> None:
    server.script(Reply(503), Reply(200))
    client = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    statuses = []
    for _ in range(3):
        client.request("GET", "/")
        response = client.getresponse()
        response.read()
        statuses.append(response.status)
    client.close()
    assert statuses == [503, 200, 200]
    assert {request.connection for request in server.received} == {1}


@pytest.mark.parametrize(("fault", "received"), [(Fault.RESET, 1), (Fault.RESET_BEFORE, 0)])
def test_a_reset_gives_no_answer(server: HttpStandIn, fault: Fault, received: int) -> None:
    server.script(Reply(fault=fault))
    try:
        answer = talk(server)
    except ConnectionError:
        answer = b""
    assert (answer, len(server.received), server.connections) == (b"", received, 1)


@pytest.mark.parametrize(("fault", "received"), [(Fault.HANG, 1), (Fault.HANG_BEFORE, 0)])
def test_a_hang_gives_nothing_and_ends_with_the_server(server: HttpStandIn, fault: Fault, received: int) -> None:
    server.script(Reply(fault=fault))
    with pytest.raises(TimeoutError):
        talk(server, timeout=0.2)
    assert len(server.received) == received
    server.close()
    assert not any(thread.is_alive() for thread in server._threads)


@pytest.mark.parametrize("fault", [Fault.DRIP_HEAD, Fault.DRIP_BODY])
def test_a_drip_never_ends_and_never_pauses_for_long(server: HttpStandIn, fault: Fault) -> None:
    server.script(Reply(json={"ok": True}, fault=fault))
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        answer = b""
        while len(answer) < 150:
            part = client.recv(4096)
            assert part
            answer += part
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"\r\n\r\n" in answer) == (fault is Fault.DRIP_BODY)


def test_a_truncated_answer_ends_before_its_length(server: HttpStandIn) -> None:
    server.script(Reply(json={"ok": True}, fault=Fault.TRUNCATE))
    client = http.client.HTTPConnection(server.host, server.port, timeout=PATIENCE)
    client.request("GET", "/")
    with pytest.raises(http.client.IncompleteRead):
        client.getresponse().read()
    client.close()


def test_garbage_is_not_http(server: HttpStandIn) -> None:
    server.script(Reply(fault=Fault.GARBAGE))
    assert b"HTTP/1.1" not in talk(server)


def test_an_endless_body_is_longer_than_any_client_should_read(server: HttpStandIn) -> None:
    server.script(Reply(fault=Fault.ENDLESS))
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        total = 0
        while total < 4 << 20:
            total += len(client.recv(1 << 20))


def test_it_speaks_tls_with_the_certificate_it_is_given() -> None:
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting, distrusting = ssl.create_default_context(), ssl.create_default_context()
    authority.configure_trust(trusting)
    with HttpStandIn(Reply(204), tls=context) as server:
        client = http.client.HTTPSConnection("localhost", server.port, context=trusting, timeout=PATIENCE)
        client.request("GET", "/")
        assert client.getresponse().status == 204
        client.close()
        client = http.client.HTTPSConnection("localhost", server.port, context=distrusting, timeout=PATIENCE)
        with pytest.raises(ssl.SSLCertVerificationError):
            client.request("GET", "/")
        client.close()
    assert len(server.received) == 1


def test_a_client_that_speaks_something_else_harms_nobody(server: HttpStandIn) -> None:
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"EHLO localhost\r\n")
        assert client.recv(100) == b""
    assert talk(server).startswith(b"HTTP/1.1 200")


def test_connections_are_dropped_while_it_goes_on_listening(server: HttpStandIn) -> None:
    with socket.create_connection((server.host, server.port), timeout=PATIENCE) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.recv(1)
        server.drop_connections()
        while client.recv(100):  # what was on its way, and then the end
            pass
    assert talk(server).startswith(b"HTTP/1.1 200")


def test_closing_twice_is_no_trouble_and_nothing_listens_then(server: HttpStandIn) -> None:
    server.close()
    server.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=PATIENCE)


def test_many_clients_at_once_are_served_each_by_itself(server: HttpStandIn) -> None:
    server.script(Reply(json={"ok": True}))
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(talk(server))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(answers) == len(server.received) == server.connections == 20


@pytest.mark.parametrize(
    ("port", "error"),
    [(refusing_port(), ConnectionRefusedError), (silent_port(), TimeoutError)],
    ids=["refuse", "silent"],
)
def test_a_port_that_takes_no_connection(port: AbstractContextManager[int], error: type[OSError]) -> None:
    with port as number, pytest.raises(error):
        socket.create_connection(("127.0.0.1", number), timeout=0.3)


def test_a_reply_has_headers_added_by_name() -> None:
    assert Reply(429, headers={"A": "b"}).having(retry_after="7").headers == {"A": "b", "Retry-After": "7"}
