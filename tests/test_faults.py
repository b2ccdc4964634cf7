"""Every transport that speaks to a network, through every fault of it: outcome, attempts, time, and no secret shown.

What is expected is delivery.md's table of outcomes. A transport is found by its installed plugin; how its provider
talks is told by its contract class (`plugins/*/tests/test_*contract*.py`), so a new one needs no line here.
"""

from __future__ import annotations

import http
import importlib.util
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest

from alert_core import Alert, DeliveryReport, Dispatcher, RetryPolicy
from alert_core.plugins import Plugins
from alert_core.report import Outcome
from alert_core.testing import CANARY, Fault, HttpStandIn, Reply, StandIn, TransportContract
from alert_core.testing.contract.secrets import every_log_line, holds_canary
from alert_core.testing.standin import HOST, refusing_port, silent_port

ROOT = Path(__file__).parents[1]
ATTEMPTS = 2
RETRY = RetryPolicy(attempts=ATTEMPTS, initial=0.01, maximum=0.05)
SHORT, LONG = 0.3, 15.0  # seconds: the timeout of an attempt whose fault hangs, and of any other
GRACE = 10.0  # seconds that a busy machine may add
METADATA_CANARY = "MetadataCanaryMustNeverLeak98765"
PERMANENT, RETRYABLE, UNCERTAIN = Outcome.PERMANENT, Outcome.RETRYABLE, Outcome.UNCERTAIN


