"""What is fuzzed: each entry that takes foreign input, with what must hold whatever comes."""

import email
import email.policy
import json
import logging
import os
import re
import runpy
import smtplib
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Final, NamedTuple
from unittest import mock
from urllib.parse import parse_qsl

import httpx
from click.testing import CliRunner
from hypothesis import strategies as st

from alert_core import (
    Alert,
    AlertValidationError,
    ConfigError,
    DeliveryError,
    Dispatcher,
    Receipt,
    Route,
    Secret,
    redact,
)
from alert_core.cli import main
from alert_core.config import load
from alert_core.environment import from_environment
from alert_core.errors import Fault
from alert_core.http import HttpResponse, retry_after, secure_url, user_agent
from alert_core.mail import Mailbox
from alert_core.plugins import Plugins
from alert_core.rate import Rate
from alert_core.redaction import Redactor, json_safe
from alert_core.testing import HttpStandIn, Received, TransportContract
from alert_core.text import escape_html, truncate, utf8_length, utf16_length
from alert_gateway.gateway import Gateway
from alert_gateway.messages import Request
from alert_slack.payload import message as slack_message
from alert_slack.transport import SlackTransport
from alert_smtp.connection import Connection
from alert_smtp.payload import address_header, build_message

CANARY: Final = "Canary/7f3a+9c21=e5"
TOKEN: Final = "ghp_" + "a1B2" * 9
WEBHOOK: Final = f"https://hooks.slack.example/services/T01/B02/{CANARY}"
SECRET: Final = Secret(CANARY)  # kept, and so known to masking as a literal
PLUGINS: Final = Plugins.discover({})
REDACTOR: Final = Redactor(extra_keys=["colour"])
CONTRACTS: Final[dict[str, type[TransportContract]]] = {  # every kind over HTTP is fuzzed, as its contract has it
    value.kind: value
    for path in sorted(Path(__file__).parents[2].glob("plugins/*/tests/test_*contract*.py"))
    for value in runpy.run_path(str(path)).values()
    if isinstance(value, type) and issubclass(value, TransportContract) and value is not TransportContract
    if value.stand_in is HttpStandIn and value.kind in PLUGINS.transport_specs
}
HTTP: Final[dict[str, Any]] = {
    kind: PLUGINS.transport_class(kind)(**contract.options) for kind, contract in CONTRACTS.items()
}
FOLDER: Final = tempfile.TemporaryDirectory(prefix="fuzz-")
QUIET: Final = '[targets.quiet]\ntype = "noop"\n'
ROUTES: Final = QUIET + '[[routes]]\nmatch = {%s}\ntargets = []\n[[routes]]\ntargets = ["quiet"]\n'


class Target(NamedTuple):
    """A name, the arguments to draw, and the check that takes them and fails by raising."""

    name: str
    arguments: st.SearchStrategy[tuple[Any, ...]]
    check: Callable[..., None]


TARGETS: Final[list[Target]] = []


