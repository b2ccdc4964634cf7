"""persist-queue's side: its SQLite queue with acknowledgements, as its README shows it."""

import tempfile
import time

import work
from persistqueue import SQLiteAckQueue  # type: ignore[import-not-found]  # installed in its own environment


def enqueue(seconds: float) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        queue = SQLiteAckQueue(folder, auto_commit=True)
        rate = work.per_second(lambda fields: queue.put(fields) is not None, seconds)
        queue.close()
        return rate


def drain(count: int) -> float:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        queue = SQLiteAckQueue(folder, auto_commit=True)
        for number in range(count):
            queue.put(work.fields(number))
        began = time.perf_counter()
        for _ in range(count):
            queue.ack(queue.get(block=False))
        rate = count / (time.perf_counter() - began)
        queue.close()
        return rate


if __name__ == "__main__":
    work.main(globals())
