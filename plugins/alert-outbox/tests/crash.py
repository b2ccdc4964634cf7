"""End a process at each named point, in each way, and let another one go on: `python crash.py --help`.

Prints, for each point and way, what was delivered in all, and what was told to be dropped, as JSON.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from alert_core import Alert, Dispatcher, PermanentDeliveryError, Route, hookimpl
from alert_core.queues import Clock, Dispatch, Stored
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox
from alert_outbox.claims import Claims
from alert_outbox.summaries import Buckets

WAYS: dict[str, Callable[[], None]] = {
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "os._exit": lambda: os._exit(3),
}
CLAIM = "during the digest's claim"
DEATH = "after the dead letter's commit, before it is told"
POINTS = (
    *("before the commit", "after the commit, before the return", "after the lease", "after the answer"),
    *(CLAIM, DEATH),
)


class LaterClock(Clock):
    """A minute later, when the leases of the dead have run out; or days, when a digest is due."""

    def __init__(self, seconds: float = 60) -> None:
        self.seconds = seconds

    def time(self) -> float:
        return time.time() + self.seconds


TWO_DAYS = 2 * 86_400
DIGEST = Route(["a"], name="daily", digest="08:00")


class DyingOutbox(Outbox):
    """Ends the process in `put_many()`."""

    point = ""
    way = ""

    def put_many(self, dispatches: Sequence[Dispatch]) -> list[Stored]:
        if self.point == "before the commit":
            self.database.transaction = self.dying  # type: ignore[method-assign]
        stored = super().put_many(dispatches)
        if self.point == "after the commit, before the return":
            WAYS[self.way]()
        return stored

    def dying(self, connection: Any) -> Any:
        connection.execute("BEGIN")

        class Dying:
            def __enter__(self) -> None: ...

            def __exit__(self, *_: object) -> None:
                WAYS[DyingOutbox.way]()

        return Dying()


class Provider:
    """Writes what arrives into a file; ends the process before or after that."""

    name = "a"

    def __init__(self, path: Path, point: str = "", way: str = "") -> None:
        self.path, self.point, self.way = path, point, way

    def send(self, alert: Alert) -> None:
        if self.point == "after the lease":
            WAYS[self.way]()
        if self.point == DEATH:
            raise PermanentDeliveryError("no")
        with self.path.open("a") as file:
            file.write(f"{alert.title}\n")
        if self.point == "after the answer":
            WAYS[self.way]()


class Observer:
    """Writes what is dropped into the same file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @hookimpl
    def alert_dropped(self, alert: Alert, reason: str) -> None:
        with self.path.open("a") as file:
            file.write(f"{alert.title}: {reason}\n")


def first(options: dict[str, Any], path: Path, point: str, way: str) -> None:
    """Enqueue, and end there."""
    DyingOutbox.point, DyingOutbox.way = point, way
    has_worker = point in {"after the lease", "after the answer", DEATH}
    if point == DEATH:
        Claims.bury = lambda *_: WAYS[way]()  # type: ignore[method-assign]
    outbox = DyingOutbox(**options, worker=has_worker)
    routes = [DIGEST] if point == CLAIM else []
    d = Dispatcher([Provider(path, point, way)], queue=outbox, plugins=isolated_plugins(), routes=routes)
    d.enqueue(Alert("t", "m"))
    if point == CLAIM:
        tell = Buckets.tell

        def dying(self: Buckets, connection: Any, now: float, only: str | None = None) -> Any:
            tell(self, connection, now, only)
            WAYS[way]()

        Buckets.tell = dying  # type: ignore[method-assign]
        d = Dispatcher(
            [Provider(path)],
            queue=Outbox(**options),
            plugins=isolated_plugins(),
            routes=routes,
            clock=LaterClock(TWO_DAYS),
        )
    time.sleep(60)


def second(options: dict[str, Any], path: Path, point: str) -> None:
    """Deliver what is there, and look a second time whether anything is left."""
    outbox, claims = Outbox(**options), point == CLAIM
    d = Dispatcher(
        [Provider(path)],
        queue=outbox,
        plugins=isolated_plugins(Observer(path)),
        routes=[DIGEST] if claims else [],
        clock=LaterClock(TWO_DAYS + 120 if claims else 120),
    )
    d.flush(60)
    d.flush(60)
    d.close(10)


def forked(work: Callable[[], None]) -> int:
    """Run it in a child; how it ended: its status, or minus a signal."""
    pid = os.fork()
    if not pid:
        try:
            work()
        finally:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main() -> None:
    """Every point, in each of these ways."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="for what was delivered, and the databases")
    parser.add_argument("--url", help="of a PostgreSQL database instead")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    given = parser.parse_args()
    folder, url = given.folder, given.url
    logging.disable()
    results = []
    for point in POINTS:
        for way in given.ways:
            path = folder / f"{point}-{way}"
            path.touch()
            options = {"url": url} if url else {"path": f"{path}.db"}
            status = forked(lambda: first(options, path, point, way))  # noqa: B023 - called at once
            forked(lambda: second(options, path, point))  # noqa: B023 - as above
            results.append({"point": point, "way": way, "status": status, "delivered": path.read_text().splitlines()})
    sys.stdout.write(json.dumps(results))


if __name__ == "__main__":
    main()