def fuzzed(*arguments: st.SearchStrategy[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(check: Callable[..., None]) -> Callable[..., None]:
        TARGETS.append(Target(check.__name__, st.tuples(*arguments), check))
        return check

    return add


# Pieces that the parsers look for, so that random texts come near what they take.
PIECES: Final = """password api_key Authorization: Cookie session = : , ; & ? { } [ ] < > / @ :// bearer Basic -- -p
eyJhbGciOiJIUzI1NiJ9 hunter2 [REDACTED] [REDACTED:assignment] %3D % é İ 0 7 00 30/5m nan -1 1e999 inf critical >=error
re: re:a+ env:HOME env:SECRET file: ( ) + * | \\ ^ metadata.x metadata severity tags source targets match routes type
slack slack-bot smtp failover noop memory webhook_url redaction extra_keys deadline true null ok error ratelimited
xn-- .. ops@example.com 08:00 Africa/Luanda mon-fri 24:00 4h https://a.example/x http://localhost 2026-01-01T00:00:00Z
Fri,31-Dec-9999 250 250- 421 550-5.1.1 AUTH PLAIN SIZE &amp; …""".split()
PIECES_AND_SPACE: Final = [*PIECES, *" \n\t\0'\"", "\r\n", "\ud800", "\u200d", "👍🏽", "x" * 300]

texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(PIECES_AND_SPACE), max_size=16).map("".join))
odd = st.complex_numbers() | st.just(object) | st.uuids() | st.decimals() | st.datetimes() | st.dates() | st.times()
numbers = st.integers() | st.floats() | st.sampled_from([10**400, -(10**400), 1 << 63])
scalars = st.none() | st.booleans() | numbers | texts | st.binary(max_size=30) | odd
keys = st.sampled_from(PIECES) | texts | st.integers() | st.binary(max_size=4) | st.none()
values = st.recursive(
    scalars | st.sets(texts, max_size=3),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | inner.map(lambda value: (value, value))
        | inner.map(ValueError)
        | inner.map(lambda value: iter([value]))
    ),
    max_leaves=15,
)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A mapping with any of these keys, in most of which something fits."""
    return st.fixed_dictionaries({}, optional=fields)


alert_fields = st.fixed_dictionaries(
    {"title": texts, "message": texts},
    optional={
        "severity": st.sampled_from(["info", "CRITICAL", " error "]) | texts,
        "status": st.sampled_from(["firing", "acknowledged", "resolved"]),
        **dict.fromkeys(["source", "dedup_key", "id", "correlation_id", "request_id"], st.none() | texts),
        "tags": st.lists(texts, max_size=4) | st.sets(texts, max_size=3),
        "metadata": st.dictionaries(keys, values, max_size=4) | st.dictionaries(texts, texts, max_size=25),
        "url": st.none() | texts.map("https://h.example/{}".format),
        "created_at": st.datetimes(),
    },
)


def made(fields: Mapping[str, Any]) -> Alert | None:
    try:
        return Alert(**fields)
    except (AlertValidationError, TypeError):
        return None


def jsonable(fields: dict[str, Any]) -> Any:
    return fields if (found := made(fields)) is None else found.to_dict()


alerts = alert_fields.map(made).filter(bool)


def told(value: Any) -> str:
    """As JSON, which it must be, in UTF-8, without the canary."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert CANARY not in text
    return text


def expect_no(secret: str, said: str) -> None:
    assert len(secret) < 20 or secret not in said


def expect_error(error: DeliveryError) -> None:
    expect_no(CANARY, f"{error} {error.code} {error.__cause__} {error.__context__}")
    assert str(error).isprintable()
    assert error.retry_after is None or 0 <= error.retry_after < float("inf")


def expect_faults(faults: list[Fault]) -> None:
    for fault in faults:
        assert isinstance(fault, Fault)
        assert fault.message
        assert CANARY not in str(fault)


@fuzzed(texts, st.sampled_from([CANARY, TOKEN]), st.sampled_from([" ", "\n", "=", '"', "(", ",", "/", ">"]), texts)
def redact_text(before: str, secret: str, edge: str, after: str) -> None:
    for text in (before + after, before + edge + secret + edge + after):
        masked = redact(text)
        assert type(masked) is str
        assert secret not in masked
        assert redact(masked) == masked


@fuzzed(values, st.lists(keys, max_size=4))
def redact_value(value: Any, path: list[Any]) -> None:
    planted: Any = [value, CANARY]
    for step in path:
        planted = {step: planted}
    masked = redact(planted)
    told(masked)
    assert redact(masked) == masked


@fuzzed(
    alert_fields | st.dictionaries(st.sampled_from(["title", "message", "tags", "metadata", "url"]), values) | values
)
def alert_from_dict(given: Any) -> None:
    try:
        alert = Alert.from_dict(given)
    except (AlertValidationError, TypeError):
        return
    again = Alert.from_dict(json.loads(told(alert.to_dict())))
    assert again == alert
    repr(alert)


@fuzzed(alert_fields, st.dictionaries(st.sampled_from(list(Alert("a", "b").to_dict())), values), st.booleans())
def alert(given: dict[str, Any], hostile: dict[str, Any], masked: bool) -> None:
    found = made({**given, **hostile, "redact": masked})
    if found is not None:
        again = found.masked(REDACTOR)
        told(again.to_dict())
        assert again.masked(REDACTOR) is again
        json.dumps(found.to_dict(), allow_nan=False)


