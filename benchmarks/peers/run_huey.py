"""huey's side: its SQLite storage, synced at each commit, and its own execution of a task that does nothing."""

import tempfile
import time
from pathlib import Path
from typing import Any

import work
from huey import SqliteHuey  # type: ignore[import-not-found]  # installed in its own environment


def queue(folder: str) -> tuple[SqliteHuey, Any]:
    huey = SqliteHuey(filename=str(Path(folder) / "huey.db"), fsync=True, results=False)
    return huey, huey.task(name="deliver")(lambda alert: None)  # noqa: ARG005 - it does nothing with it


def enqueue(seconds: float) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        huey, deliver = queue(folder)

        def put(fields: work.Fields) -> bool:
            deliver(fields)
            return True

        rate = work.per_second(put, seconds)
        huey.storage.close()
        return rate


def drain(count: int) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        huey, deliver = queue(folder)
        for number in range(count):
            deliver(work.fields(number))
        began = time.perf_counter()
        for _ in range(count):
            huey.execute(huey.dequeue())
        rate = count / (time.perf_counter() - began)
        huey.storage.close()
        return rate


if __name__ == "__main__":
    work.main(globals())
