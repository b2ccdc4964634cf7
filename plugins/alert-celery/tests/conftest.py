"""What the tests share: real brokers that can go away, workers as processes, and a provider that the test plays."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection

from alert_celery import CeleryQueue
from alert_core import Alert, Dispatcher, Receipt, hookimpl
from alert_core.testing import isolated_plugins

HERE = Path(__file__).parent
PATIENCE = 60.0
PASSWORD = "kept-by-the-broker-alone"
RABBITMQ = ("127.0.0.1", 5672)
BROKERS = [
    pytest.param("redis", marks=pytest.mark.needs("redis-server")),
    pytest.param("rabbitmq", marks=pytest.mark.needs(ports=[5672])),
]


class Listener:
    """Accepts connections on a port of the loopback, each served in a thread, until it is closed."""

    def __init__(self, serve: Callable[[socket.socket], None], port: int = 0) -> None:
        self._serve = serve
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._socket.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with self._lock:
                self._open.add(connection)
            self._threads.append(threading.Thread(target=self._run, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _run(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):  # the other side left
            self._serve(connection)
        with self._lock:
            self._open.discard(connection)
        connection.close()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes accept()
        self._socket.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)


class Provider:
    """What the workers' targets talk to. It says yes, unless `answers` has something else for the alert's title."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.sent: Counter[str] = Counter()
        """Attempts, by the alert's title."""
        self.answers: dict[str, list[dict[str, Any]]] = {}
        self.changed = threading.Condition()
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rw") as stream:
            told = json.loads(stream.readline())
            told["at"] = time.monotonic()
            title = told["title"] = told.get("title") or told["alert"]["title"]
            with self.changed:
                self.events.append(told)
                self.sent[title] += told["event"] == "sent"
                answers = self.answers.get(title, []) if told["event"] == "sent" else []
                answer = answers.pop(0) if answers else {}
                self.changed.notify_all()
                if release := answer.get("release"):
                    self.changed.wait_for(release.is_set, PATIENCE)
            stream.write(json.dumps({key: value for key, value in answer.items() if key != "release"}) + "\n")
            stream.flush()

    def of(self, title: str, event: str = "sent") -> list[dict[str, Any]]:
        return [one for one in self.events if (one["title"], one["event"]) == (title, event)]

    def wait(self, condition: Callable[[], object], patience: float = PATIENCE) -> None:
        """Wait until something that was told makes it true."""
        with self.changed:
            assert self.changed.wait_for(condition, patience), self.events[-20:]

    def release(self, gate: threading.Event) -> None:
        with self.changed:
            gate.set()
            self.changed.notify_all()

    def close(self) -> None:
        self._listener.close()


