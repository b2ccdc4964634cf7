"""`alertctl silence` and `alertctl digest`."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import click

from alert_core import ConfigError, Delivery, Dispatcher
from alert_core.queues import DailyTime, Outcome
from alert_core.text import one_line, printable
from alert_outbox.claims import MARGIN
from alert_outbox.cli import NUMBER, as_json, duration, json_option, opened, outbox_of, passive_dispatcher, table, told
from alert_outbox.outbox import Outbox
from alert_outbox.records import moment
from alert_outbox.state import next_time
from alert_outbox.summaries import Buckets, summary

WORDS: Final = {Outcome.QUEUED: "queued for", Outcome.DELIVERED: "delivered to"}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.UsageError(f"--starts must be as 2026-01-31T22:00+01:00, not {text!r}") from None


def _matchers(match: Mapping[str, Any]) -> str:
    """As `silence add` takes them."""
    given = ((field, ",".join(wanted) if isinstance(wanted, list) else wanted) for field, wanted in match.items())
    return " ".join(f"{field}={wanted}" for field, wanted in given)


@click.group()
def silence() -> None:
    """Keep alerts quiet for a while."""


@silence.command()
@click.argument("match", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--for", "for_", default="1h", show_default=True, help="How long.")
@click.option("--starts", help="When, in ISO 8601; local time where it names no zone. Default: now.")
@click.option("--author", default=_user, help="Default: who is logged in.")
@click.option("--reason", required=True)
@json_option
def add(match: tuple[str, ...], for_: str, starts: str | None, author: str, reason: str, json_: bool) -> int:
    """Silence the alerts whose fields are all so, as a route's `match` has them: severity=">=error", tags=db,disk."""
    wanted: dict[str, Any] = {}
    for one in match:
        field, equals, value = one.partition("=")
        if not equals:
            raise click.UsageError(f"write it as FIELD=VALUE, not {one!r}")
        if field in wanted:
            raise click.UsageError(f"{field} is given twice, and no alert has both; make a silence for each")
        wanted[field] = value.split(",") if field == "tags" else value
    silences = opened().silences
    begins = None if starts is None else _moment(starts)
    try:
        made = silences.add(wanted, author=author, reason=reason, starts=begins, lasts=duration("--for", for_))
    except OverflowError:
        raise click.UsageError("it would end after the year 9999") from None
    except (ConfigError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    told({"id": made.id, "ends": made.to_dict()["ends"]}, json_)
    return 0


@silence.command("list")
@click.option("--all", "all_", is_flag=True, help="Those that have ended, too.")
@json_option
def list_(all_: bool, json_: bool) -> int:
    """List the silences that hold now or later."""
    queue = opened()
    rows = [] if queue.database.is_unused() else [one.to_dict() for one in queue.silences.list(ended=all_)]
    if json_:
        as_json(rows)
    else:
        names = ["id", "match", "starts", "ends", "author", "reason"]
        table(names, [[_matchers(row[name]) if name == "match" else row[name] for name in names] for row in rows])
    return 0


@silence.command()
@click.argument("number", type=NUMBER)
@json_option
def expire(number: int, json_: bool) -> int:
    """End a silence now; what still fires is told within a minute."""
    if not opened().silences.expire(number):
        raise click.UsageError(f"no silence {number} holds; see alertctl silence list")
    told({"expired": 1}, json_)
    return 0


@click.group()
def digest() -> None:
    """Look at digests, and send them."""


@digest.command()
@click.argument("route")
@json_option
def preview(route: str, json_: bool) -> int:
    """Show the digest of a route as it would be sent now; nothing is sent."""
    dispatcher = passive_dispatcher()
    queue, digest = outbox_of(dispatcher), _digest_of(dispatcher, route)
    is_new = queue.database.is_unused()
    members = [] if is_new else queue.database.read(lambda connection: queue.store.digest(connection, route))
    members = [one for one in members if one.part == members[0].part]
    now = time.time()
    alert = summary("digest", route, members, now)
    due = moment(next_time(digest, now))
    if json_:
        as_json({"due": due.isoformat(), "alert": alert.to_dict()})
    else:
        at = f"{due.astimezone(digest.tz):%Y-%m-%d %H:%M} {digest.tz}"
        click.echo(printable(f"{alert.title}\n{alert.message}\n(sent at {at})"))
    return 0


@digest.command()
@click.argument("route")
@json_option
def send(route: str, json_: bool) -> int:
    """Send the digest of a route now, and not what is in it a second time.

    Where the configuration lets this process deliver, it waits for that as `alertctl send` does.
    """
    dispatcher = passive_dispatcher()
    queue = outbox_of(dispatcher)
    _digest_of(dispatcher, route)
    buckets = Buckets(queue.store, queue.desk, empty_digests=False)
    done = queue.database.write(lambda connection, _: buckets.tell(connection, time.time(), only=route))
    buckets.finish(done)
    try:
        found = _deliveries(queue, done.dispatches, dispatcher.deadline)
        if json_:
            as_json({"sent_to": sorted(done.targets)})
        else:
            lines = dict.fromkeys(map(_line, found)) or ["nothing to send"]
            click.echo("\n".join(map(one_line, lines)))
        queue.drain(time.monotonic() + max(one.timeout for one in queue.desk.targets.values()) + MARGIN)
    finally:
        dispatcher.close(0)
    return 0 if all(one.outcome in WORDS for one in found) else 1


def _deliveries(queue: Outbox, dispatches: Sequence[str], deadline: float) -> list[Delivery]:
    """How they stand: once they have ended, or at the deadline, where a worker may run in this process."""
    ends = time.monotonic() + deadline
    if queue.worker and dispatches:
        queue.start()
    while True:
        found = [delivery for one in dispatches for delivery in queue.deliveries(one)]
        is_open = any(one.outcome is Outcome.QUEUED for one in found)
        if not (is_open and queue.delivers_here) or time.monotonic() > ends:
            return found
        time.sleep(0.02)


def _line(one: Delivery) -> str:
    if one.outcome in WORDS:
        return f"{WORDS[one.outcome]} {one.target}"
    return f"failed at {one.target}: {one.error}"


def _digest_of(dispatcher: Dispatcher, name: str) -> DailyTime:
    found = {str(route.name): route.digest for route in dispatcher.routes if route.digest is not None}
    if name not in found:
        raise click.UsageError(f"no route {name!r} has a digest; those that have: {', '.join(found) or 'none'}")
    return found[name]
