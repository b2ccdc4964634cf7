"""Group commit: who waits shares the next transaction, and a bad entry hurts its own caller alone."""

import sqlite3
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from alert_core import QueueError
from alert_outbox.commits import Commits, Entry
from alert_outbox.database import SQLite


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
        while not commits._led or commits._waiting:
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
        while not database._commits._led or database._commits._waiting:
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
