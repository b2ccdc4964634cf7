"""Kill processes at random while they enqueue and deliver, and count what arrived: `python chaos.py --help`.

Children are forked from one process that has imported everything; each enqueues and delivers, and is killed by SIGKILL
at a random moment. Those that run at once see the same clock, and a minute later than the ones before them: the leases
of the dead have run out. The last child is left alone until nothing is open, or nothing has ended for a minute. Then
nothing that was accepted may be missing.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher, QueueError, RetryableDeliveryError, RetryPolicy
from alert_core.queues import Clock
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox

CONCURRENCY = 4
TARGETS = ("a", "b")


class LateClock(Clock):
    """The system's clock, so many minutes later."""

    def __init__(self, minutes: int) -> None:
        self.minutes = minutes

    def time(self) -> float:
        return time.time() + 60 * self.minutes


class Log:
    """Lines in a file, each written by one system call: they outlive the process that wrote them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def write(self, line: str) -> None:
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(file, f"{line}\n".encode())
        finally:
            os.close(file)

    def lines(self) -> list[str]:
        return self.path.read_text().splitlines()

    def wait_for(self, more: int) -> None:
        """Wait until so many more lines have been written; on a machine that stands still, for a minute."""
        wanted, ends = len(self.lines()) + more, time.monotonic() + 60
        while len(self.lines()) < wanted and time.monotonic() < ends:
            time.sleep(0.005)


class Provider:
    """A target: what it has written has arrived. It fails now and then, before or after."""

    concurrency, timeout = CONCURRENCY, 10.0
    retry = RetryPolicy(initial=0.01, maximum=0.05)

    def __init__(self, name: str, log: Log) -> None:
        self.name, self.log = name, log

    def send(self, alert: Alert) -> None:
        if random.random() < 0.1:
            raise RetryableDeliveryError("busy")
        time.sleep(random.random() / 200)
        self.log.write(f"{self.name} {alert.title}")


def work(number: int, minutes: int, options: dict[str, Any], folder: Path, *, enqueues: bool) -> None:
    """What a child does until it is killed; the last one, which enqueues nothing, until nothing is left."""
    logging.disable()
    random.seed(number)
    delivered, accepted = Log(folder / "delivered"), Log(folder / "accepted")
    tried = Log(folder / "tried")
    outbox = Outbox(**options, poll=0.05, longest_backoff=0.2)
    dispatcher = Dispatcher(
        [Provider(name, delivered) for name in TARGETS],
        queue=outbox,
        plugins=isolated_plugins(),
        clock=LateClock(minutes),
    )

    def enqueue(thread: int) -> None:
        for count in range(1_000_000):
            title = f"{number}-{thread}-{count}"
            tried.write(title)
            try:
                dispatcher.enqueue(Alert(title, "m", dedup_key=f"key-{random.randrange(20)}"))
            except QueueError as error:
                Log(folder / "refused").write(str(error))
            else:
                accepted.write(title)
            time.sleep(random.random() / 100)

    if enqueues:
        for thread in range(3):
            threading.Thread(target=enqueue, args=(thread,), daemon=True).start()
        time.sleep(600)
    left, ends = 0, time.monotonic() + 60
    while (now_left := outbox.inspection.overview().open) and time.monotonic() < ends:
        if now_left != left:
            left, ends = now_left, time.monotonic() + 60
        dispatcher.flush(60)
        time.sleep(0.05)
    dispatcher.close(30)


def forked(number: int, minutes: int, options: dict[str, Any], folder: Path, *, enqueues: bool) -> int:
    """Start a child; its process id."""
    if pid := os.fork():
        return pid
    try:
        work(number, minutes, options, folder, enqueues=enqueues)
    except BaseException as error:  # noqa: BLE001 - the parent counts it
        Log(folder / "failed").write(repr(error))
        os._exit(1)
    os._exit(0)


def run(options: dict[str, Any], folder: Path, kills: int, seed: int, at_once: int) -> dict[str, Any]:
    """Kill so many children, then count."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("delivered", "accepted", "tried"):
        Log(folder / name)
    accepted, killed, minutes = Log(folder / "accepted"), 0, 0
    while killed < kills:
        numbers = range(killed, min(killed + at_once, kills))
        minutes += 1
        children = [forked(number, minutes, options, folder, enqueues=True) for number in numbers]
        for pid in children:
            if chance.random() < 0.9:  # else wherever it is: perhaps it has not begun
                accepted.wait_for(chance.randrange(1, 25))
            time.sleep(chance.random() / 20)
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            killed += 1
    last = forked(killed, minutes + 1, options, folder, enqueues=False)
    status = os.waitpid(last, 0)[1]
    expected = {f"{target} {title}" for title in accepted.lines() for target in TARGETS}
    tried = {f"{target} {title}" for title in Log(folder / "tried").lines() for target in TARGETS}
    delivered = Counter(Log(folder / "delivered").lines())
    return {
        "kills": killed,
        "accepted": len(expected),
        "delivered": len(delivered),
        "lost": sorted(expected - delivered.keys()),
        "duplicates": delivered.total() - len(delivered),
        "duplicates_allowed": killed * CONCURRENCY * len(TARGETS),
        "unexpected": sorted(delivered.keys() - tried),
        "failed": Log(folder / "failed").lines(),
        "refused": Log(folder / "refused").lines(),
        "last_ended_well": status == 0,
    }


def main() -> int:
    """Run it, and print what was counted as JSON; the exit status is 0 where nothing was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for the logs, and alerts.db")
    parser.add_argument("--url", help="of a PostgreSQL database instead")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--at-once", type=int, default=2, help="children that share the database")
    given = parser.parse_args()
    options = {"url": given.url} if given.url else {"path": str(given.folder / "alerts.db")}
    counted = run(options, given.folder, given.kills, given.seed, given.at_once)
    sys.stdout.write(json.dumps(counted, indent=2) + "\n")
    wrong = counted["lost"] or counted["unexpected"] or counted["failed"] or counted["refused"]
    return 1 if wrong or counted["duplicates"] > counted["duplicates_allowed"] else 0


if __name__ == "__main__":
    sys.exit(main())
