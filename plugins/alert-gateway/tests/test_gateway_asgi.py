import asyncio
import contextlib
import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import alert_gateway.asgi
from alert_core import Alert, SourceSpec
from alert_gateway.asgi import Application, create_app
from alert_gateway.bodies import MAX_BODY
from alert_gateway.messages import Request

Make = Callable[..., Any]
Serve = Callable[..., Any]


class Gate:
    """A source that answers when it may."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Semaphore(0), threading.Event()

    def parse(self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> list[Alert]:
        self.began.release()
        assert self.go_on.wait(60)
        return [Alert("late", "late")]


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.go_on.set()


def test_an_alert_is_taken_from_a_socket(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    status, headers, body = server.ask("POST", "/alerts", b'{"title": "a"}')
    assert (status, headers["content-type"]) == (202, "application/json")
    assert json.loads(body)["accepted"][0]["id"] == asked.alerts[0].id


def test_queries_and_headers_arrive_as_they_were_sent(make: Make, serve: Serve) -> None:
    def parse(body: bytes, headers: Mapping[str, str], query: Mapping[str, str]) -> list[Alert]:
        return [Alert(f"{query} {headers['x-a']} {body.hex()}", "m")]

    asked = make({}, SourceSpec("echo", parse))
    path = "/alerts/echo?a=1&a=2&b=%C3%A9+x&c="
    assert serve(asked.gateway).ask("POST", path, b"\x00\xff", {"X-A": "one"})[0] == 202
    assert asked.alerts[0].title == "{'a': '2', 'b': 'é x', 'c': ''} one 00ff"


def test_a_head_has_the_headers_of_a_get_and_no_body(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    status, headers, body = server.ask("HEAD", "/healthz")
    assert (status, headers["content-length"], body) == (200, "11", b"")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_while_it_is_read(asked: Any, serve: Serve, chunked: bool) -> None:
    server = serve(asked.gateway)
    body: Any = iter([b"x" * 65_536] * 20) if chunked else b"x" * (65_536 * 20)
    status, _, answer = server.ask("POST", "/alerts", body, encode_chunked=chunked)
    assert (status, json.loads(answer)) == (413, {"error": f"a body has at most {MAX_BODY} bytes"})
    status, _, _ = server.ask("POST", "/alerts", iter([b'{"tit', b'le": "a"}']), encode_chunked=True)
    assert status == 202


def test_a_body_without_end_is_cut_off(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as endless:
        endless.sendall(b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):  # noqa: PT011 - reset, or a broken pipe
            endless.sendall((b"10000\r\n" + b"x" * 65_536 + b"\r\n") * 2000)
    assert server.ask("GET", "/healthz")[0] == 200


def test_a_packed_body_is_unpacked_within_the_limit(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    headers = {"Content-Encoding": "gzip"}
    assert server.ask("POST", "/alerts", gzip.compress(b'{"title": "a"}'), headers)[0] == 202
    assert server.ask("POST", "/alerts", gzip.compress(b" " * 10_000_000), headers)[0] == 413


def test_who_goes_before_the_body_is_whole_tells_nobody(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as gone:
        gone.sendall(b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n" + b'{"title"')
    assert server.ask("GET", "/healthz")[0] == 200
    assert asked.alerts == []


def test_who_takes_too_long_with_the_body_is_told(asked: Any, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_gateway.asgi, "PATIENCE", 0.05)
    server = serve(asked.gateway)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as slow:
        slow.sendall(b"POST /alerts HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n{")
        assert slow.recv(12) == b"HTTP/1.1 408"


def test_more_requests_than_are_taken_at_a_time_are_told_to_come_back(make: Make, serve: Serve, gate: Gate) -> None:
    asked = make({}, SourceSpec("gate", gate.parse))
    server = serve(asked.gateway, most=2)
    answers: list[int] = []
    waiting = [
        threading.Thread(target=lambda: answers.append(server.ask("POST", "/alerts/gate", b"{}")[0])) for _ in range(2)
    ]
    for thread in waiting:
        thread.start()
        assert gate.began.acquire(timeout=60)
    status, headers, body = server.ask("POST", "/alerts", b'{"title": "a"}')
    assert (status, headers["retry-after"]) == (503, "5")
    assert json.loads(body) == {"error": "too many requests are under way"}
    gate.go_on.set()
    for thread in waiting:
        thread.join(60)
    assert answers == [202, 202]
    assert server.ask("POST", "/alerts", b'{"title": "a"}')[0] == 202


def test_a_sender_is_answered_within_the_time_and_the_alert_arrives_all_the_same(
    make: Make, serve: Serve, gate: Gate
) -> None:
    asked = make({"gateway": {"answer_within": 0.05}}, SourceSpec("gate", gate.parse))
    server = serve(asked.gateway)
    status, headers, body = server.ask("POST", "/alerts/gate", b"{}")
    assert (status, headers["retry-after"]) == (503, "5")
    assert json.loads(body) == {"error": "this takes too long; it may have been accepted all the same"}
    gate.go_on.set()
    server.close()
    assert [alert.title for alert in asked.alerts] == ["late"]


def test_what_was_not_begun_in_time_is_not_accepted(make: Make, serve: Serve, gate: Gate) -> None:
    asked = make({"gateway": {"answer_within": 0.05}}, SourceSpec("gate", gate.parse))
    server = serve(asked.gateway, threads=1)
    assert server.ask("POST", "/alerts/gate", b"{}")[0] == 503
    status, _, body = server.ask("POST", "/alerts", b'{"title": "a"}')
    assert (status, json.loads(body)) == (503, {"error": "too many requests are under way"})
    gate.go_on.set()
    server.close()
    assert [alert.title for alert in asked.alerts] == ["late"]


def test_where_every_thread_waits_the_process_is_alive_all_the_same_and_readers_are_told(
    make: Make, serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alert_gateway.gateway.READER", 0.05)
    asked = make({"gateway": {"answer_within": 0.05}}, SourceSpec("gate", gate.parse))
    server = serve(asked.gateway, threads=1, most=1)
    assert server.ask("POST", "/alerts/gate", b"{}")[0] == 503
    assert server.ask("GET", "/healthz/")[0] == 200
    assert server.ask("GET", "/metrics")[0] == 503
    gate.go_on.set()
    server.close()


@pytest.mark.parametrize("path", ["/metrics", "/api/overview", "/", "/page/app.js"])
def test_a_reader_too_is_told_that_it_takes_too_long(
    make: Make, serve: Serve, gate: Gate, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr("alert_gateway.gateway.READER", 0.05)
    asked = make({"gateway": {"answer_within": 0.05}}, SourceSpec("gate", gate.parse))
    server = serve(asked.gateway, threads=1)
    assert server.ask("POST", "/alerts/gate", b"{}")[0] == 503
    assert server.ask("GET", path)[0] == 503
    gate.go_on.set()
    server.close()


def test_who_asks_to_wait_waits_longer_than_that(make: Make) -> None:
    gateway = make({"gateway": {"answer_within": 1}}).gateway

    def patience(path: str, **query: str) -> float:
        found: float = gateway.patience(Request(method="POST", path=path, query=query))
        return found

    assert patience("/alerts", wait="20") == 21
    assert patience("/alerts", wait="100") == 31
    assert patience("/alerts", wait="x") == 1
    assert patience("/alerts/grafana", wait="20") == 1
    assert patience("/api/overview") == patience("/metrics") == 5


def test_many_connections_at_once_are_all_answered(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    answers: list[int] = []

    def post(name: str) -> None:
        answers.extend(server.ask("POST", "/alerts", json.dumps({"title": f"{name} {n}"}))[0] for n in range(10))

    threads = [threading.Thread(target=post, args=(f"thread {number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert answers == [202] * 160
    assert len({alert.title for alert in asked.alerts}) == 160


def test_under_a_path_of_another_application_it_answers_as_at_its_root(asked: Any) -> None:
    application = Application(asked.gateway)
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/gateway/healthz",
        "root_path": "/gateway",
        "headers": [],
        "query_string": b"",
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application(scope, receive, send))
    application.close()
    assert (sent[0]["status"], sent[1]["body"]) == (200, b'{"ok":true}')


def test_a_websocket_is_refused(asked: Any) -> None:
    application = Application(asked.gateway)
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(application({"type": "websocket"}, receive, send))
    application.close()
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_app_is_made_of_the_configuration_when_a_server_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "alerts.toml"
    config.write_text('[targets.quiet]\ntype = "noop"\n')
    monkeypatch.setenv("ALERT_CONFIG", str(config))
    try:
        application = alert_gateway.asgi.app
        assert application is alert_gateway.asgi.app
        assert list(application.gateway.dispatcher.targets) == ["quiet"]
        application.close()
    finally:
        vars(alert_gateway.asgi).pop("app", None)
    with pytest.raises(AttributeError):
        _ = alert_gateway.asgi.nothing


def test_a_dispatcher_that_was_given_stays_open(asked: Any) -> None:
    create_app(asked.dispatcher).close()
    assert asked.post("/alerts", {"title": "a"})[0] == 202


@pytest.mark.parametrize(
    "begin",
    [
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\n",
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-One: ",
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
    ],
    ids=["headers", "one header", "trailers"],
)
def test_headers_without_end_are_not_kept(asked: Any, serve: Serve, begin: bytes) -> None:
    server = serve(asked.gateway)
    more, sent = b"x" * 60_000 + (b"" if begin.endswith(b"X-One: ") else b": y\r\n"), 0
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(begin)
        with contextlib.suppress(ConnectionError):
            while sent < 64 * 1024 * 1024:
                connection.sendall(more)
                sent += len(more)
    assert sent < 64 * 1024 * 1024
    assert server.ask("POST", "/alerts", b'{"title": "a"}')[0] == 202


def test_the_largest_request_is_taken_again_and_again_on_one_connection(asked: Any, serve: Serve) -> None:
    server = serve(asked.gateway)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    body = b'{"title": "a"}'.ljust(MAX_BODY)
    with contextlib.closing(connection):
        for _ in range(40):
            connection.request("POST", "/alerts", body)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 202
