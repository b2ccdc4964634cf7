"""Group commit: who waits shares the next transaction, and a bad entry hurts its own caller alone."""

import contextlib
import itertools
import sqlite3
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from alert_core import QueueError
from alert_outbox.commits import Commits, Entry
from alert_outbox.sqlite import SQLite


class Slow:
    """Commits nothing, and only while it may."""

    def __init__(self) -> None:
        self.groups: list[int] = []
        self.may = threading.Semaphore(0)

    def __call__(self, entries: Sequence[Entry]) -> None:
        assert self.may.acquire(timeout=30)
        self.groups.append(len(entries))
        for entry in entries:
            entry.result = entry.work(None, False)


def waiting(commits: Commits, count: int) -> None:
    while len(commits._waiting) < count:
        pass


def test_those_who_come_while_one_commits_share_the_next_commit() -> None:
    slow = Slow()
    commits = Commits(slow)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(commits.run, lambda *_: 0)
        while not commits._leader or commits._waiting:
            pass
        others = [pool.submit(commits.run, lambda *_, n=n: n) for n in range(1, 9)]
        waiting(commits, 8)
        slow.may.release()
        slow.may.release()
        assert [first.result(30), *(one.result(30) for one in others)] == list(range(9))
    assert slow.groups == [1, 8]


def test_whoever_leads_is_interrupted_the_others_are_told_and_the_next_is_not_held_up() -> None:
    class Interrupted(Slow):
        def __call__(self, entries: Sequence[Entry]) -> None:
            super().__call__(entries)
            if len(self.groups) == 1:
                raise KeyboardInterrupt

    slow = Interrupted()
    commits = Commits(slow)
    slow.may.release()
    with pytest.raises(KeyboardInterrupt):
        commits.run(lambda *_: 1)
    slow.may.release()
    assert commits.run(lambda *_: 2) == 2


def test_a_group_that_fails_is_written_one_by_one_and_only_the_bad_one_fails(tmp_path: Path) -> None:
    database = SQLite(str(tmp_path / "alerts.db"))
    database.write(lambda connection, _: connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)"))

    def insert(n: int) -> Any:
        return lambda connection, _: connection.execute("INSERT INTO t VALUES (?)", (n,))

    database.write(insert(3))
    gate = threading.Event()
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(database.write, lambda *_: gate.wait(30))
        while not database._commits._leader or database._commits._waiting:
            pass
        others = [pool.submit(database.write, insert(n)) for n in range(8)]
        waiting(database._commits, 8)
        gate.set()
        assert first.result(30)
        errors = [one.exception(30) for one in others]
    assert [n for n, error in enumerate(errors) if error] == [3]
    assert isinstance(errors[3], QueueError)
    assert "SQLITE_CONSTRAINT" in str(errors[3])
    connection = sqlite3.connect(tmp_path / "alerts.db")
    assert [n for (n,) in connection.execute("SELECT n FROM t ORDER BY n")] == list(range(8))
    connection.close()
    database.close()


def test_eight_threads_get_each_their_own_result(tmp_path: Path) -> None:
    database = SQLite(str(tmp_path / "alerts.db"))
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: database.write(lambda *_: n), range(200)))
    assert results == list(range(200))
    database.close()


class Interrupts:
    """Raises KeyboardInterrupt where a signal may come, the n-th time: where a call begins, or one into C has ended."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: Any, event: str, _argument: Any) -> None:
        if event in {"call", "c_return"} and "weakref" not in frame.f_code.co_filename:  # a collection's own calls
            self.left -= 1
            if self.left < 0:
                sys.setprofile(None)
                raise KeyboardInterrupt


def interrupted_at_each_point(path: Path, write: Any) -> int:
    """Interrupt `write(database, interrupts)` everywhere, and look each time whether others can go on; how often."""
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    for number in itertools.count():
        database = SQLite(str(path))
        interrupts = Interrupts(number)
        try:
            write(database, interrupts)
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
        done: list[int] = []
        following = threading.Thread(target=lambda: done.append(database.write(lambda *_: 1)), daemon=True)  # noqa: B023
        following.start()
        following.join(30)
        assert done == [1], number
        database.close()
        if interrupts.left >= 0:
            break
    other.close()
    return number


@pytest.mark.parametrize("is_open", [False, True])
def test_whoever_is_interrupted_anywhere_locks_nobody_out(tmp_path: Path, is_open: bool) -> None:
    def write(database: SQLite, interrupts: Interrupts) -> None:
        if is_open:
            database.write(lambda *_: None)
        sys.setprofile(interrupts)
        database.write(lambda connection, _: connection.execute("DELETE FROM alert_outbox_alerts"))
        sys.setprofile(None)

    database = SQLite(str(tmp_path / "alerts.db"))
    database.write(lambda *_: None)
    database.close()
    assert interrupted_at_each_point(tmp_path / "alerts.db", write) > 20


def test_who_waits_behind_an_interrupted_leader_is_told_or_leads(tmp_path: Path) -> None:
    def write(database: SQLite, interrupts: Interrupts) -> None:
        def behind() -> None:
            with contextlib.suppress(QueueError):
                database.write(lambda *_: None)
            ended.append(True)

        def work(*_: Any) -> None:
            waits.start()
            waiting(database._commits, 1)
            sys.setprofile(interrupts)

        ended: list[bool] = []
        waits = threading.Thread(target=behind, daemon=True)
        try:
            database.write(work)
        finally:
            sys.setprofile(None)
            waits.join(30)
            assert ended

    database = SQLite(str(tmp_path / "alerts.db"))
    database.write(lambda *_: None)
    database.close()
    assert interrupted_at_each_point(tmp_path / "alerts.db", write) > 5
