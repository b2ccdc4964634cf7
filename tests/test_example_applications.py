"""The examples of examples/applications, run as their users would."""

import importlib.util
import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import uvicorn
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from apscheduler.schedulers.background import BackgroundScheduler
from werkzeug.serving import make_server

import alert_core
from alert_core import default
from alert_core.testing import HttpStandIn, Reply

Server = Callable[[ModuleType], AbstractContextManager[int]]
EXAMPLES = Path(__file__).parents[1] / "examples" / "applications"


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStandIn]:
    """Slack on loopback, named in the environment as the examples expect it."""
    with HttpStandIn(Reply(text="ok")) as server:
        monkeypatch.setenv("ALERT_SLACK_WEBHOOK_URL", f"http://127.0.0.1:{server.port}/services/T0/B0/example")
        monkeypatch.setenv("ALERT_CONFIG", str(EXAMPLES / "alerts.toml"))
        yield server


@pytest.fixture
def configured(slack: HttpStandIn) -> Iterator[HttpStandIn]:
    """This process's default dispatcher is the examples' for the time of a test."""
    dispatcher = alert_core.configure(str(EXAMPLES / "alerts.toml"))
    yield slack
    dispatcher.close()
    default.replace(None)


def load(name: str) -> ModuleType:
    """An example as a module of its own."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(slack: HttpStandIn) -> list[str]:
    """The body of each message, in the order of arrival; JSON's escapes are gone."""
    return [json.dumps(json.loads(received.body), ensure_ascii=False) for received in slack.received]


def run(*command: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a program in the examples' folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    return subprocess.run(
        command, cwd=EXAMPLES, env=environment, capture_output=True, text=True, timeout=120, check=False, **more
    )


@contextmanager
def flask_server(module: ModuleType) -> Iterator[int]:
    """The Flask example under werkzeug's server; its port."""
    server = make_server("127.0.0.1", 0, module.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def fastapi_server(module: ModuleType) -> Iterator[int]:
    """The FastAPI example under uvicorn, its lifespan included; its port."""
    started = threading.Event()

    class Announced(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Announced(uvicorn.Config(module.app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            assert started.wait(60)
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join()


@pytest.mark.parametrize(("name", "server"), [("orders_fastapi", fastapi_server), ("orders_flask", flask_server)])
class TestOrders:
    @pytest.fixture
    def client(self, name: str, server: Server, configured: HttpStandIn) -> Iterator[httpx.Client]:
        with server(load(name)) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client

    def test_a_payment_that_works_tells_nobody(self, client: httpx.Client, slack: HttpStandIn) -> None:
        assert client.post("/orders/1/pay").status_code == 200
        alert_core.flush(60)
        assert slack.received == []

    def test_a_payment_that_fails_is_told_before_the_answer_and_without_its_token(
        self, client: httpx.Client, slack: HttpStandIn
    ) -> None:
        answer = client.post("/orders/4/pay")
        assert answer.status_code == 503
        assert '"support_knows":true' in answer.text.replace(" ", "")
        (message,) = told(slack)
        assert "Payment provider timeout" in message
        assert "tok_live_" not in message

    def test_an_exception_that_nobody_handled_is_told_with_its_request(
        self, client: httpx.Client, slack: HttpStandIn
    ) -> None:
        answer = client.post("/orders/5/pay", headers={"X-Request-Id": "req-77"})
        assert answer.status_code == 500
        alert_core.flush(60)
        (message,) = told(slack)
        assert "POST /orders/5/pay failed: ValueError" in message
        assert "req-77" in message


def test_a_script_that_fails_tells_and_fails(slack: HttpStandIn, tmp_path: Path) -> None:
    suppliers = tmp_path / "suppliers.csv"
    suppliers.write_text("name,city\nAcme,Luanda\n,Benguela\n", encoding="utf-8")
    ended = run(sys.executable, "import_suppliers.py", str(suppliers))
    assert ended.returncode == 1
    assert ended.stdout == "imported Acme\n"
    (message,) = told(slack)
    assert "Supplier import failed" in message
    assert "suppliers.csv:3: no name" in message


def test_an_error_in_the_log_is_told_and_the_work_goes_on(slack: HttpStandIn) -> None:
    ended = run(sys.executable, "worker.py", input='{"customer": 1}\n{"client": 2}\n{"customer": 3}\n')
    assert ended.returncode == 0
    assert "invoice for customer 3" in ended.stderr
    (message,) = told(slack)
    assert "A job could not be read" in message
    assert "KeyError" in message


def test_a_job_that_fails_is_told_and_its_next_success_resolves_it(configured: HttpStandIn) -> None:
    scheduler, ends = BackgroundScheduler(), queue.Queue[Any]()
    load("scheduler").prepare(scheduler)
    works = iter([False, True])

    def job() -> None:
        if not next(works):
            raise ConnectionError("the warehouse does not answer")

    scheduler.add_listener(ends.put)  # behind the example's own
    scheduler.start()
    try:
        scheduler.modify_job("report-stock", func=job)
        for expected in (EVENT_JOB_ERROR, EVENT_JOB_EXECUTED):
            scheduler.modify_job("report-stock", next_run_time=datetime.now(UTC))
            while ends.get(timeout=60).code != expected:
                pass
    finally:
        scheduler.shutdown()
    alert_core.flush(60)
    failed, resolved = told(configured)
    assert "Job report-stock failed" in failed
    assert "the warehouse does not answer" in failed
    assert "Job report-stock runs again" in resolved


@pytest.mark.parametrize(("source", "status", "words"), [("there", 0, "Backup done"), ("missing", 2, "Backup failed")])
def test_cron_tells_how_the_backup_ended(
    slack: HttpStandIn, tmp_path: Path, source: str, status: int, words: str
) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "to").mkdir()
    ended = run("./backup.sh", str(tmp_path / source), str(tmp_path / "to"))
    assert ended.returncode == status, ended.stderr
    (message,) = told(slack)
    assert words in message
    assert (tmp_path / "to" / "shop.tar.gz").exists() or status