@cache
def contracts() -> Mapping[str, type[TransportContract]]:
    """The contract class of each kind that opens connections."""
    found: dict[str, type[TransportContract]] = {}
    for path in sorted(ROOT.glob("plugins/*/tests/test_*contract*.py")):
        spec = importlib.util.spec_from_file_location(f"contract_of_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, TransportContract) and value is not TransportContract:
                found[value.kind] = value
    return found


@cache
def plugins() -> Plugins:
    """Every installed one, whatever the environment blocks."""
    return Plugins.discover({})


NETWORKED = {kind: contract for kind, contract in contracts().items() if contract.stand_in is not None}
HTTP = [kind for kind, contract in NETWORKED.items() if issubclass(contract.stand_in or StandIn, HttpStandIn)]
SMTP = [kind for kind in NETWORKED if kind not in HTTP]
EVERY_KIND = pytest.mark.parametrize("kind", NETWORKED)


class Case(NamedTuple):
    """A fault, and what a transport makes of it."""

    what: str
    fault: Fault | Reply
    outcome: Outcome
    or_else: Outcome | None = None
    """Where it depends on when the client's kernel hears of it."""
    received: bool = True
    """Whether the provider gets each attempt's request whole."""
    hangs: bool = False

    def reply(self, kind: str) -> Reply:
        """As the stand-in is told."""
        if isinstance(self.fault, Reply):
            return self.fault
        return attrs.evolve(NETWORKED[kind].replies.ok, fault=self.fault)


def echo(status: int, **headers: str) -> Case:
    """A bare status whose body says the credential back, as proxies do with the request that they refuse."""
    reply = Reply(status, json={"error": CANARY, "description": f"key {CANARY}"}).having(**headers)
    return Case(f"HTTP {status}", reply, http_outcome(status))


def http_outcome(status: int) -> Outcome:
    """The table of outcomes, by status."""
    if status in (408, 425, 429, 503):
        return RETRYABLE
    return UNCERTAIN if status >= 500 and status != 501 else PERMANENT


EVERYWHERE = [
    Case("hang after the request", Fault.HANG, UNCERTAIN, hangs=True),
    Case("reset after the request", Fault.RESET, UNCERTAIN),
    Case("head drips", Fault.DRIP_HEAD, UNCERTAIN, hangs=True),
    Case("answer cut", Fault.TRUNCATE, UNCERTAIN),
    Case("garbage", Fault.GARBAGE, UNCERTAIN),
]
OVER_HTTP = [
    Case("hang before the request", Fault.HANG_BEFORE, UNCERTAIN, received=False, hangs=True),
    Case("reset before the request", Fault.RESET_BEFORE, UNCERTAIN, or_else=RETRYABLE, received=False),
    Case("body drips", Fault.DRIP_BODY, UNCERTAIN, hangs=True),
    Case("body without end", Fault.ENDLESS, UNCERTAIN),
]
STATUSES = [
    *(echo(int(status)) for status in http.HTTPStatus if status >= 300),
    *(echo(status) for status in (419, 499, 520, 599)),
]
OVER_SMTP = [  # nothing counts before the final dot: until then it surely did not arrive
    Case("hang before the greeting", Fault.HANG_BEFORE, RETRYABLE, received=False, hangs=True),
    Case("reset before the greeting", Fault.RESET_BEFORE, RETRYABLE, received=False),
]
REPLY_CODES = {
    RETRYABLE: (421, 450, 451, 452, 454, 455),
    PERMANENT: (500, 501, 502, 503, 504, 521, 530, 535, 550, 551, 552, 553, 554, 555, 556),
    UNCERTAIN: (354,),
}
OVER_SMTP += [
    Case(f"SMTP {code}", Reply(code, text=CANARY), outcome) for outcome, codes in REPLY_CODES.items() for code in codes
]


def cases(kind: str) -> list[Case]:
    """Every fault of the network and of the protocol; the provider's own replies that have an outcome of their own."""
    replies = NETWORKED[kind].replies.others.items()
    own = [
        Case(name, reply, reply.outcome) for name, reply in replies if reply.outcome not in (None, Outcome.DELIVERED)
    ]
    return [*EVERYWHERE, *(OVER_HTTP + STATUSES if kind in HTTP else OVER_SMTP), *own]


def each(wanted: Callable[[Case], bool]) -> pytest.MarkDecorator:
    """Run a test with every case of every kind that is wanted."""
    rows = [(kind, case) for kind in NETWORKED for case in cases(kind) if wanted(case)]
    return pytest.mark.parametrize(("kind", "case"), rows, ids=[f"{kind}-{case.what}" for kind, case in rows])


EVERY_HTTP_KIND = pytest.mark.parametrize("kind", HTTP)


class Stage:
    """Sends one alert through a dispatcher to a provider that misbehaves, and looks for canaries everywhere."""

    def __init__(self, watch: Any, capfd: pytest.CaptureFixture[str]) -> None:
        self.watch, self.capfd = watch, capfd
        self.stack = ExitStack()
        self.seconds = 0.0

    def serve(self, kind: str, *replies: Reply, tls: ssl.SSLContext | None = None) -> StandIn:
        stand_in = NETWORKED[kind].stand_in
        assert stand_in is not None
        return self.stack.enter_context(stand_in(*replies, tls=tls))

    def enter(self, manager: AbstractContextManager[int]) -> int:
        return self.stack.enter_context(manager)

    def send(
        self,
        kind: str,
        port: int,
        *,
        host: str = HOST,
        ca_bundle: str | None = None,
        hangs: bool = False,
        retry: RetryPolicy = RETRY,
        deadline: float = 60.0,
    ) -> DeliveryReport:
        """One alert to this address; the report, once it has been searched."""
        contract = NETWORKED[kind]
        endpoint = contract().endpoint(host, port, ca_bundle)
        transport = plugins().transport_class(kind)(
            **{**contract.options, **endpoint, "timeout": SHORT if hangs else LONG}
        )
        alert = Alert("Disk full", "/var is at 98 %", metadata={"api_key": METADATA_CANARY, "host": "db1"})
        dispatcher = Dispatcher([transport], plugins=Plugins([self.watch]), retry=retry, deadline=deadline)
        with every_log_line() as lines, dispatcher:
            start = time.monotonic()
            report = dispatcher.send(alert)
            self.seconds = time.monotonic() - start
        errors = [d.error for d in report.deliveries if d.error is not None]
        assert self.watch.seen, "the observers heard nothing"
        self.search("the report", [json.dumps(report.to_dict()), repr(report)])
        self.search("an error's chain", map(self.watch.whole, errors))
        self.search("an observer's arguments", self.watch.seen)
        self.search("a log record", (f"{name}: {text}" for name, text in lines))
        self.search("what is printed", self.capfd.readouterr())
        self.search("the transport's repr", [repr(transport)])
        return report

    def search(self, where: str, texts: Iterable[str]) -> None:
        for text in texts:
            for canary in (CANARY, METADATA_CANARY):
                assert not holds_canary(text, canary), f"a secret shows in {where}"


@pytest.fixture
def stage(watch: Any, capfd: pytest.CaptureFixture[str]) -> Iterator[Stage]:
    made = Stage(watch, capfd)
    with made.stack:
        yield made


def stands(report: DeliveryReport) -> list[tuple[Outcome, int]]:
    return [(delivery.outcome, delivery.attempts) for delivery in report.deliveries]


def attempts(outcome: Outcome) -> int:
    return 1 if outcome is PERMANENT else ATTEMPTS


ELSEWHERE = {"django", "remote"}
"""Django's mail needs its settings, and has its faults in its own distribution; `remote` opens no connection."""


def test_every_installed_transport_that_opens_connections_is_run_through_the_faults() -> None:
    installed = plugins().transport_specs.keys() - Plugins().transport_specs.keys()  # but those of the core
    missing = sorted(installed - contracts().keys() - ELSEWHERE)
    assert not missing, (
        f"no contract class for {', '.join(missing)}: write a TransportContract with that kind in "
        "plugins/<distribution>/tests/test_<name>_contract.py; its options, endpoint() and stand_in are what this "
        "module runs the faults with"
    )
    assert {"slack", "slack-bot", "smtp"} <= NETWORKED.keys()


@each(lambda _: True)
def test_a_fault_has_its_outcome_its_attempts_and_its_bound_and_shows_no_secret(
    kind: str, case: Case, stage: Stage
) -> None:
    reply = case.reply(kind)
    server = stage.serve(kind, reply)
    report = stage.send(kind, server.port, hangs=case.hangs)
    tries = attempts(case.outcome)
    assert stands(report) in ([(case.outcome, tries)], [(case.or_else, tries)])
    assert len(server.received) == (tries * reply.requests if case.received else 0)
    assert stage.seconds < tries * SHORT * case.hangs + GRACE
    assert not any(METADATA_CANARY.encode() in request.body for request in server.received)


@each(lambda case: case.outcome is not PERMANENT)
def test_a_fault_that_passes_costs_one_attempt_more_and_the_same_message_arrives(
    kind: str, case: Case, stage: Stage
) -> None:
    server = stage.serve(kind, case.reply(kind), NETWORKED[kind].replies.ok)
    report = stage.send(kind, server.port, hangs=case.hangs)
    assert stands(report) == [(Outcome.DELIVERED, 2)]
    assert len({request.body for request in server.received}) == 1


@EVERY_KIND
def test_what_may_have_arrived_is_not_tried_again_where_the_policy_says_so(kind: str, stage: Stage) -> None:
    server = stage.serve(kind, attrs.evolve(NETWORKED[kind].replies.ok, fault=Fault.RESET))
    report = stage.send(kind, server.port, retry=attrs.evolve(RETRY, retry_uncertain=False))
    assert stands(report) == [(UNCERTAIN, 1)]
    assert len(server.received) == 1


@EVERY_KIND
def test_a_refused_connection_is_retryable(kind: str, stage: Stage) -> None:
    report = stage.send(kind, stage.enter(refusing_port()))
    assert stands(report) == [(RETRYABLE, ATTEMPTS)]


@EVERY_KIND
def test_a_name_that_does_not_resolve_is_retryable(
    kind: str, stage: Stage, authority: Callable[..., tuple[ssl.SSLContext, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    report = stage.send(kind, 9, host="nowhere.invalid", ca_bundle=authority("localhost", HOST)[1])
    assert stands(report) == [(RETRYABLE, ATTEMPTS)]


@EVERY_KIND
def test_a_connection_that_nobody_takes_is_retryable_within_its_time(kind: str, stage: Stage) -> None:
    report = stage.send(kind, stage.enter(silent_port()), hangs=True)
    assert stands(report) == [(RETRYABLE, ATTEMPTS)]
    assert stage.seconds < ATTEMPTS * SHORT + GRACE


@EVERY_KIND
def test_a_certificate_that_a_trusted_authority_signed_is_taken(
    kind: str, stage: Stage, authority: Callable[..., tuple[ssl.SSLContext, str]]
) -> None:
    context, bundle = authority("localhost", HOST)
    server = stage.serve(kind, NETWORKED[kind].replies.ok, tls=context)
    assert stands(stage.send(kind, server.port, ca_bundle=bundle)) == [(Outcome.DELIVERED, 1)]


@EVERY_KIND
@pytest.mark.parametrize("wrong", ["unknown authority", "another host", "expired"])
def test_a_certificate_that_does_not_verify_is_permanent_and_nothing_is_sent(
    kind: str, wrong: str, stage: Stage, authority: Callable[..., tuple[ssl.SSLContext, str]]
) -> None:
    names = [HOST] if wrong != "another host" else ["elsewhere.example"]
    context, bundle = authority(*names, expired=wrong == "expired")
    if wrong == "unknown authority":
        _, bundle = authority("elsewhere.example")
    server = stage.serve(kind, NETWORKED[kind].replies.ok, tls=context)
    assert stands(stage.send(kind, server.port, ca_bundle=bundle)) == [(PERMANENT, 1)]
    assert (server.connections, server.received) == (1, [])


@EVERY_KIND
@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.HANG_BEFORE])
def test_a_handshake_that_fails_is_retryable_since_nothing_was_sent(
    kind: str, fault: Fault, stage: Stage, authority: Callable[..., tuple[ssl.SSLContext, str]]
) -> None:
    context, bundle = authority("localhost", HOST)
    server = stage.serve(kind, Reply(fault=fault), tls=context)
    report = stage.send(kind, server.port, ca_bundle=bundle, hangs=fault is Fault.HANG_BEFORE)
    assert stands(report) == [(RETRYABLE, ATTEMPTS)]


@EVERY_HTTP_KIND
@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_a_redirect_is_permanent_and_not_followed(kind: str, status: int, stage: Stage) -> None:
    elsewhere = stage.serve(kind, NETWORKED[kind].replies.ok)
    location = f"http://{HOST}:{elsewhere.port}/{CANARY}"
    server = stage.serve(kind, Reply(status).having(location=location))
    assert stands(stage.send(kind, server.port)) == [(PERMANENT, 1)]
    assert (len(server.received), elsewhere.connections) == (1, 0)


def in_an_hour() -> str:
    return format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)


@EVERY_HTTP_KIND
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("form", "seconds"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("0", 0, id="zero"),
        pytest.param("120", 120, id="seconds"),
        pytest.param(in_an_hour, 3600, id="date"),
        pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", 0, id="past-date"),
        pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", 0, id="rfc850-date"),
        pytest.param("Sun Nov  6 08:49:37 1994", 0, id="asctime-date"),
        pytest.param("", None, id="empty"),
        pytest.param("-5", None, id="negative"),
        pytest.param("soon", None, id="word"),
        pytest.param("inf", None, id="infinite"),
        pytest.param("nan", None, id="no-number"),
        pytest.param("Sun, 99 Nov 1994 99:99:99 GMT", None, id="no-date"),
    ],
)
def test_each_form_of_retry_after_is_read_capped_and_retried(
    kind: str, status: int, form: str | Callable[[], str] | None, seconds: float | None, stage: Stage
) -> None:
    value = form() if callable(form) else form
    server = stage.serve(kind, Reply(status) if value is None else Reply(status).having(retry_after=value))
    report = stage.send(kind, server.port)
    assert stands(report) == [(RETRYABLE, ATTEMPTS)]
    assert stage.seconds < GRACE
    error = report.deliveries[0].error
    assert error is not None
    assert error.retry_after == (None if seconds is None else pytest.approx(seconds, abs=60 if seconds else 0))


@EVERY_HTTP_KIND
def test_a_retry_after_past_the_deadline_ends_the_delivery_at_once(kind: str, stage: Stage) -> None:
    server = stage.serve(kind, Reply(429).having(retry_after="90"))
    report = stage.send(kind, server.port, retry=RetryPolicy(attempts=3, maximum=600))
    assert stands(report) == [(RETRYABLE, 1)]
    assert stage.seconds < GRACE
