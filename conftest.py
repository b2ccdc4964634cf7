"""What the tests of every distribution share: the servers that a test may need, and hypothesis's settings.

`postgresql_schema` and `driver` start PostgreSQL and Chromium, once for each process of the run.

A test marked `@pytest.mark.needs("prism")`, `needs(modules=["twilio"])` or `needs(ports=[5672])` is skipped where that
program or module is not installed, or no server listens at that port of the loopback, and fails there when
ALERT_CORE_REQUIRE_SERVERS is set: to 1, as `nox -s e2e`, `page` and `wire` do, or to the names that are required.
`needs("debian/exim")` is for the folder of .nox/ that `nox -s e2e` unpacks.
"""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from hypothesis import settings

from alert_core.redaction import literals

REQUIRED = os.environ.get("ALERT_CORE_REQUIRE_SERVERS", "").split(",")
ROOT = Path(__file__).parent
NOX = ROOT / ".nox"
# Where Debian keeps its servers.
SEARCH = os.pathsep.join(
    [os.environ.get("PATH", ""), "/usr/sbin", *map(str, Path("/usr/lib/postgresql").glob("*/bin"))]
)

# The same examples everywhere, so that a failure is everyone's; `nox -s fuzz` and `random` look for new ones.
# Without a deadline, since shared machines stall: only an example's result counts.
settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("random", deadline=None, max_examples=500)
settings.register_profile("few", parent=settings.get_profile("default"), max_examples=10)
settings.load_profile("default")

ONE_PROCESS = tuple(
    ROOT / folder
    for folder in (
        "core/tests/testing",
        "plugins/alert-celery/tests",
        "plugins/alert-django/tests",
        "plugins/alert-gateway/tests/page",
        "plugins/alert-outbox/tests",
        "plugins/alert-sandbox/tests",
        "tests/third_party",
        "tests/wheels",
    )
)
"""Folders whose tests share what takes seconds to make: pytest-xdist keeps each of them in one process."""


@pytest.fixture(autouse=True)
def secrets_of_one_test() -> Iterator[None]:
    """Forget the secrets that a test has made, so that its words are only words to the next one.

    Their number, by which the core knows what it has masked already, only grows.
    """
    registered = literals._registered  # noqa: SLF001 - there is no other way to forget one
    before = dict(registered)
    yield
    if (count := len(registered)) > len(before):
        registered.clear()
        registered.update(before | dict.fromkeys(f"#{number}" for number in range(len(before), count + 1)))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The folder of the socket of a PostgreSQL server of our own, which keeps nothing."""
    import pwd

    account: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    programs = {name: shutil.which(name, path=SEARCH) or name for name in ("initdb", "postgres")}
    with tempfile.TemporaryDirectory(prefix="postgresql-") as folder:
        if account:
            os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
        data = f"{folder}/data"
        options: dict[str, Any] = {"stdout": subprocess.DEVNULL, "cwd": folder, **account}
        initdb = [programs["initdb"], "-D", data, "-U", "tests", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, timeout=120, **options)
        settings = ["listen_addresses=", f"unix_socket_directories={folder}", "max_connections=100"]
        settings += ["fsync=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0", "autovacuum=off"]
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


class Schema(NamedTuple):
    """A schema of the PostgreSQL server: the folder of its socket, the schema's name, and the URL of both."""

    host: str
    name: str
    url: str


@pytest.fixture
def postgresql_schema(postgresql_server: str) -> Schema:
    """An empty one, for one test."""
    import psycopg

    name = f"t{uuid.uuid4().hex}"
    with psycopg.connect(host=postgresql_server, user="tests", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {name}")
    where = f"host={quote(postgresql_server, safe='')}&options={quote(f'-csearch_path={name}')}"
    return Schema(postgresql_server, name, f"postgresql://tests@/postgres?{where}")


@pytest.fixture(scope="session")
def driver() -> Iterator[Any]:
    """One browser for the run."""
    webdriver = importlib.import_module("selenium.webdriver")
    service = importlib.import_module("selenium.webdriver.chrome.service")
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "no-first-run"):
        options.add_argument(f"--{argument}")
    started = webdriver.Chrome(options, service.Service(shutil.which("chromedriver") or ""))
    yield started
    started.quit()


@pytest.hookimpl(tryfirst=True)  # before pytest-xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests of ONE_PROCESS for pytest-xdist, and run them first: the others fill the gaps."""
    for item in items:
        folder = next((folder for folder in ONE_PROCESS if item.path.is_relative_to(folder)), None)
        if folder:
            item.add_marker(pytest.mark.xdist_group(str(folder)))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail where servers are required, a test that needs what is not installed."""
    for marker in item.iter_markers("needs"):
        missing = [name for name in marker.args if not (shutil.which(name, path=SEARCH) or (NOX / name).is_dir())]
        missing += [name for name in marker.kwargs.get("modules", ()) if not importlib.util.find_spec(name)]
        missing += [f"port {port}" for port in marker.kwargs.get("ports", ()) if not _listens(port)]
        if missing and (REQUIRED == ["1"] or {*missing} & {*REQUIRED}):
            parts = item.path.parts
            session = "wire" if {"wire", "clients"} & {*parts} else "page" if "page" in item.path.name else "e2e"
            pytest.fail(f"missing: {', '.join(missing)}; `nox -s {session}` installs what can be", pytrace=False)
        if missing:
            pytest.skip(f"missing: {', '.join(missing)}")


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(5)
        return tried.connect_ex(("127.0.0.1", port)) == 0