route_fields = some(
    targets=st.lists(st.sampled_from(["ops", "quiet"]) | texts, max_size=3) | plain,
    match=some(**{name: st.lists(texts, max_size=3) | plain for name in ("severity", "source", "tags", "metadata")})
    | st.dictionaries(
        texts | st.sampled_from(["status", "metadata.team"]), texts.map("re:{}".format) | plain, max_size=4
    )
    | plain,
    active=some(**dict.fromkeys(("days", "from", "to", "tz"), texts | plain)) | plain,
    mute=st.lists(some(**dict.fromkeys(("days", "from", "to", "tz"), texts)), max_size=2) | plain,
    digest=st.sampled_from(["08:00 Africa/Luanda", "24:00 UTC"]) | plain,
    **dict.fromkeys(["name", "repeat_every", "group_by", "group_wait", "group_interval"], plain),
)
CREDENTIALS: Final = "webhook_url token password api_key api_secret auth_token bot_token routing_key"
OPTIONS: Final = """channel chat_id host port from_email to_emails to sender account_sid region api_url timeout
retry rate targets"""
secret_options = dict.fromkeys(CREDENTIALS.split(), st.sampled_from([WEBHOOK, CANARY, "env:SECRET"]))
target_fields = some(
    type=st.sampled_from([*sorted(PLUGINS.transport_specs), "failover"]) | plain,
    **secret_options,
    **dict.fromkeys(
        [
            "channel",
            "chat_id",
            "host",
            "port",
            "from_email",
            "to_emails",
            "to",
            "sender",
            "account_sid",
            "region",
            "api_url",
            "timeout",
            "retry",
            "rate",
            "targets",
        ],
        plain,
    ),
)
documents = some(
    targets=st.dictionaries(st.sampled_from(["ops", "quiet"]) | keys, target_fields | values, max_size=3) | values,
    routes=st.lists(route_fields | values, max_size=3) | values,
    redaction=some(**dict.fromkeys(["extra_keys", "safe_keys", "extra_detectors", "disabled_rules", "limits"], plain)),
    queue=some(type=st.sampled_from(["memory", "outbox"]) | plain) | values,
    **dict.fromkeys(["deadline", "retry", "defaults"], plain | values),
)


@fuzzed(documents | st.dictionaries(keys, values, max_size=4) | values)
def config_mapping(document: Any) -> None:
    if not isinstance(document, str):  # a path
        expect_faults(load(document, PLUGINS, {"SECRET": CANARY})[1])


@fuzzed(
    st.lists(st.sampled_from([*PIECES_AND_SPACE, "[[routes]]\n", "[targets.a]\n", "=", "=", "\n"])).map("".join) | texts
)
def config_toml(text: str) -> None:
    path = Path(FOLDER.name) / "fuzzed.toml"
    path.write_text(text, errors="surrogatepass")
    expect_faults(load(path, PLUGINS, {"SECRET": CANARY})[1])


VARIABLES: Final = {
    option.env: option
    for spec in PLUGINS.transport_specs
    for option in PLUGINS.transport_class(spec).options()
    if option.env
}


@fuzzed(
    st.fixed_dictionaries(
        {}, optional={name: st.just(WEBHOOK) if option.secret else texts for name, option in VARIABLES.items()}
    )
)
def config_environment(environ: dict[str, str]) -> None:
    expect_faults(from_environment(environ, PLUGINS)[1])


@fuzzed(route_fields, alerts)
def route(fields: dict[str, Any], found: Alert) -> None:
    try:
        compiled = Route(**{"targets": (), **fields})
    except ConfigError as error:
        expect_faults(list(error.faults))
        return
    assert isinstance(compiled.matches(found), bool)
    assert compiled.explain(found)


@fuzzed(texts | st.from_regex(r"\d+ ?/ ?\d*[smh]"))
def rate(text: str) -> None:
    try:
        parsed = Rate.parse(text)
    except ValueError:
        return
    assert parsed.count > 0
    assert parsed.seconds > 0


header_values = st.binary(max_size=40) | texts.map(lambda text: text.encode("utf-8", "replace"))
dates = st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT").encode())
bodies = st.one_of(
    st.binary(max_size=60),
    texts.map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from([b"ok", b"no_service", b"[" * 100_000, WEBHOOK.encode(), b"9" * 5000]),
    (some(ok=plain, error=texts | st.just(WEBHOOK), ts=plain, channel=plain, retry_after=plain) | plain).map(
        lambda body: json.dumps(body).encode()
    ),
)


