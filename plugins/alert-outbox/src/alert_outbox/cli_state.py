"""`alertctl silence` and `alertctl digest`."""

from __future__ import annotations

import getpass
import json
import time
from datetime import UTC, datetime
from typing import Any

import click

from alert_core import ConfigError, Dispatcher, Route
from alert_core.queues import parse_duration
from alert_core.text import printable
from alert_outbox.cli import as_json, json_option, moment, opened, outbox_of, passive_dispatcher, table, told
from alert_outbox.state import next_time
from alert_outbox.store import Taken
from alert_outbox.summaries import Buckets, summary


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


@click.group()
def silence() -> None:
    """Keep alerts quiet for a while."""


@silence.command()
@click.argument("match", nargs=-1, required=True, metavar="FIELD=VALUE...")
@click.option("--for", "for_", default="1h", show_default=True, help="How long.")
@click.option("--starts", help="When, in ISO 8601. Default: now.")
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
        wanted[field] = value.split(",") if field == "tags" else value
    try:
        Route(targets=[], match=wanted)
        begins = time.time() if starts is None else datetime.fromisoformat(starts).astimezone(UTC).timestamp()
        ends = begins + parse_duration(for_)
    except (ConfigError, ValueError) as error:
        raise click.UsageError(str(error)) from None
    queue = opened()
    values = {"starts_": begins, "ends_": ends, "author_": author, "reason_": reason, "made_": time.time()}
    (number,) = queue.database.write(
        lambda connection, _: queue.state.sql.add_silence.one(connection, match_=json.dumps(wanted), **values)
    ) or (0,)
    told({"id": number, "ends": moment(ends)}, json_)
    return 0


@silence.command("list")
@click.option("--all", "all_", is_flag=True, help="Those that have ended, too.")
@json_option
def list_(all_: bool, json_: bool) -> int:
    """List the silences that hold now or later."""
    queue = opened()
    after = 0.0 if all_ else time.time()
    found = queue.database.read(lambda connection: queue.state.sql.silences.rows(connection, after=after))
    rows = [
        {
            "id": number,
            "match": json.loads(match),
            "starts": moment(starts),
            "ends": moment(ends),
            "author": author,
            "reason": reason,
        }
        for number, match, starts, ends, author, reason in found
    ]
    if json_:
        as_json(rows)
    else:
        names = ["id", "match", "starts", "ends", "author", "reason"]
        table(names, [[row[name] for name in names] for row in rows])
    return 0


@silence.command()
@click.argument("number", type=int)
@json_option
def expire(number: int, json_: bool) -> int:
    """End a silence now; what still fires is told within a minute."""
    queue = opened()
    now = time.time()
    count = queue.database.write(
        lambda connection, _: queue.state.sql.expire_silence.run(connection, id_=number, now=now)
    )
    if not count:
        raise click.UsageError(f"no silence {number} holds; see alertctl silence list")
    told({"expired": count}, json_)
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
    queue, found = outbox_of(dispatcher), _route(dispatcher, route)
    rows = queue.database.read(
        lambda connection: queue.store.sql.gathered_now.rows(connection, bucket_=f"digest:{route}")
    )
    members = [Taken.of(row) for row in rows]
    members = [one for one in members if one.part == members[0].part]
    now = time.time()
    alert = summary("digest", route, members, now)
    due = moment(next_time(found.digest, now)) if found.digest is not None else None
    if json_:
        as_json({"due": due, "alert": alert.to_dict()})
    else:
        click.echo(printable(f"{alert.title}\n{alert.message}\n(sent at {due})"))
    return 0


@digest.command()
@click.argument("route")
@json_option
def send(route: str, json_: bool) -> int:
    """Send the digest of a route now, and not what is in it a second time."""
    dispatcher = passive_dispatcher()
    queue = outbox_of(dispatcher)
    _route(dispatcher, route)
    buckets = Buckets(queue.store, queue.desk, empty_digests=False)
    done = queue.database.write(lambda connection, _: buckets.tell(connection, time.time(), only=route))
    told({"sent_to": sorted(done.targets)}, json_)
    return 0


def _route(dispatcher: Dispatcher, name: str) -> Route:
    routes = {str(route.name): route for route in dispatcher.routes if route.digest is not None}
    if name not in routes:
        raise click.UsageError(f"no route {name!r} has a digest; those that have: {', '.join(routes) or 'none'}")
    return routes[name]
