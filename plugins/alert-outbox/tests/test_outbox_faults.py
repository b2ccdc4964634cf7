"""A database that refuses is an error or a delivery from memory, never silence; and the outbox goes on when it can."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from alert_core import Alert, Dispatcher, QueueError, RetryPolicy, Route
from alert_core.testing import VirtualClock, isolated_plugins
from alert_outbox import Outbox, database, postgresql
from alert_outbox.schema import VERSION


def dispatcher(path: Path | str, *targets: Any, clock: Any = None, deadline: float = 10, **options: Any) -> Dispatcher:
    queue = Outbox(path=str(path), **options)
    return Dispatcher(targets, queue=queue, plugins=isolated_plugins(), clock=clock, deadline=deadline)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=False, capture_output=True
    )
    if made.returncode:
        pytest.skip("only root mounts a disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def refused_alike(d: Dispatcher, target: Any, words: str) -> None:
    """`enqueue()` says so, and `send()` delivers from memory."""
    with pytest.raises(QueueError, match=words):
        d.enqueue(Alert("enqueued", "m"))
    report = d.send(Alert("sent", "m"))
    assert (report.stored, report.sent) == (False, (target.name,))
    assert target.taken["sent"] == 1
    assert target.taken["enqueued"] == 0


def test_a_full_disk_is_an_error_and_what_was_accepted_before_is_delivered_after(disk: Path, target: Any) -> None:
    a = target("a")
    accepted = []
    with dispatcher(disk / "alerts.db", target("a"), worker=False) as d, contextlib.suppress(QueueError):
        for number in range(10_000):
            d.enqueue(Alert(f"n{number}", "m" * 10_000))
            accepted.append(f"n{number}")
    with dispatcher(disk / "alerts.db", a) as d:
        refused_alike(d, a, "the disk is full|the disk failed")
        subprocess.run(["mount", "-o", "remount,size=16m", disk], check=True)
        d.enqueue(Alert("after", "m"))
        assert d.flush(60)
        assert d.flush(60)
    assert 0 < len(accepted) < 10_000
    assert a.taken == dict.fromkeys([*accepted, "sent", "after"], 1)


def test_a_read_only_disk_is_an_error(disk: Path, target: Any) -> None:
    a = target("a")
    with dispatcher(disk / "alerts.db", a) as d:
        d.enqueue(Alert("first", "m"))
        assert d.flush(60)
        d.queue.database.close()  # type: ignore[union-attr]  # an open file keeps a disk from becoming read-only
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        refused_alike(d, a, "read-only|cannot be opened")
    assert a.taken == {"first": 1, "sent": 1}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY", 0.05)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process writes."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_is_an_error_and_none_once_it_is_free(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    with dispatcher(path, a) as d:
        d.enqueue(Alert("first", "m"))
        assert d.flush(60)
        with locked(path):
            refused_alike(d, a, "another process has held the database locked")
        d.enqueue(Alert("last", "m"))
    assert a.taken == {"first": 1, "sent": 1, "last": 1}


def senders_while_locked(d: Dispatcher, holding: Any, count: int) -> float:
    """The seconds of the slowest of so many threads that send at once while somebody holds the database."""
    took: list[float] = []

    def send(number: int) -> None:
        began = time.monotonic()
        assert d.send(Alert(f"n{number}", "m")).sent == ("a",)
        took.append(time.monotonic() - began)

    d.queue.make_tables()  # type: ignore[union-attr]
    commits = d.queue.database._commits  # type: ignore[union-attr]
    threads = [threading.Thread(target=send, args=[number]) for number in range(count)]
    with holding:
        threads[0].start()
        while commits._leader is None or commits._waiting:
            pass
        for one in threads[1:]:
            one.start()
        for one in threads:
            one.join(60)
    assert len(took) == count
    return max(took)


def test_send_returns_by_its_deadline_although_the_database_is_locked(tmp_path: Path, target: Any) -> None:
    path = tmp_path / "alerts.db"
    with dispatcher(path, target("a"), worker=False, deadline=5) as d:
        assert senders_while_locked(d, locked(path), 5) < 5


def test_a_new_file_that_another_process_reads_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.db"
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM sqlite_master").fetchall()
    monkeypatch.setattr(time, "sleep", lambda _: other.close())
    Outbox(path=str(path)).make_tables()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        other.execute("SELECT 1")


def test_who_waits_for_another_process_looks_often(
    tmp_path: Path, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own pauses grow to 100 ms, in which a process with much to write takes the database again and again."""
    monkeypatch.setattr(database, "BUSY", 60.0)
    path, a = tmp_path / "alerts.db", target("a")
    looks: list[str] = []
    often = threading.Event()

    def note(statement: str) -> None:
        looks.append(statement)
        if looks.count("BEGIN IMMEDIATE") > 20:
            often.set()

    with dispatcher(path, a) as d:
        d.enqueue(Alert("first", "m"))
        assert d.flush(60)
        d.queue.database._writer.set_trace_callback(note)  # type: ignore[union-attr]
        with locked(path):
            waiting = threading.Thread(target=d.enqueue, args=[Alert("second", "m")])
            waiting.start()
            assert often.wait(30)
        waiting.join(60)
    assert a.taken == {"first": 1, "second": 1}


