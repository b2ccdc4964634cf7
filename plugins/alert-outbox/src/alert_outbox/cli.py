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
json_option = click.option("--json", "json_", is_flag=True, help="Print JSON.")


@click.group()
def outbox() -> None:
    """Look after the durable queue."""


@outbox.command()
@click.option("--once", is_flag=True, help="Deliver what is due, then end.")
@click.option("--timeout", default=30.0, show_default=True, help="Seconds that running attempts get at the end.")
@json_option
def run(once: bool, timeout: float, json_: bool) -> int:
    """Deliver until SIGTERM or SIGINT, then let the running attempts end.

    Exit status: 0 all of them did, 1 some did not in time (their lease runs out, and they are tried again), or with
    --once something is still due.
    """
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: ended.set())
    dispatcher = passive_dispatcher()
    queue = outbox_of(dispatcher)
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
    counts = {**changed, "open": after.get(WAITING, 0) + after.get(HELD, 0), "drained": drained}
    if json_:
        as_json(counts)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0 if drained else 1


@outbox.command()
@json_option
def status(json_: bool) -> int:
    """Count the deliveries of each target, by state."""
    queue = opened()
    now = time.time()
    rows = [
        {"target": target, "state": state, "count": count, "oldest": moment(oldest), "most_attempts": attempts}
        for target, state, count, oldest, attempts in queue.database.read(queue.store.sql.overview.rows)
    ]
    if json_:
        as_json({"targets": rows, "at": moment(now)})
    else:
        table(["target", "state", "count", "oldest", "most attempts"], [list(row.values()) for row in rows])
    return 0


@outbox.command("list")
@click.option("--state", type=click.Choice(_STATES))
@click.option("--target")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1))
@json_option
def list_(state: str | None, target: str | None, limit: int, json_: bool) -> int:
    """List deliveries, the latest first."""
    queue = opened()
    found = queue.database.read(
        lambda connection: queue.store.sql.listed.rows(connection, state_=state, target_=target, most=limit)
    )
    rows = [_row(row) for row in found]
    if json_:
        as_json(rows)
    else:
        names = ["id", "state", "target", "attempts", "title", "error"]
        table(names, [[row[name] for name in names] for row in rows])
    return 0


@outbox.command()
@click.argument("which")
@json_option
def show(which: str, json_: bool) -> int:
    """Show a delivery by its number, or all of an alert by its id."""
    queue = opened()
    number = int(which) if which.isascii() and which.isdigit() else None
    found = queue.database.read(lambda connection: queue.store.sql.shown.rows(connection, alert=which, number=number))
    if not found:
        raise click.UsageError(f"no delivery and no alert is {which!r}; see alertctl outbox list")
    alert = json.loads(found[0][-1])
    deliveries = [_row(row) for row in found]
    if json_:
        as_json({"alert": alert, "deliveries": deliveries})
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
@json_option
def retry(number: int | None, target: str | None, all_: bool, json_: bool) -> int:
    """Let dead letters be tried again, as if they were enqueued now."""
    if sum((number is not None, target is not None, all_)) != 1:
        raise click.UsageError("give the number of a delivery, or --target NAME, or --all")
    queue = opened()
    now = time.time()
    count = queue.database.write(lambda connection, _: queue.store.revive(connection, now, number, target))
    if number is not None and not count:
        raise click.UsageError(f"delivery {number} is no dead letter; see alertctl outbox list --state dead")
    told({"retried": count}, json_)
    return 0


@outbox.command()
@click.option("--older-than", help='Ended before so long, as "7d". Default: what `keep` says.')
@json_option
def purge(older_than: str | None, json_: bool) -> int:
    """Delete the history of alerts whose last delivery has ended, dead letters among them."""
    queue = opened()
    try:
        age = parse_duration(older_than if older_than is not None else queue.keep)
    except ValueError as error:
        raise click.UsageError(f"--older-than {error}") from None
    before = time.time() - age
    total = 0
    while count := queue.database.write(lambda connection, _: queue.store.purge(connection, before, 1_000)):
        total += count
    told({"purged": total}, json_)
    return 0


def _dispatcher() -> Dispatcher:
    path = os.environ.get("ALERT_CONFIG") or ("./alerts.toml" if Path("alerts.toml").is_file() else None)
    if path is None:
        raise ConfigError("no configuration: write ./alerts.toml, or name a file in ALERT_CONFIG")
    return Dispatcher.from_config(path)


def outbox_of(dispatcher: Dispatcher) -> Outbox:
    """The dispatcher's queue, which must be an outbox."""
    if not isinstance(dispatcher.queue, Outbox):
        raise ConfigError([("queue.type", 'is not "outbox": there is no durable queue to look at')])
    return dispatcher.queue


def passive_dispatcher() -> Dispatcher:
    """The configured dispatcher, which delivers nothing from its outbox."""
    with without_worker():
        return _dispatcher()


def opened() -> Outbox:
    """The configured outbox, which delivers nothing."""
    return outbox_of(passive_dispatcher())


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
        "due": moment(due) if state == WAITING else None,
        "stored": moment(stored),
        "ended": moment(ended),
        "outcome": last.get("outcome"),
        "receipt": (last.get("receipt") or {}).get("id"),
        "error": error and f"{error['type']}: {error['message']}",
    }


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 in ISO 8601."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def as_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2))


def told(counts: Mapping[str, object], json_: bool) -> None:
    """Print what was done: names and values."""
    if json_:
        as_json(counts)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))


def table(names: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print rows in columns, made safe for a terminal."""
    cells = [list(names), *([one_line(str("-" if cell in (None, "", {}) else cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
