"""`alertctl outbox`: run a worker, and look after what waits and what was given up."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import click

from alert_core import ConfigError, Dispatcher
from alert_core.default import config_path
from alert_core.queues import parse_duration, without_worker
from alert_core.text import one_line, printable
from alert_outbox.inspection import STATES
from alert_outbox.outbox import Outbox
from alert_outbox.records import Overview, StoredDelivery
from alert_outbox.schema import WAITING
from alert_outbox.sqlite import SQLite

NUMBER: Final = click.IntRange(1, 2**63 - 1)
"""Of a row of the database."""
UNUSED: Final = "nothing was enqueued yet"
json_option = click.option("--json", "json_", is_flag=True, help="Print JSON.")


@click.group()
def outbox() -> None:
    """Look after the durable queue."""


@outbox.command()
@click.option("--once", is_flag=True, help="Deliver what is due, then end.")
@click.option(
    "--timeout",
    default=30.0,
    type=click.FloatRange(0, 86_400),
    show_default=True,
    help="Seconds that running attempts get at the end; with --once, for how long none may end.",
)
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
    queue.make_tables()
    queue.start()
    if once:
        drained = _flushed(dispatcher, queue, ended, timeout)
    else:
        if not json_:
            click.echo(f"delivering from {queue!r}; SIGTERM ends it")
        while not ended.wait(3600):
            pass
        drained = True
    drained = queue.drain(time.monotonic() + timeout * (drained or ended.is_set())) and drained
    dispatcher.close(0)
    counts = {
        "delivered": queue.counts.get("delivered", 0),
        "dead": queue.counts.get("dead", 0),
        "open": queue.inspection.overview().open,
        "drained": drained,
    }
    if json_:
        as_json(counts)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0 if drained else 1


def _flushed(dispatcher: Dispatcher, queue: Outbox, ended: threading.Event, timeout: float) -> bool:
    """Wait until nothing is due, a signal comes, or no attempt has ended for `timeout` seconds; whether nothing is."""
    flushed: list[bool] = []
    flushing = threading.Thread(target=lambda: flushed.append(dispatcher.flush(None)), daemon=True)
    flushing.start()
    count, ends = 0, time.monotonic() + timeout
    while not (flushed or ended.is_set()) and time.monotonic() < ends:
        flushing.join(0.1)
        if (now := sum(queue.counts.values())) != count:
            count, ends = now, time.monotonic() + timeout
    return flushed == [True]


@outbox.command()
@json_option
def status(json_: bool) -> int:
    """Count the deliveries of each target, by state: open ones, and those that ended since the history begins."""
    queue = opened()
    is_new = queue.database.is_unused()
    found = Overview(at=datetime.now(UTC)) if is_new else queue.inspection.overview()
    if json_:
        as_json(found.to_dict())
    elif is_new:
        click.echo(UNUSED)
    else:
        names = ["target", *STATES, "under_way", "oldest_open", "most_attempts"]
        table(names, [[row[name] for name in names] for row in found.to_dict()["targets"]])
    return 0


@outbox.command("list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--target")
@click.option("--severity", help='As "critical", or ">=error".')
@click.option("--source")
@click.option("--text", help="In the title.")
@click.option("--since", type=click.DateTime(), help="Enqueued then or later, in UTC.")
@click.option("--before", type=NUMBER, help="Before the delivery of this number: the next page.")
@click.option("--limit", default=50, show_default=True, type=NUMBER)
@json_option
def list_(json_: bool, since: datetime | None, **filters: Any) -> int:
    """List deliveries, the latest first; times are UTC. On a terminal, lines are cut to its width."""
    try:
        since = since and since.replace(tzinfo=UTC)
        queue = opened()
        _check_target(queue, filters["target"])
        is_new = queue.database.is_unused()
        found = [] if is_new else queue.inspection.deliveries(since=since, **filters)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if json_:
        as_json([one.to_dict() for one in found])
    elif is_new:
        click.echo(UNUSED)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        names = ["id", "state", "target", "stored", "due", "tries", "severity", "title", "error"]
        table(names, map(_listed, found), width)
    return 0


def _listed(one: StoredDelivery) -> list[object]:
    now = datetime.now(UTC)
    if one.due is None or one.state != WAITING:
        due = ""
    else:
        due = "now" if one.under_way or one.due <= now else _short(one.due, now)
    stored = _short(one.stored, now)
    return [one.id, one.state, one.target, stored, due, one.attempts, one.severity, one.title, one.error]


def _short(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M:%S}" if moment.date() == now.date() else f"{moment:%m-%d %H:%M}"


@outbox.command()
@click.argument("which")
@json_option
def show(which: str, json_: bool) -> int:
    """Show a delivery by its number, or all of an alert by its id."""
    inspection = opened().inspection
    is_number = which.isascii() and which.isdigit() and len(which) < len(str(NUMBER.max))
    one = inspection.delivery(int(which)) if is_number else None
    found = inspection.alert(which if one is None else one.alert_id)
    if found is None:
        raise click.UsageError(f"no delivery and no alert is {which!r}; see alertctl outbox list")
    if one is not None:
        found = attrs.evolve(found, deliveries=(one,))
    if json_:
        as_json(found.to_dict())
        return 0
    for name, value in found.alert.items():
        click.echo(printable(f"{name}: {value}"))
    for row in found.to_dict()["deliveries"]:
        click.echo()
        for name, value in row.items():
            if value is not None and name not in found.alert and name != "alert_id":
                click.echo(f"  {name}: {one_line(str(value))}")
    return 0


@outbox.command()
@click.argument("number", required=False, type=NUMBER)
@click.option("--target", help="Every dead letter of this target.")
@click.option("--all", "all_", is_flag=True, help="Every dead letter.")
@json_option
def retry(number: int | None, target: str | None, all_: bool, json_: bool) -> int:
    """Let dead letters be tried again, as if they were enqueued now."""
    if sum((number is not None, target is not None, all_)) != 1:
        raise click.UsageError("give the number of a delivery, or --target NAME, or --all")
    queue = opened()
    _check_target(queue, target)
    count = queue.retry(number, target=target)
    if number is not None and not count:
        raise click.UsageError(
            f"delivery {number} is no dead letter, or resolves what has fired anew since; see alertctl outbox list"
        )
    told({"retried": count}, json_)
    return 0


@outbox.command()
@click.option("--older-than", help='Ended before so long, as "7d". Default: what `keep` says.')
@json_option
def purge(older_than: str | None, json_: bool) -> int:
    """Delete the history of alerts whose last delivery has ended, dead letters among them."""
    age = None if older_than is None else duration("--older-than", older_than)
    told({"purged": opened().purge(age)}, json_)
    return 0


def _check_target(queue: Outbox, name: str | None) -> None:
    """Refuse a name that no target has, nor a delivery of a target that is configured no more."""
    if name is None or name in queue.desk.targets:
        return
    if not queue.database.is_unused() and queue.inspection.deliveries(target=name, limit=1):
        return
    raise click.UsageError(f"no target is called {name!r}; there are: {', '.join(queue.desk.targets)}")


def _dispatcher() -> Dispatcher:
    given = click.get_current_context().find_object(Dispatcher)  # by a host that has a configuration of its own
    if given is not None:
        return given
    path = config_path()
    if path is None:
        raise ConfigError("no configuration: write ./alerts.toml, or name a file in ALERT_CONFIG")
    return Dispatcher.from_config(path)


def outbox_of(dispatcher: Dispatcher) -> Outbox:
    """The dispatcher's queue, which must be an outbox."""
    if not isinstance(dispatcher.queue, Outbox):
        raise ConfigError([("queue.type", 'is not "outbox": there is no durable queue to look at')])
    database = dispatcher.queue.database
    if isinstance(database, SQLite) and not database.path.parent.is_dir():
        raise ConfigError([("queue.path", f"there is no folder {database.path.parent}")])
    return dispatcher.queue


def passive_dispatcher() -> Dispatcher:
    """The configured dispatcher, which delivers nothing from its outbox."""
    with without_worker():
        return _dispatcher()


def opened() -> Outbox:
    """The configured outbox, which delivers nothing."""
    return outbox_of(passive_dispatcher())


def duration(option: str, text: str) -> float:
    """Seconds, of an option's text."""
    try:
        return parse_duration(text)
    except ValueError:
        raise click.UsageError(f'{option} must be a time as "30s", "5m", "4h" or "7d", not {text!r}') from None


def as_json(value: object) -> None:
    """Print JSON."""
    click.echo(json.dumps(value, indent=2))


def told(counts: Mapping[str, object], json_: bool) -> None:
    """Print what was done: names and values."""
    if json_:
        as_json(counts)
    else:
        click.echo(", ".join(f"{name} {count}" for name, count in counts.items()))


def table(names: Iterable[str], rows: Iterable[Iterable[object]], width: int | None = None) -> None:
    """Print rows in columns, made safe for a terminal; no line is longer than `width`."""
    cells = [list(names), *([one_line(str("-" if cell in (None, "", {}) else cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        click.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()[:width])
