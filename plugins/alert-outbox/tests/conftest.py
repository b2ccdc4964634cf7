"""What the outbox's tests share: both databases, targets that count, and dispatchers that are closed."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from alert_core import Alert, Dispatcher, Receipt, hookimpl
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

PROGRAMS = os.pathsep.join([os.environ.get("PATH", ""), *map(str, Path("/usr/lib/postgresql").glob("*/bin"))])


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server of our own, which keeps nothing."""
    account: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    programs = {name: shutil.which(name, path=PROGRAMS) or name for name in ("initdb", "postgres")}
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if account:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = f"{folder}/data"
        options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **account}
        initdb = [programs["initdb"], "-D", data, "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, timeout=120, **options)
        settings = ["listen_addresses=", f"unix_socket_directories={folder}", "fsync=off", "max_connections=100"]
        command = [programs["postgres"], "-D", data, *(part for one in settings for part in ("-c", one))]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)
        try:
            for _ in range(600):
                if Path(folder, ".s.PGSQL.5432").exists() and _answers(folder):
                    break
                time.sleep(0.05)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)  # SIGTERM would wait for those who are connected
            server.wait(timeout=60)


def _answers(folder: str) -> bool:
    import psycopg

    try:
        psycopg.connect(host=folder, user="tests", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("postgres"))]


def new_database(kind: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of an Outbox on an empty database of this kind."""
    if kind == "sqlite":
        folder: Path = request.getfixturevalue("tmp_path")
        return {"path": str(folder / "alerts.db")}
    import psycopg

    folder_of_socket = request.getfixturevalue("postgresql_server")
    schema = f"t{uuid.uuid4().hex}"
    with psycopg.connect(host=folder_of_socket, user="tests", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    host, options = quote(folder_of_socket, safe=""), quote(f"-csearch_path={schema}")
    return {"url": f"postgresql://tests@/postgres?host={host}&options={options}"}


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The options of an Outbox on an empty database, for each kind in its turn."""
    return new_database(request.param, request)


class Target:
    """Counts what it takes, by title; `answer` may raise, or take its time."""

    def __init__(self, name: str, answer: Callable[[Alert], object] = lambda _: None, **options: Any) -> None:
        self.name, self.answer = name, answer
        self.taken: Counter[str] = Counter()
        self.tries = 0
        self.lock = threading.Lock()
        self.alerts: list[Alert] = []
        vars(self).update(options)

    def send(self, alert: Alert, recipient: str | None = None) -> Receipt:
        with self.lock:
            self.tries += 1
        self.answer(alert)
        with self.lock:
            self.taken[alert.title if recipient is None else f"{alert.title} to {recipient}"] += 1
            self.alerts.append(alert)
        return Receipt(id=f"{self.name}-{alert.title}")


class Events:
    """What the observers were told, in order."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    @hookimpl
    def alert_delivery_started(self, alert: Alert, target: str, attempt: int) -> None:
        self.told.append(("started", alert.title, target, attempt))

    @hookimpl
    def alert_delivery_succeeded(self, alert: Alert, target: str, attempt: int) -> None:
        self.told.append(("succeeded", alert.title, target, attempt))

    @hookimpl
    def alert_delivery_failed(self, alert: Alert, target: str, attempt: int, will_retry: bool) -> None:
        self.told.append(("failed", alert.title, target, attempt, will_retry))

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str, dropped_by: str) -> None:
        self.told.append(("dropped", alert.title, reason, dropped_by))

    @hookimpl
    def alert_dispatch_finished(self, alert: Alert, report: Any) -> None:
        self.told.append(("finished", alert.title, report.ok))

    def of(self, kind: str) -> list[tuple[Any, ...]]:
        return [event for event in self.told if event[0] == kind]


Make = Callable[..., Dispatcher]


@pytest.fixture
def make(database: dict[str, Any]) -> Iterator[Make]:
    """Makes dispatchers on the database, as so many processes would; each is closed at the end."""
    made: list[Dispatcher] = []

    def dispatcher(
        *targets: Any, events: Events | None = None, queue: dict[str, Any] | None = None, **more: Any
    ) -> Any:
        plugins = isolated_plugins(*([events] if events is not None else []))
        outbox = Outbox(**database, **(queue or {}))
        made.append(Dispatcher(targets, queue=outbox, plugins=plugins, **more))
        return made[-1]

    yield dispatcher
    for one in made:
        one.close(0)


@pytest.fixture
def target() -> type[Target]:
    """The class: tests are no packages, and import nothing of each other."""
    return Target


@pytest.fixture
def events() -> Events:
    """Told of everything by the dispatchers that are made with it."""
    return Events()