class Proxy:
    """Stands between a client and the machine's RabbitMQ, and can go away."""

    def __init__(self) -> None:
        self._listener = Listener(self._serve)
        self.port = self._listener.port

    def _serve(self, client: socket.socket) -> None:
        with socket.create_connection(RABBITMQ, PATIENCE) as server:
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join(PATIENCE)

    def down(self) -> None:
        self._listener.close()

    def up(self) -> None:
        self._listener = Listener(self._serve, self.port)

    close = down


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class Redis:
    """A server of our own, which writes down every command before it answers."""

    kind = "redis"

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(folder)]
        self._command += ["--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD, "--save", ""]
        self.up()

    def up(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "Ready to accept connections" in line:
                return
        raise AssertionError("redis-server did not start")

    def down(self) -> None:
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait(PATIENCE)
        self._process.stdout.close()

    def contents(self, queue: str) -> bytes:
        """Every byte that the server has of the messages that wait."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            return b"\n".join(client.lrange(queue, 0, -1))

    def put(self, queue: str, body: bytes, **properties: Any) -> None:
        _put(self.url, queue, body, **properties)

    def left(self, queue: str) -> int:
        """Messages that wait, or are with a worker."""
        import redis

        with redis.Redis.from_url(self.url) as client:
            return int(client.llen(queue)) + int(client.hlen("unacked"))

    def forget(self, queue: str) -> None: ...

    close = down


class RabbitMQ:
    """The machine's, behind a proxy that can go away; what the tests make there is deleted."""

    kind = "rabbitmq"

    def __init__(self, _: Path) -> None:
        self._proxy = Proxy()
        self.url = f"amqp://guest:guest@127.0.0.1:{self._proxy.port}//"
        self._direct = f"amqp://guest:guest@{RABBITMQ[0]}:{RABBITMQ[1]}//"
        self.down, self.up, self.close = self._proxy.down, self._proxy.up, self._proxy.close

    def contents(self, queue: str) -> bytes:
        found = []
        with Connection(self._direct) as connection:
            channel: Any = connection.channel()
            while (message := channel.basic_get(queue)) is not None:
                found.append(b"%s %r %r" % (_bytes(message.body), message.properties, message.headers))
        return b"\n".join(found)  # the channel is closed: all of them wait again

    def put(self, queue: str, body: bytes, **properties: Any) -> None:
        _put(self._direct, queue, body, **properties)

    def left(self, queue: str) -> int:
        """Messages that wait; what is with a worker is not counted."""
        with Connection(self._direct) as connection:
            channel: Any = connection.channel()
            return int(channel.queue_declare(queue, passive=True).message_count)

    def forget(self, queue: str) -> None:
        with Connection(self._direct) as connection:
            channel: Any = connection.channel()
            channel.queue_delete(queue)
            channel.exchange_delete(queue)


def _bytes(body: str | bytes) -> bytes:
    return body if isinstance(body, bytes) else body.encode()


def _put(url: str, queue: str, body: bytes, **properties: Any) -> None:
    with Connection(url) as connection, connection.Producer() as producer:
        given = {"content_type": "application/json", "content_encoding": "utf-8", **properties}
        producer.publish(body, routing_key=queue, exchange="", **given)


Broker = Redis | RabbitMQ


@pytest.fixture(scope="session")
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp(request.param)
    broker = Redis(folder) if request.param == "redis" else RabbitMQ(folder)
    yield broker
    broker.close()


@pytest.fixture
def queue(broker: Broker) -> Iterator[str]:
    """The name of a queue that nobody else has."""
    name = f"alerts-{uuid.uuid4().hex}"
    yield name
    broker.forget(name)


@pytest.fixture(scope="module")
def shared_queue(broker: Broker) -> Iterator[str]:
    """The name of the queue that the shared worker serves."""
    name = f"alerts-{uuid.uuid4().hex}"
    yield name
    broker.forget(name)


class Worker:
    """A Celery worker as a process under a supervisor: one that ends by itself is started again, as systemd would.

    When Redis goes away in the middle of a task, the worker of Celery 5.7 may end (kombu's `restore_unacked`).
    """

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self._environment = environment
        self._command = [sys.executable, "-W", "ignore", "-m", "celery", *arguments]
        self._lines: list[str] = []
        self._logged = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._supervisor: threading.Thread | None = None
        self._wanted = False
        self._changing = threading.Lock()

    def start(self) -> None:
        if not self._wanted:
            self._wanted = True
            self._supervisor = threading.Thread(target=self._supervise, daemon=True)
            self._supervisor.start()

    def _supervise(self) -> None:
        while (process := self._started()) is not None:
            assert process.stdout is not None
            with process.stdout as log:
                for line in log:
                    with self._logged:
                        self._lines.append(line)
                        self._logged.notify_all()
            process.wait(PATIENCE)

    def _started(self) -> subprocess.Popen[str] | None:
        with self._changing:
            if not self._wanted:
                return None
            self._process = subprocess.Popen(
                self._command,
                cwd=HERE,
                env=os.environ | self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            return self._process

    def kill(self) -> None:
        """SIGKILL the worker and its children."""
        with self._changing:
            self._wanted = False
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
        if self._supervisor is not None:
            self._supervisor.join(PATIENCE)

    @property
    def log(self) -> str:
        with self._logged:
            return "".join(self._lines)

    def wait_for(self, text: str) -> None:
        """Wait until it has logged this."""
        with self._logged:
            assert self._logged.wait_for(lambda: any(text in line for line in self._lines), PATIENCE), self._lines[-30:]


MakeWorker = Callable[..., Worker]
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO")


@pytest.fixture(scope="module")
def run_worker() -> Iterator[MakeWorker]:
    """Starts workers with an environment and Celery's arguments; they are killed at the end."""
    made: list[Worker] = []

    def run(environment: dict[str, str], *arguments: str) -> Worker:
        made.append(Worker(environment, *arguments, *QUIET, "--hostname", f"{uuid.uuid4().hex}@%h"))
        made[-1].start()
        return made[-1]

    yield run
    for one in made:
        one.kill()


@pytest.fixture(scope="module")
def make_worker(broker: Broker, provider: Provider, run_worker: MakeWorker) -> MakeWorker:
    """Starts workers of celery_worker_app.py, with options of their CeleryQueue and settings of its app."""

    def make(queue: str, *, conf: dict[str, Any] | None = None, **options: Any) -> Worker:
        settings = {
            "provider": provider.port,
            "queue": {"broker": broker.url, "queue": queue, "retry_backoff": 0.05, **options},
            # By its remote control's connection a worker learns that Redis has gone, when it waits for nothing else.
            "conf": {"worker_enable_remote_control": broker.kind == "redis", **(conf or {})},
        }
        environment = {"CELERY_TEST": json.dumps(settings)}
        return run_worker(environment, "-A", "celery_worker_app", "worker", "-c", "2", "-Q", queue)

    return make


@pytest.fixture(scope="module")
def shared_worker(make_worker: MakeWorker, shared_queue: str) -> Worker:
    return make_worker(shared_queue)


@pytest.fixture
def worker(shared_worker: Worker) -> Worker:
    """A worker of the shared queue, which runs."""
    shared_worker.start()
    return shared_worker


class Target:
    """One that delivers in this process, where that comes to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.taken: list[str] = []

    def send(self, alert: Alert) -> Receipt:
        self.taken.append(alert.title)
        return Receipt()


class Watch:
    """What the observers of this process were told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
        self.told.append(("dropped", alert.title, reason, dropped_by))

    @hookimpl
    def alert_delivery_failed(self, alert: Alert, target: str, attempt: int, will_retry: bool) -> None:
        self.told.append(("failed", alert.title, target, attempt, will_retry))

    @hookimpl
    def alert_dispatch_finished(self, alert: Alert, report: Any) -> None:
        self.told.append(("finished", alert.title, report.ok, report.stored))


@pytest.fixture
def watch() -> Watch:
    return Watch()


Make = Callable[..., Dispatcher]


@pytest.fixture
def make(watch: Watch) -> Iterator[Make]:
    """Makes dispatchers with a CeleryQueue of these options; each is closed at the end."""
    made: list[Dispatcher] = []

    def dispatcher(*targets: Any, **options: Any) -> Dispatcher:
        queue = CeleryQueue(**options)
        made.append(Dispatcher(targets or [Target("ops")], queue=queue, plugins=isolated_plugins(watch)))
        return made[-1]

    yield dispatcher
    for one in made:
        one.close(0)


@pytest.fixture
def target() -> type[Target]:
    """The class: tests are no packages, and import nothing of each other."""
    return Target


@pytest.fixture
def sender(broker: Broker, shared_queue: str, make: Make, target: type[Target]) -> Dispatcher:
    """A dispatcher that enqueues for the shared worker, with the worker's targets."""
    return make(*map(target, ("ops", "once", "team", "gone")), broker=broker.url, queue=shared_queue)