@fuzzed(st.integers(100, 599), header_values | dates, bodies, st.sampled_from(sorted(HTTP)))
def http_answer(status: int, header: bytes, body: bytes, kind: str) -> None:
    response = HttpResponse(status, [(b"Retry-After", header)], body)
    wait = retry_after(response.headers)
    assert wait is None or 0 <= wait < float("inf")
    try:
        assert isinstance(HTTP[kind].receive(response), Receipt)
    except DeliveryError as error:
        expect_error(error)


@fuzzed(alerts, st.booleans(), st.sampled_from(sorted(HTTP)))
def http_request(found: Alert, masked: bool, kind: str) -> None:
    transport, given = HTTP[kind], found if masked else found.evolve(redact=False)
    to = transport.recipients_option
    arguments = [given, getattr(transport, to)[0]] if to else [given]
    request = transport.build_request(*arguments)
    assert request == transport.build_request(*arguments)
    body = request.content.decode()
    if "json" in request.headers["Content-Type"]:
        assert isinstance(json.loads(body), dict)
    else:
        assert parse_qsl(body, strict_parsing=True)
    wire = httpx.Request(
        request.method,
        request.url,
        headers={"User-Agent": user_agent()} | dict(request.headers),
        content=request.content,
    )
    assert not re.search(r"[\r\n]", "".join(wire.headers.values()))
    CONTRACTS[kind]().check_request(
        Received(method="POST", path=wire.url.raw_path.decode(), headers=wire.headers, body=request.content), given
    )


@fuzzed(alerts, st.booleans())
def slack_payload(found: Alert, masked: bool) -> None:
    body = slack_message(found if masked else found.evolve(redact=False))
    json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
    assert utf16_length(body["text"]) <= 4000
    assert 0 < len(body["blocks"]) <= 50
    for block in body["blocks"]:
        limit = 150 if block["type"] == "header" else 3000
        assert len(block.get("fields", [])) <= 10
        several = block.get("fields") or block.get("elements")
        for part in several or [block["text"]]:
            assert 0 < utf16_length(part["text"]) <= (2000 if several else limit)


