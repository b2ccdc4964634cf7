"""The durable queue: how fast alerts are stored and drained, beside a bare loop over the same rows."""

import itertools
import json
import sqlite3
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import work

from alert_core import Alert, Dispatcher
from alert_outbox import Outbox

MADE = 2_000  # alerts that are made before the clock starts; masking has rows of its own


class Nothing:
    """A target that does nothing."""

    name = "nothing"

    def send(self, alert: Alert) -> None: ...


def dispatcher(folder: str, *, worker: bool) -> Dispatcher:
    return Dispatcher([Nothing()], queue=Outbox(path=str(Path(folder) / "alerts.db"), worker=worker))


def enqueue(seconds: float, threads: int) -> float:
    """Alerts stored a second by so many threads together."""
    alerts = [Alert(**work.fields(number)) for number in range(MADE)]
    with tempfile.TemporaryDirectory(dir=".") as folder, dispatcher(folder, worker=False) as d:
        d.enqueue(alerts[0])
        counts: list[int] = []
        ends = time.perf_counter() + seconds

        def store(first: int) -> None:
            for count in itertools.count(1):
                d.enqueue(alerts[(first + count) % MADE])
                if time.perf_counter() >= ends:
                    counts.append(count)
                    return

        running = [threading.Thread(target=store, args=(n * MADE // threads,)) for n in range(threads)]
        began = time.perf_counter()
        for one in running:
            one.start()
        for one in running:
            one.join()
        return sum(counts) / (time.perf_counter() - began)


def bare(seconds: float) -> float:
    """Rows a second that a loop over sqlite3 alone inserts into the same tables, a commit for each alert."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        with dispatcher(folder, worker=False) as d:
            d.enqueue(Alert(**work.fields(0)))
        connection = sqlite3.connect(Path(folder) / "alerts.db", isolation_level=None)
        connection.execute("PRAGMA synchronous=FULL")
        stored, kept = (_inserts(connection, name) for name in ("alert_outbox_alerts", "alert_outbox_deliveries"))
        bodies = [json.dumps(Alert(**work.fields(number)).to_dict()) for number in range(MADE)]

        def store(number: int) -> None:
            key = uuid.uuid4().hex
            connection.execute("BEGIN IMMEDIATE")
            stored({"id": key, "alert_id": key, "body": bodies[number % MADE]})
            kept({"id": None, "dispatch": key, "order_key": key})
            connection.execute("COMMIT")

        done, began = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            store(done)
            done += 1
        connection.close()
        return done / elapsed


def _inserts(connection: sqlite3.Connection, table: str) -> Callable[[dict[str, Any]], object]:
    """Inserts the row that is there, with other values in some columns."""
    found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608 - our own
    columns = [column[0] for column in found.description]
    row = dict(zip(columns, found.fetchone(), strict=True))
    text = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"  # noqa: S608 - our own
    return lambda other: connection.execute(text, [*(row | other).values()])


def drain(count: int) -> float:
    """Alerts a second from the database through a target that does nothing."""
    with tempfile.TemporaryDirectory(dir=".") as folder, dispatcher(folder, worker=False) as d:
        for number in range(count):
            d.enqueue(Alert(**work.fields(number)))
        began = time.perf_counter()
        d.queue.start()  # type: ignore[union-attr]  # it is an Outbox
        work.check(d.flush(300))
        return count / (time.perf_counter() - began)


if __name__ == "__main__":
    work.main(globals())
