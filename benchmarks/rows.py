"""The rows: what is measured, between whom, and the goal."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Run:
    """One contender's part in a row: a function of its script in peers/, and its arguments."""

    who: str
    script: str
    function: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """One comparison. This project's run stands first; `against` names the peer of the goal, or all of them."""

    name: str
    work: str
    unit: str
    runs: tuple[Run, ...]
    limit: float
    of: str = "ratio"  # the goal is on ours over the best peer's; or on our own "value"
    more_is_better: bool = False
    against: tuple[str, ...] = ("alert-infra", "apprise", "notifiers")

    @property
    def goal(self) -> str:
        sign = "≥" if self.more_is_better else "≤"
        return f"{sign} {self.limit:g}x" if self.of == "ratio" else f"{sign} {self.limit:g} {self.unit}"

    def is_met(self, measured: float) -> bool:
        return measured >= self.limit if self.more_is_better else measured <= self.limit


@dataclass(frozen=True)
class Setting:
    """Where the receivers are, and how long a measurement takes."""

    ports: dict[str, int]
    ca_bundle: str
    quick: bool

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def https(self) -> str:
        return f"https://localhost:{self.ports['https']}"

    def seconds(self) -> float:
        return 0.1 if self.quick else 0.7

    def count(self, usual: int) -> int:
        return max(usual // 10, 5) if self.quick else usual


SCRIPTS = {"alert-core": "alert_core", "alert-infra": "alert_infra", "bare client": "bare", "plain re": "bare"}


def _run(who: str, function: str, **arguments: Any) -> Run:
    return Run(who, f"run_{SCRIPTS.get(who.removesuffix(', send()'), who)}.py", function, arguments)


def rows(setting: Setting) -> Iterator[Row]:
    """Every row of delivery.md section 4 whose part exists by now."""
    yield from _fan_outs(setting)
    yield from _rates(setting)
    yield from _computations(setting)
    yield from _imports()
    yield from _durable(setting)
    yield from _celery(setting)


def _fan_outs(setting: Setting) -> Iterator[Row]:
    slow = [f"{setting.http}/wait/50/{number}" for number in range(20)]
    one_hangs = [*slow[:19], f"{setting.http}/hang"]
    yield Row(
        "one alert to 20 endpoints of 50 ms",
        "build an alert and send it to 20 HTTP endpoints that each answer after 50 ms, until all have answered; "
        "connections, where kept, are open",
        "ms",
        tuple(_run(who, "fan_out", urls=slow) for who in ("alert-core", "alert-infra", "apprise")),
        limit=62.5,
        of="value",
    )
    yield Row(
        "one of 20 hangs, deadline 1 s",
        "the same, but one endpoint never answers; this project's other 19 are checked to be delivered. apprise has no "
        "deadline: its default read timeout of 4 s ends it",
        "s",
        (_run("alert-core", "hang", urls=one_hangs, deadline=1.0), _run("apprise", "hang", urls=one_hangs)),
        limit=1.05,
        of="value",
    )


def _rates(setting: Setting) -> Iterator[Row]:
    seconds = setting.seconds()
    peers = ("alert-infra", "apprise", "notifiers", "bare client")
    for name, url, limit in (("HTTPS", setting.https, 60), ("HTTP", setting.http, 1.3)):
        ours = {"url": f"{url}/", "ca_bundle": setting.ca_bundle, "seconds": seconds}
        yield Row(
            f"alerts/s to one {name} endpoint",
            f"build alerts with ten metadata entries and post each as JSON to one {name} endpoint, until the last is "
            "answered. This project: bursts of 500 by enqueue(), one target with its default four workers; the peers, "
            "and `alert-core, send()`: one call after another. The bare client writes prepared bytes",
            "/s",
            (
                _run("alert-core", "post", **ours),
                _run("alert-core, send()", "post_send", **ours),
                *(_run(peer, "post", url=f"{url}/", seconds=seconds) for peer in peers),
            ),
            limit=limit,
            more_is_better=True,
        )
    port = {"port": setting.ports["smtp"], "seconds": seconds}
    yield Row(
        "mails/s to one SMTP server",
        "build alerts and mail each to one recipient, without TLS and login, until the last is accepted; this project "
        "in bursts of 500 by enqueue(), and by send(). notifiers keeps its connection, alert-infra opens one a mail; "
        "notifiers' mail has one part, the others' have a text and an HTML part",
        "/s",
        (
            _run("alert-core", "mail", **port),
            _run("alert-core, send()", "mail_send", **port),
            *(_run(peer, "mail", **port) for peer in ("alert-infra", "notifiers", "bare client")),
        ),
        limit=3,
        more_is_better=True,
        against=("notifiers",),
    )


def _computations(setting: Setting) -> Iterator[Row]:
    slow = [f"{setting.http}/wait/50/{number}" for number in range(4)]
    yield Row(
        "enqueue() into memory, p99",
        "enqueue alerts that are built already, in a burst, with every worker started, to four targets whose endpoints "
        "answer after 50 ms: how long the caller waits",
        "µs",
        (_run("alert-core", "enqueue", urls=slow, count=setting.count(4000)),),
        limit=100,
        of="value",
    )
    texts = {"build": "half of the values new in every alert", "build_again": "the same values in every alert"}
    for function, values in texts.items():
        yield Row(
            f"building and masking, 10-key metadata, {values}",
            f"make an Alert of ten metadata entries, {values}. alert-infra masks by key; this project also scans every "
            "value, title, message and tag",
            "µs",
            tuple(_run(who, function, count=setting.count(2000)) for who in ("alert-core", "alert-infra")),
            limit=1.0,
        )
    bodies = {
        "encode_slack": "five Slack webhooks' bodies; alert-infra's hold all metadata twice, this project's what fits",
        "encode_json": "five JSON bodies of the whole alert",
    }
    for function, body in bodies.items():
        yield Row(
            f"building, masking and encoding, 1,000 nodes: {body.partition(';')[0]}",
            f"make an Alert whose metadata has 1,001 nodes, and from it {body}",
            "µs",
            tuple(_run(who, function, count=setting.count(50)) for who in ("alert-core", "alert-infra")),
            limit=0.2,
        )
    yield Row(
        "scanning 100 KB of clean text",
        "look for secrets in 100,000 characters of log lines, traceback, prose and JSON that hold none, without a "
        "compiled extra. Beside it one plain pattern of eight kinds of secret",
        "MB/s",
        (_run("alert-core", "scan"), _run("plain re", "scan")),
        limit=12,
        of="value",
        more_is_better=True,
    )


def _imports() -> Iterator[Row]:
    modules = {"alert-core": "alert_core", "alert-infra": "alert_infra", "apprise": "apprise", "notifiers": "notifiers"}
    yield Row(
        "import",
        "import the package in a new interpreter: the time beyond the interpreter's own start",
        "ms",
        tuple(Run(who, "importing.py", "time", {"statement": f"import {name}"}) for who, name in modules.items()),
        limit=1.6,
        against=("alert-infra",),
    )
    target = (
        "from alert_core import Dispatcher; from alert_slack.transport import SlackTransport;"
        "Dispatcher([SlackTransport(webhook_url='https://localhost/')])"
    )
    ready = {
        "alert-core, one target": target,
        "apprise, one target": "import apprise; apprise.Apprise().add('jsons://localhost/')",
        "bare Python": "pass",
    }
    statements = {who: f"import {name}" for who, name in modules.items()} | ready
    yield Row(
        "memory after import",
        "resident memory of a new interpreter after the import, and after one target is made",
        "MB",
        tuple(Run(who, "importing.py", "memory", {"statement": text}) for who, text in statements.items()),
        limit=20,
        of="value",
    )


def _durable(setting: Setting) -> Iterator[Row]:
    def ours(who: str, function: str, **arguments: Any) -> Run:
        return Run(who, "run_alert_outbox.py", function, arguments)

    def peers(function: str, **arguments: Any) -> tuple[Run, ...]:
        runs = [Run(who, f"run_{who.replace('-', '_')}.py", function, arguments) for who in ("persist-queue", "huey")]
        if shutil.which("redis-server"):
            runs.append(Run("alert-infra, Celery and Redis", "run_alert_infra_celery.py", function, arguments))
        return tuple(runs)

    seconds = max(setting.seconds(), 0.5)
    one, eight = ({"seconds": seconds, "threads": threads} for threads in (1, 8))
    yield Row(
        "durable enqueue(), one thread",
        "enqueue alerts that are built already, each committed to SQLite with synchronous=FULL. The bare loop inserts "
        "and commits prepared rows into the same tables; persist-queue and huey commit a pickle to SQLite, "
        "synced too. Redis keeps alert-infra's in memory, as is its default",
        "/s",
        (
            ours("alert-core", "enqueue", **one),
            ours("bare loop", "bare", seconds=seconds),
            *peers("enqueue", seconds=seconds),
        ),
        limit=0.6,
        more_is_better=True,
        against=("bare loop",),
    )
    yield Row(
        "durable enqueue(), eight threads",
        "the same from eight threads, which share commits, beside one thread (goal: 2x where a commit takes 1 ms)",
        "/s",
        (ours("alert-core", "enqueue", **eight), ours("one thread", "enqueue", **one)),
        limit=1.5,
        more_is_better=True,
        against=("one thread",),
    )
    count = setting.count(1_000)
    yield Row(
        "durable queue, drain",
        "deliver what is stored through a target that does nothing, each end committed with its receipt, and told. "
        "persist-queue gets and acknowledges, huey takes out and executes (what it has taken out is "
        "lost if it ends), Celery's worker runs a task that does nothing",
        "/s",
        (ours("alert-core", "drain", count=count), *peers("drain", count=count)),
        limit=0.3,
        more_is_better=True,
        against=("persist-queue", "huey"),
    )


def _celery(setting: Setting) -> Iterator[Row]:
    if not shutil.which("redis-server"):
        return
    seconds = {"seconds": max(setting.seconds(), 1.0)}
    yield Row(
        "enqueue() through Celery and Redis",
        "build alerts with ten metadata entries and put each on a Redis server of its own as a Celery task, one after "
        "another, for one target; no worker runs",
        "/s",
        (
            Run("alert-core", "run_alert_celery.py", "enqueue", seconds),
            Run("alert-infra", "run_alert_infra_celery.py", "enqueue", seconds),
        ),
        limit=1,
        more_is_better=True,
        against=("alert-infra",),
    )