@pytest.mark.usefixtures("impatient")
def test_what_was_delivered_while_the_database_was_locked_is_written_later_and_not_sent_again(
    tmp_path: Path, target: Any, events: Any
) -> None:
    path = tmp_path / "alerts.db"
    sending, free = threading.Event(), threading.Event()

    def answer(_: Alert) -> None:
        sending.set()
        assert free.wait(60)

    a = target("a", answer)
    queue = Outbox(path=str(path))
    with Dispatcher([a], queue=queue, plugins=isolated_plugins(events)) as d:
        ticket = d.enqueue(Alert("t", "m"))
        assert sending.wait(60)
        with locked(path):
            free.set()
            assert not ticket.wait(0.3)
            assert a.taken == {"t": 1}
        assert ticket.wait(60)
        assert ticket.report().sent == ("a",)
        assert d.flush(60)
    assert a.tries == 1
    assert events.of("finished") == [("finished", "t", True)]


def test_a_corrupt_database_is_an_error(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    with dispatcher(path, a, worker=False) as d:
        for number in range(200):
            d.enqueue(Alert(f"n{number}", "m" * 1_000))
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    with path.open("r+b") as file:
        for page in range(1, path.stat().st_size // 4096):
            file.seek(4096 * page)
            file.write(b"\xff" * 100)
    with dispatcher(path, a) as d:
        refused_alike(d, a, "corrupt")


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    path.write_text("Dear diary, " * 1_000)
    with dispatcher(path, a) as d:
        refused_alike(d, a, "the file is no SQLite database")
    assert path.read_text().startswith("Dear diary")


def test_a_folder_that_is_not_there_is_an_error_until_it_is(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "later" / "alerts.db", target("a")
    with dispatcher(path, a) as d:
        refused_alike(d, a, "No such file or directory")
        path.parent.mkdir()
        d.enqueue(Alert("t", "m"))
    assert a.taken == {"sent": 1, "t": 1}


def test_a_database_that_is_removed_is_made_anew_and_swallows_nothing(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    with dispatcher(path, target("a"), worker=False) as d:
        d.enqueue(Alert("gone", "m"))
        for one in tmp_path.iterdir():
            one.unlink()
        d.enqueue(Alert("kept", "m"))
    with dispatcher(path, a) as d:
        assert d.flush(60)
    assert a.taken == {"kept": 1}


def test_a_database_of_which_an_idle_process_keeps_the_rest_is_made_anew(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    program = f"""
from alert_core import Alert, Dispatcher
from alert_core.builtin import NoopTransport
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

queue = Outbox(path={str(path)!r}, worker=False)
d = Dispatcher({{"a": NoopTransport()}}, queue=queue, plugins=isolated_plugins())
d.enqueue(Alert("gone", "m"))
print("open", flush=True)
input()
d.enqueue(Alert("idle", "m"))
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as idle:
        assert idle.stdout is not None
        assert idle.stdout.readline() == b"open\n"
        path.unlink()
        with dispatcher(path, target("a"), worker=False) as d:
            d.enqueue(Alert("kept", "m"))
            idle.communicate(b"\n", timeout=60)
            d.enqueue(Alert("last", "m"))
    assert idle.returncode == 0
    with dispatcher(path, a) as d:
        assert d.flush(60)
    assert a.taken == {"kept": 1, "idle": 1, "last": 1}


def test_tables_of_a_later_version_are_left_alone(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    dispatcher(path, a).close()
    with dispatcher(path, target("a")) as d:
        d.enqueue(Alert("t", "m"))
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE alert_outbox_schema SET version = {VERSION + 1}")
    connection.close()
    with dispatcher(path, a) as d:
        refused_alike(d, a, f"of version {VERSION + 1}, and this alert-outbox knows {VERSION}: upgrade it")


def test_an_event_loop_goes_on_while_the_database_is_waited_for(tmp_path: Path, target: Any) -> None:
    path, a = tmp_path / "alerts.db", target("a")

    async def main(d: Dispatcher) -> tuple[Any, int]:
        turns = 0
        with locked(path):
            sent = asyncio.create_task(d.asend(Alert("t", "m")))
            while turns < 50:
                await asyncio.sleep(0.001)
                turns += 1
            assert not sent.done()
        return await sent, turns

    with dispatcher(path, a) as d:
        d.send(Alert("first", "m"))
        report, turns = asyncio.run(main(d))
    assert (report.stored, report.sent, turns) == (True, ("a",), 50)


@pytest.mark.needs("postgres")
def test_a_server_that_ends_its_connections_is_asked_again(postgresql_server: str, make: Any, target: Any) -> None:
    import psycopg

    a = target("a")
    d = make(a)
    d.enqueue(Alert("first", "m"))
    assert d.flush(60)
    with psycopg.connect(host=postgresql_server, user="tests", dbname="postgres") as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'tests'"
        )
    d.enqueue(Alert("second", "m"))
    assert d.flush(60)
    assert a.taken == {"first": 1, "second": 1}


@pytest.mark.needs("postgres")
def test_what_somebody_holds_locked_on_a_server_is_an_error_and_none_once_it_is_free(
    postgresql_schema: Any, target: Any
) -> None:
    a = target("a")
    queue = Outbox(url=postgresql_schema.url)
    with Dispatcher([a], queue=queue, plugins=isolated_plugins(), deadline=2) as d:
        queue.make_tables()
        with holding(postgresql_schema.url, "LOCK TABLE alert_outbox_alerts"):
            refused_alike(d, a, "somebody holds locked what it needs")
        d.enqueue(Alert("last", "m"))
    assert a.taken == {"sent": 1, "last": 1}


@contextlib.contextmanager
def holding(url: str, statement: str) -> Iterator[None]:
    """Somebody's transaction, in which this statement has locked something."""
    import psycopg

    with psycopg.connect(url) as other:
        other.execute(statement)
        yield


@pytest.mark.needs("postgres")
def test_send_returns_by_its_deadline_although_a_server_has_it_locked(postgresql_schema: Any, target: Any) -> None:
    queue = Outbox(url=postgresql_schema.url, worker=False)
    with Dispatcher([target("a")], queue=queue, plugins=isolated_plugins(), deadline=6) as d:
        queue.make_tables()
        assert senders_while_locked(d, holding(postgresql_schema.url, "LOCK TABLE alert_outbox_alerts"), 30) < 6


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("table", ["deliveries", "schema"])
def test_who_looks_does_not_wait_without_end_for_what_a_server_has_locked(postgresql_schema: Any, table: str) -> None:
    queue = Outbox(url=postgresql_schema.url, worker=False)
    with Dispatcher([], queue=queue, plugins=isolated_plugins(), deadline=1):
        queue.make_tables()
        with (
            holding(postgresql_schema.url, f"LOCK TABLE alert_outbox_{table}"),
            pytest.raises(QueueError, match="somebody holds locked what it needs"),
        ):
            queue.inspection.overview()


REPEATED = [Route(["a"], name="r", repeat_every="4h")]


def test_what_went_from_memory_while_the_database_was_locked_is_remembered_once_it_is_free(
    tmp_path: Path, target: Any
) -> None:
    path, a = tmp_path / "alerts.db", target("a")
    queue = Outbox(path=str(path))
    firing = Alert("t", "m", dedup_key="k")
    resolve = firing.evolve(status="resolved")
    with Dispatcher([a], queue=queue, plugins=isolated_plugins(), deadline=1, routes=REPEATED) as d:
        queue.make_tables()
        with locked(path):
            assert d.send(firing).sent == ("a",)
        assert d.enqueue(resolve).dropped is None
        assert d.enqueue(firing).dropped is None
        assert d.flush(60)
        with locked(path):
            assert d.send(resolve).sent == ("a",)
        for dropped in (None, "deduplicated: r"):
            assert d.enqueue(firing).dropped == dropped
        assert d.flush(60)
        with locked(path):
            assert d.send(firing).sent == ("a",)
        assert d.enqueue(firing).dropped is None  # whether it arrived is not known to the queue
    assert [alert.status for alert in a.alerts] == [*["firing", "resolved"] * 2, *["firing"] * 3]


@pytest.mark.needs("postgres")
def test_a_resolve_that_cannot_be_noted_is_an_error_and_what_fires_anew_is_told(
    postgresql_schema: Any, target: Any
) -> None:
    a = target("a")
    queue = Outbox(url=postgresql_schema.url)
    with Dispatcher([a], queue=queue, plugins=isolated_plugins(), deadline=2, routes=REPEATED) as d:
        firing = Alert("t", "m", dedup_key="k")
        d.enqueue(firing)
        assert d.flush(60)
        with (
            holding(postgresql_schema.url, "SELECT 1 FROM alert_outbox_events FOR UPDATE"),
            pytest.raises(QueueError, match="somebody holds locked what it needs"),
        ):
            d.enqueue(firing.evolve(status="resolved"))
        for status in ("resolved", "firing"):
            assert d.enqueue(firing.evolve(status=status)).dropped is None
        assert d.flush(60)
    assert [alert.status for alert in a.alerts] == ["firing", "resolved", "firing"]


@pytest.mark.needs("postgres")
@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_host_that_stands_still_in_a_transaction_holds_up_the_others_for_seconds_only(
    make: Any, target: Any, monkeypatch: pytest.MonkeyPatch, stalled: float
) -> None:
    monkeypatch.setattr(postgresql, "STALLED", stalled)
    first, second = (make(target("a"), routes=REPEATED, queue={"worker": False}) for _ in range(2))
    first.queue.make_tables()
    stands, goes_on = threading.Event(), threading.Event()
    put = first.queue.store.put

    def stand(*arguments: Any, **options: Any) -> None:
        stands.set()
        assert goes_on.wait(60)
        put(*arguments, **options)

    monkeypatch.setattr(first.queue.store, "put", stand)
    same = Alert("t", "m", dedup_key="k")
    with ThreadPoolExecutor() as pool:
        one = pool.submit(first.enqueue, same)
        assert stands.wait(60)
        assert second.enqueue(same).dropped is None
        goes_on.set()
        assert one.result(60).dropped == "deduplicated: r"


@pytest.mark.needs("postgres")
def test_a_server_that_is_not_there_is_an_error_without_its_name(tmp_path: Path, target: Any) -> None:
    a = target("a")
    url = f"postgresql://me:hunter2-canary@/secretdb?host={tmp_path}"
    with Dispatcher([a], queue=Outbox(url=url), plugins=isolated_plugins()) as d:
        with pytest.raises(QueueError) as raised:
            d.enqueue(Alert("t", "m"))
        assert str(raised.value) == (
            "the outbox's database refused: there is no connection to the server: does it run, and has it this user"
            " and database?"
        )
        assert d.send(Alert("sent", "m")).sent == ("a",)


@pytest.mark.parametrize("step", [-7200, -600, 600, 7200])
def test_a_clock_that_is_set_neither_loses_nor_doubles_a_delivery(make: Any, target: Any, step: float) -> None:
    clock = VirtualClock()
    sent: list[float] = []

    def answer(_: Alert) -> None:
        sent.append(clock.monotonic())
        if len(sent) == 1:
            clock.set_time(clock.time() + step)  # while its lease runs
            raise TimeoutError

    a = target("a", answer, retry=RetryPolicy(initial=30, maximum=30))
    d = make(a, clock=clock)
    assert d.enqueue(Alert("t", "m")).wait(86_400)
    assert (a.taken, a.tries) == ({"t": 1}, 2)
    assert sent[1] - sent[0] < 400  # longest_backoff, and a look each minute
    clock.leave()


@pytest.mark.parametrize("step", [-7200, 7200])
def test_a_clock_that_is_set_between_two_attempts_puts_a_delivery_off_by_a_backoff_at_most(
    make: Any, target: Any, step: float
) -> None:
    clock = VirtualClock(autojump=False)
    fails = [True]

    def answer(_: Alert) -> None:
        if fails and fails.pop():
            raise TimeoutError

    a = target("a", answer, retry=RetryPolicy(initial=30, maximum=30))
    d = make(a, clock=clock)
    ticket = d.enqueue(Alert("t", "m"))
    while not a.tries:
        assert clock.settle()
    clock.set_time(clock.time() + step)
    for _ in range(400):
        clock.advance(1)
        assert clock.settle()
    assert ticket.wait(0)
    assert (a.taken, a.tries) == ({"t": 1}, 2)
    clock.autojump = True
    clock.leave()