@fuzzed(alerts, st.booleans(), st.booleans(), texts)
def smtp_payload(found: Alert, masked: bool, utf8: bool, name: str) -> None:
    try:
        sender = Mailbox.parse(f"{name} <ops@example.com>")
    except ValueError:
        sender = Mailbox.parse("ops@example.com")
    given = found if masked else found.evolve(redact=False)
    made = build_message(given, target="mail", sender=sender, recipients=[sender], smtputf8=utf8)
    assert all(len(line) <= 998 and not re.search(rb"[\r\n]", line) for line in made.content.split(b"\r\n"))
    parsed = email.message_from_bytes(made.content, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    assert parsed["Message-ID"] == made.id
    assert str(parsed["From"].addresses[0].addr_spec) == "ops@example.com"
    for part in parsed.walk():
        assert not part.defects
        if part.get_content_maintype() == "text":
            assert part.get_content().strip()


@fuzzed(texts)
def smtp_mailbox(text: str) -> None:
    try:
        mailbox = Mailbox.parse(text)
    except ValueError:
        return
    assert not re.search(r"[\x00-\x1f\x7f]", address_header(mailbox).replace("\r\n ", ""))


replies = st.lists(
    st.sampled_from([b"250", b"250-", b"550-5.1.1 ", b"421 ", b"\r\n", b"\n", b"AUTH PLAIN", b"SIZE 9", b"=", b"\xff"])
    | st.binary(max_size=8),
    max_size=12,
).map(b"".join)


@fuzzed(replies, st.booleans())
def smtp_reply(octets: bytes, greets: bool) -> None:
    mine, theirs = socket.socketpair()
    with mine, theirs:
        theirs.sendall(octets)
        theirs.shutdown(socket.SHUT_WR)
        connection = Connection.__new__(Connection)
        smtplib.SMTP.__init__(connection, local_hostname="localhost")
        vars(connection).update(sock=mine, _ends=time.monotonic() + 60, _received=b"")
        try:
            if greets:
                connection.greet()
                connection.log_in("ops", CANARY)
            while True:
                code, text = connection.getreply()
                assert -1 <= code <= 999
                connection.expect("RCPT", 250, (code, text))
        except DeliveryError as error:
            expect_error(error)
        except OSError:
            pass  # the lane's: closed, or no time left


@fuzzed(texts | texts.map("https://{}".format) | texts.map("http://[{}".format))
def url(text: str) -> None:
    try:
        secure_url(None, None, text)
    except ValueError as error:
        expect_no(text, str(error))
        return
    transport = SlackTransport(webhook_url=Secret(text))
    assert isinstance(transport.is_loopback(), bool)
    assert transport.build_request(Alert("a", "b")).url == text


@fuzzed(
    texts, st.integers(0, 60), st.sampled_from([len, utf16_length, utf8_length]), st.sampled_from([None, escape_html])
)
def truncated(text: str, limit: int, measure: Callable[[str], int], render: Callable[[str], str] | None) -> None:
    cut = truncate(text, limit, measure=measure, render=render)
    assert measure(render(cut) if render else cut) <= limit
    assert text.startswith(cut.removesuffix("…"))


@fuzzed(texts, st.booleans(), st.sampled_from([CANARY, TOKEN]))
def cli_redact(text: str, as_json: bool, secret: str) -> None:
    alertctl(QUIET, f"{text} {secret} {text}", ["redact", *(["--json"] if as_json else [])], secret)


@fuzzed(
    alert_fields.map(jsonable) | plain, texts | st.sampled_from(['severity = ">=error"', 'tags = ["a"]']), st.booleans()
)
def cli_route_explain(given: Any, match: str, as_json: bool) -> None:
    text = given if isinstance(given, str) else json.dumps(json_safe(given))
    alertctl(ROUTES % match, text, ["route", "explain", *(["--json"] if as_json else [])], CANARY)


logging.getLogger("alert_gateway").setLevel(logging.CRITICAL)  # it has a line for each refusal
GATEWAY: Final = Gateway(
    Dispatcher.from_config(
        {
            "targets": {"quiet": {"type": "noop"}},
            "sources": {name: {"secret": CANARY} for name in ("github", "sentry")},
            "heartbeats": {"job": {"every": 60}},
            "gateway": {"state": ":memory:"},
        },
        plugins=PLUGINS,
    )
)
paths = (
    st.sampled_from([spec.name for spec in PLUGINS.sources]).map("/alerts/{}".format)
    | st.sampled_from(["/alerts", "/heartbeat/job", "/metrics", "/readyz", "/api/overview", "/api/alerts", "/"])
    | texts.map("/{}".format)
)
header_names = st.sampled_from(
    """content-type content-encoding authorization x-api-key host origin x-github-delivery x-hub-signature-256
    request-id sentry-hook-signature sentry-hook-resource x-grafana-alerting-signature x-amz-sns-message-type
    cookie""".split()
)
header_texts = texts | st.sampled_from(["gzip", "deflate", "application/x-www-form-urlencoded", "application/json"])
requests = st.builds(
    Request,
    method=st.sampled_from(["POST", "POST", "GET", "PUT", "HEAD"]) | texts,
    path=paths,
    query=st.dictionaries(st.sampled_from(["token", "wait", "limit", "since"]) | texts, texts, max_size=3),
    headers=st.dictionaries(header_names, header_texts, max_size=4),
    body=bodies | plain.map(lambda body: json.dumps(body).encode()),
    peer=st.none() | st.just("127.0.0.1") | texts,
)


@fuzzed(requests)
def gateway_request(request: Request) -> None:
    response = GATEWAY.handle(request)
    assert 200 <= response.status < 500
    assert CANARY not in response.body.decode("utf-8", "replace")
    assert not re.search(r"[\r\n]", "".join(response.headers.values()))


def alertctl(configuration: str, text: str, arguments: list[str], secret: str) -> None:
    """Run it on a file, under a configuration; it ends with a status of its own, and without a traceback."""
    config, file = (Path(FOLDER.name) / name for name in ("alerts.toml", "input"))
    config.write_text(configuration, errors="surrogatepass")
    file.write_text(text, errors="surrogatepass")
    with mock.patch.dict(os.environ, {"ALERT_CONFIG": str(config)}), CliRunner().isolation() as (out, err, _):
        try:
            main([*arguments, str(file)])
        except SystemExit as ended:
            status = ended.code
        sys.stdout.flush()
    shown = (out.getvalue() + err.getvalue()).decode()
    assert status in {0, 1, 2}
    assert "Traceback" not in shown
    assert not re.search(r"^Error: \w+(Error|Exception)\b", shown, re.MULTILINE)  # nothing unexpected, told in one line
    assert secret not in shown
