"""`alertctl outbox`: run a worker, and look after what waits and what was given up."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from alert_core import ConfigError, Dispatcher
from alert_core.queues import parse_duration
from alert_core.text import one_line, printable
from alert_outbox.outbox import Outbox, without_worker
from alert_outbox.schema import DEAD, DELIVERED, HELD, WAITING
from alert_outbox.statements import Row

_STATES: Final = (WAITING, HELD, DELIVERED, DEAD)
_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")


@click.group()
def outbox() -> None:
    """Look after the durable queue."""


@outbox.command()
@click.option("--once", is_flag=True, help="Deliver what is due, then end.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds that running attempts get at the end.")
@_json
def run(once: bool, timeout: float, json_: bool) -> int:
    """Deliver until SIGTERM or SIGINT, then let the running attempts end.

    Exit status: 0 all of them did, 1 some did not in time (their lease runs out, and they are tried again), or with
    --once something is still due.
    """
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    with without_worker():
        dispatcher = _dispatcher()
    queue = _outbox(dispatcher)
    before = _counts(queue)
    queue.start()
    if once:
        drained = dispatcher.flush(None)
    else:
        if not json_:
            click.echo(f"delivering from {queue!r}; SIGTERM ends it")
        while not ended.wait(3600):
            pass
        drained = True
    drained = queue.drain(time.monotonic() + timeout) and drained
    dispatcher.close(0)
    after = _counts(queue)
    changed = {state: after.get(state, 0) - before.get(state, 0) for state in (DELIVERED, DEAD)}
    told = {**changed, "open": after.get(WAITING, 0) + after.get(HELD, 0), "drained": drained}
    if json_:
        _as_json(told)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in told.items()))
    return 0 if drained else 1


@outbox.command()
@_json
def status(json_: bool) -> int:
    """Count the deliveries of each target, by state."""
    queue = _opened()
    now = time.time()
    rows = [
        {"target": target, "state": state, "count": count, "oldest": _moment(oldest), "most_attempts": attempts}
        for target, state, count, oldest, attempts in queue.database.read(queue.store.sql.overview.rows)
    ]
    if json_:
        _as_json({"targets": rows, "at": _moment(now)})
    else:
        _table(["target", "state", "count", "oldest", "most attempts"], [list(row.values()) for row in rows])
    return 0


@outbox.command("list")
@click.option("--state", type=click.Choice(_STATES))
@click.option("--target")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@_json
def list_(state: str | None, target: str | None, limit: int, json_: bool) -> int:
    """List deliveries, the latest first."""
    queue = _opened()
    found = queue.database.read(
        lambda connection: queue.store.sql.listed.rows(connection, state_=state, target_=target, most=limit)
    )
    rows = [_row(row) for row in found]
    if json_:
        _as_json(rows)
    else:
        names = ["id", "state", "target", "attempts", "title", "error"]
        _table(names, [[row[name] for name in names] for row in rows])
    return 0


@outbox.command()
@click.argument("which")
@_json
def show(which: str, json_: bool) -> int:
    """Show a delivery by its number, or all of an alert by its id."""
    queue = _opened()
    number = int(which) if which.isascii() and which.isdigit() else None
    found = queue.database.read(lambda connection: queue.store.sql.shown.rows(connection, alert=which, number=number))
    if not found:
        raise click.UsageError(f"no delivery and no alert is {which!r}; see alertctl outbox list")
    alert = json.loads(found[0][-1])
    deliveries = [_row(row) for row in found]
    if json_:
        _as_json({"alert": alert, "deliveries": deliveries})
        return 0
    for name, value in alert.items():
        click.echo(printable(f"{name}: {value}"))
    for row in deliveries:
        click.echo()
        for name, value in row.items():
            if value is not None and name not in {"title", "alert_id"}:
                click.echo(f"  {name}: {one_line(str(value))}")
    return 0


@outbox.command()
@click.argument("number", required=False, type=int)
@click.option("--target", help="Every dead letter of this target.")
@click.option("--all", "all_", is_flag=True, help="Every dead letter.")
@_json
def retry(number: int | None, target: str | None, all_: bool, json_: bool) -> int:
    """Let dead letters be tried again, as if they were enqueued now."""
    if sum((number is not None, target is not None, all_)) != 1:
        raise click.UsageError("give the number of a delivery, or --target NAME, or --all")
    queue = _opened()
    now = time.time()
    count = queue.database.write(lambda connection, _: queue.store.revive(connection, now, number, target))
    if number is not None and not count:
        raise click.UsageError(f"delivery {number} is no dead letter; see alertctl outbox list --state dead")
    _told({"retried": count}, json_)
    return 0


@outbox.command()
@click.option("--older-than", help='Ended before so long, as "7d". Default: what `keep` says.')
@_json
def purge(older_than: str | None, json_: bool) -> int:
    """Delete the history of alerts whose last delivery has ended, dead letters among them."""
    queue = _opened()
    try:
        age = parse_duration(older_than if older_than is not None else queue.keep)
    except ValueError as error:
        raise click.UsageError(f"--older-than {error}") from None
    before = time.time() - age
    total = 0
    while count := queue.database.write(lambda connection, _: queue.store.purge(connection, before, 1_000)):
        total += count
    _told({"purged": total}, json_)
    return 0


def _dispatcher() -> Dispatcher:
    path = os.environ.get("ALERT_CONFIG") or ("./alerts.toml" if Path("alerts.toml").is_file() else None)
    if path is None:
        raise ConfigError("no configuration: write ./alerts.toml, or name a file in ALERT_CONFIG")
    return Dispatcher.from_config(path)


def _outbox(dispatcher: Dispatcher) -> Outbox:
    if not isinstance(dispatcher.queue, Outbox):
        raise ConfigError([("queue.type", 'is not "outbox": there is no durable queue to look at')])
    return dispatcher.queue


def _opened() -> Outbox:
    with without_worker():
        return _outbox(_dispatcher())


def _counts(queue: Outbox) -> dict[str, int]:
    counts: dict[str, int] = {}
    for _, state, count, *_ in queue.database.write(lambda connection, _: queue.store.sql.overview.rows(connection)):
        counts[state] = counts.get(state, 0) + count
    return counts


def _row(row: Row) -> dict[str, Any]:
    number, target, recipient, state, attempts, due, lease, stored, ended, result, body = row
    last, alert = json.loads(result or "{}"), json.loads(body)
    error = last.get("error") or {}
    return {
        "id": number,
        "alert_id": alert["id"],
        "title": alert["title"],
        "severity": alert["severity"],
        "target": target,
        "recipient": recipient,
        "state": state,
        "attempts": attempts,
        "under_way": lease is not None and state == WAITING,
        "due": _moment(due) if state == WAITING else None,
        "stored": _moment(stored),
        "ended": _moment(ended),
        "outcome": last.get("outcome"),
        "receipt": (last.get("receipt") or {}).get("id"),
        "error": error and f"{error['type']}: {error['message']}",
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _as_json(value: object) -> None:
    click.echo(json.dumps(value, indent=2))


def _told(counts: Mapping[str, int], json_: bool) -> None:
    if json_:
        _as_json(counts)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))


def _table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    cells = [list(names), *([one_line(str("-" if cell in (None, "", {}) else cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
