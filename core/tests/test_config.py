"""alerts.toml and mappings of its form: what is read, every fault with its path, and no secret anywhere."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alert_core
from alert_core import (
    Alert,
    ConfigError,
    Dispatcher,
    PluginError,
    QueueSpec,
    Receipt,
    RetryPolicy,
    Route,
    Secret,
    Severity,
    TableSpec,
    Transport,
    TransportSpec,
    option,
)
from alert_core.config import Config, FailoverConfig, failover_faults, load, raise_faults
from alert_core.errors import Fault
from alert_core.plugins import Plugins

CANARY = "canary-7c1f0a93e5"


def _no_blank(_: object, __: object, value: str) -> None:
    if " " in value:
        raise ValueError("must have no blank in it")


class Pager(Transport):
    """A transport with an option of every sort."""

    kind = "pager"
    token: Secret = option()
    room: str = option(validator=_no_blank)
    to: tuple[str, ...] = option(default=())
    loud: bool = option(default=False)

    def send(self, alert: Alert) -> Receipt:
        return Receipt(id=alert.id)


class Broken(Transport):
    """Raises its option when it is made."""

    kind = "broken"
    token: Secret = option()

    def check(self) -> list[Fault]:
        raise RuntimeError(self.token.reveal())


class Store:
    """A queue that keeps state."""

    keeps_state = True

    def __init__(self, path: str = "alerts.db") -> None:
        self.path = path


@attrs.frozen
class Gateway:
    """A table that a plugin owns."""

    token: Secret
    port: int = 8000


PLUGINS = Plugins(
    [
        TransportSpec("pager", Pager),
        TransportSpec("broken", Broken),
        TransportSpec("lost", "no_such_module_anywhere:Transport"),
        QueueSpec("store", Store),
        TableSpec("gateway", Gateway),
        TableSpec("sources", dict[str, Gateway]),
    ]
)
ONE = {"type": "pager", "token": CANARY, "room": "ops"}


def read(source: Any, environ: Mapping[str, str] | None = None) -> Config:
    config, faults = load(source, PLUGINS, environ or {})
    assert faults == []
    return config


def faults_of(source: Any, environ: Mapping[str, str] | None = None) -> list[str]:
    _, faults = load(source, PLUGINS, environ or {})
    return [str(fault) for fault in faults]


def test_a_file_is_read_into_targets_routes_and_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_text(
        f"""
        deadline = 5
        retry = {{ attempts = 2 }}
        [defaults]
        source = "billing"
        severity = "Warning"
        tags = ["eu"]
        metadata = {{ team = "payments" }}
        [targets.ops]
        type = "pager"
        token = "{CANARY}"
        room = "ops"
        to = ["+244923000000"]
        timeout = 2
        retry = {{ retry_uncertain = false }}
        min_severity = "error"
        [targets.all]
        type = "failover"
        targets = ["ops", "quiet"]
        [targets.quiet]
        type = "noop"
        [[routes]]
        match = {{ severity = ">=critical", metadata.team = "payments" }}
        targets = ["all"]
        continue = true
        [[routes]]
        name = "rest"
        targets = []
        [redaction]
        extra_keys = ["iban"]
        [gateway]
        token = "{CANARY}"
        [sources.grafana]
        token = "{CANARY}"
        port = 1
        """
    )
    config = read(path)
    ops = config.targets["ops"]
    assert isinstance(ops, Pager)
    assert (ops.name, ops.token, ops.to, ops.timeout) == ("ops", Secret(CANARY), ("+244923000000",), 2.0)
    assert ops.retry == RetryPolicy(retry_uncertain=False)
    assert ops.min_severity is Severity.ERROR
    assert config.targets["all"] == FailoverConfig("all", ("ops", "quiet"))
    assert list(config.targets) == ["ops", "all", "quiet"]
    assert [route.name for route in config.routes] == ["route-1", "rest"]
    assert config.routes[0].continue_
    assert config.routes[1].is_catch_all
    assert (config.deadline, config.retry) == (5.0, RetryPolicy(attempts=2))
    assert config.defaults == {
        "source": "billing",
        "severity": Severity.WARNING,
        "tags": ("eu",),
        "metadata": {"team": "payments"},
    }
    assert config.redactor.redact({"iban": "DE02120300000000202051"}) == {"iban": "[REDACTED]"}
    assert config.tables == {"gateway": Gateway(Secret(CANARY)), "sources": {"grafana": Gateway(Secret(CANARY), 1)}}


def test_a_mapping_may_hold_values_of_the_right_types_already() -> None:
    config = read(
        {
            "retry": RetryPolicy(attempts=2),
            "targets": {"ops": {**ONE, "token": Secret(CANARY), "to": ("a",), "retry": RetryPolicy(attempts=7)}},
            "routes": (Route(["ops"]),),
        }
    )
    ops = config.targets["ops"]
    assert isinstance(ops, Pager)
    assert (ops.to, ops.retry) == (("a",), RetryPolicy(attempts=7))
    assert config.retry.attempts == 2


def test_an_empty_configuration_is_one_of_defaults() -> None:
    assert read({}) == Config()


def test_a_reference_is_resolved_first_and_read_as_the_options_type(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY + "\n")
    environ = {"TO": "+1, +2", "LOUD": "yes", "LIMIT": "7.5", "KIND": "pager", "TRIES": "4", "ROOM": "ops"}
    config = read(
        {
            "targets": {
                "ops": {
                    "type": "env:KIND",
                    "token": f"file:{tmp_path}/token",
                    "room": "env:ROOM",
                    "to": "env:TO",
                    "loud": "env:LOUD",
                    "timeout": "env:LIMIT",
                    "retry": {"attempts": "env:TRIES"},
                }
            },
            "defaults": {"tags": ["env:ROOM", "x"], "source": "env::ROOM", "metadata": {"a": ["file::x"]}},
            "routes": [{"targets": ["ops"], "match": {"source": "env:ROOM"}}, {"targets": []}],
        },
        environ,
    )
    ops = config.targets["ops"]
    assert isinstance(ops, Pager)
    assert (ops.token, ops.room, ops.to, ops.loud, ops.timeout) == (Secret(CANARY), "ops", ("+1", "+2"), True, 7.5)
    assert ops.retry == RetryPolicy(attempts=4)
    assert config.defaults == {"tags": ("ops", "x"), "source": "env:ROOM", "metadata": {"a": ["file:x"]}}
    assert config.routes[0].matches(Alert("a", "b", source="ops"))


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("env:NOT_SET", "the environment variable NOT_SET is not set, or is empty"),
        ("env:EMPTY", "the environment variable EMPTY is not set, or is empty"),
        ("env:", 'the environment variable "" is not set, or is empty'),
        ("file:missing", "the file missing cannot be read: No such file or directory"),
        ("file:.", 'the file "." cannot be read: Is a directory'),
        ("file:", 'the file "" cannot be read: Is a directory'),
        ("file:a\0b", 'the file "a b" cannot be read: not a path'),
        ("file:empty", "the file empty is empty"),
        ("file:binary", "the file binary is not UTF-8 at byte 0"),
        ("file:long", "the file long is longer than 65536 bytes"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_fault(
    reference: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").write_text("\n")
    Path("binary").write_bytes(b"\xff\xfe")
    Path("long").write_text("x" * 65_537)
    assert faults_of({"targets": {"ops": {**ONE, "token": reference}}}, {"EMPTY": ""}) == [
        f"targets.ops.token: {message}"
    ]


ONLY_TARGET = {"targets": {"ops": ONE}}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"deadlin": 1}, ['deadlin: unknown option; did you mean "deadline"?']),
        ({"deadline": "10"}, ["deadline: must be a finite number, not a text"]),
        ({"deadline": 0}, ["deadline: must be more than 0"]),
        ({"deadline": True}, ["deadline: must be a finite number, not true or false"]),
        ({"retry": {"attempts": 0}}, ["retry.attempts: must be more than 0"]),
        ({"retry": 3}, ["retry: must be a table, not an integer"]),
        ({"pager": {}}, ['pager: unknown key; a target of this kind is [targets.pager] with type = "pager"']),
        ({"heartbeats": {}}, ["heartbeats: no plugin provides this table; try: pip install alert-gateway"]),
        ({5: 1}, ["<int>: unknown option; there are: deadline, retry, defaults, targets, routes, queue, redaction,"]),
        ({"defaults": []}, ["defaults: must be a table"]),
        ({"defaults": {"titel": "x"}}, ["defaults.titel: unknown option; there are: source,"]),
        ({"defaults": {"severity": "high"}}, ["defaults.severity: must be one of info, warning, error, critical"]),
        ({"defaults": {"tags": "eu"}}, ["defaults.tags: must be a list, not a text"]),
        ({"defaults": {"url": "ftp://x"}}, ["defaults.url: must begin with http:// or https://"]),
        ({"targets": []}, ["targets: must be a table of tables: [targets.NAME]"]),
        ({"targets": {"ops": "slack"}}, ["targets.ops: must be a table"]),
        ({"targets": {"": ONE}}, ['targets."": a target\'s name must be a text']),
        ({"targets": {5: ONE}}, ["targets.<int>: a target's name must be a text"]),
        ({"targets": {"ops": {}}}, ["targets.ops.type: required option missing"]),
        (
            {"targets": {"ops": {"typ": "console"}}},
            ["targets.ops.type: required option missing", 'targets.ops.typ: unknown option; did you mean "type"?'],
        ),
        ({"targets": {"ops": {"type": 5}}}, ["targets.ops.type: must be a text"]),
        (
            {"targets": {"ops": {"type": "pagr"}}},
            ['targets.ops.type: no plugin provides "pagr"; did you mean "pager"?'],
        ),
        ({"targets": {"ops": {"type": "lost"}}}, ["targets.ops.type: plugin 'lost' is broken: ModuleNotFoundError"]),
        (
            {"targets": {"ops": {"type": "telegram"}}},
            ['targets.ops.type: no plugin provides "telegram"; try: pip install alert-telegram'],
        ),
        (
            {"targets": {"ops": {"type": "pager"}}},
            ["targets.ops.token: required option missing", "targets.ops.room: required option missing"],
        ),
        ({"targets": {"ops": {**ONE, "rom": 1}}}, ['targets.ops.rom: unknown option; did you mean "room"?']),
        ({"targets": {"ops": {**ONE, "name": "x"}}}, ["targets.ops.name: unknown option"]),
        ({"targets": {"ops": {**ONE, "to": "+244923000000"}}}, ["targets.ops.to: must be a list, not a text"]),
        ({"targets": {"ops": {**ONE, "loud": "false"}}}, ["targets.ops.loud: must be true or false, not a text"]),
        ({"targets": {"ops": {**ONE, "rate": "often"}}}, ["targets.ops.rate: a rate is a count and a time"]),
        ({"targets": {"ops": {**ONE, "timeout": 0}}}, ["targets.ops.timeout: must be more than 0"]),
        (
            {"targets": {"ops": {**ONE, "retry": {"atempts": 1, "initial": -1}}}},
            [
                "targets.ops.retry.initial: must be more than 0",
                'targets.ops.retry.atempts: unknown option; did you mean "attempts"?',
            ],
        ),
        (
            {"targets": {"ops": {**ONE, "timeout": "4", "room": "a b"}}},
            ["targets.ops.timeout: must be a finite", "targets.ops.room: must have no blank in it"],
        ),
        ({"targets": {"ops": {"type": "broken", "token": CANARY}}}, ["targets.ops: cannot be made (RuntimeError)"]),
        ({"targets": {"a": {"type": "failover"}}}, ["targets.a.targets: required option missing"]),
        (
            {"targets": {"a": {"type": "failover", "targets": []}}},
            ["targets.a.targets: a failover needs at least one target"],
        ),
        (
            {"targets": {"a": {"type": "failover", "targets": ["op"], "timeout": 1}, "ops": ONE}},
            ["targets.a.timeout: unknown option; there are: targets, retry, min_severity"],
        ),
        (
            {"targets": {"a": {"type": "failover", "targets": ["op"]}, "ops": ONE}},
            ['targets.a.targets[0]: no target is called "op"; did you mean "ops"?'],
        ),
        (
            {"targets": {"a": {"type": "failover", "targets": ["a"]}}},
            ["targets.a.targets: leads back to itself: a → a"],
        ),
        ({**ONLY_TARGET, "routes": {"name": "x"}}, ["routes: must be an array of tables: [[routes]]"]),
        ({**ONLY_TARGET, "routes": ["ops"]}, ["routes[0]: must be a table"]),
        ({**ONLY_TARGET, "routes": [{}]}, ["routes[0].targets: required option missing"]),
        ({**ONLY_TARGET, "routes": [{"targets": "ops"}]}, ["routes[0].targets: must be a list, not a text"]),
        (
            {**ONLY_TARGET, "routes": [{"targets": ["op"], "match": {"tag": "x"}}, {"targets": ["op"], "continu": 1}]},
            [
                'routes[0].match.tag: unknown field; did you mean "tags"?',
                'routes[1].continu: unknown option; did you mean "continue"?',
                'routes[0].targets[0]: no target is called "op"; did you mean "ops"?',
                'routes[1].targets[0]: no target is called "op"; did you mean "ops"?',
            ],
        ),
        (
            {**ONLY_TARGET, "routes": [{"targets": ["op"], "match": {"source": "x"}}]},
            [
                'routes[0].targets[0]: no target is called "op"; did you mean "ops"?',
                "routes: the last route must match every alert",
            ],
        ),
        (
            {**ONLY_TARGET, "routes": [{"targets": [], "digest": "08:00 UTC"}]},
            ["routes[0].digest: needs a queue that keeps state: [queue]"],
        ),
        (
            {**ONLY_TARGET, "routes": [{"targets": []}], "queue": {"type": "store"}},
            ["routes[0].name: required option missing"],
        ),
        ({"queue": {}}, ["queue.type: required option missing"]),
        ({"queue": 5}, ["queue: must be a table"]),
        ({"queue": {"type": "memory", "path": "x"}}, ["queue.path: unknown option; there are: none"]),
        (
            {"queue": {"type": "outbox"}, "routes": [{"name": "a", "targets": [], "repeat_every": "4h"}]},
            ['queue.type: no plugin provides "outbox"; try: pip install alert-outbox'],
        ),
        ({"queue": {"type": "store", "pth": "x"}}, ['queue.pth: unknown option; did you mean "path"?']),
        ({"redaction": {"extra_key": ["iban"]}}, ['redaction.extra_key: unknown option; did you mean "extra_keys"?']),
        ({"redaction": {"extra_keys": "iban"}}, ["redaction.extra_keys: must be a list, not a text"]),
        (
            {"redaction": {"disabled_rules": ["x"], "extra_detectors": {"a": "("}}},
            ["redaction.disabled_rules[0]: ", "redaction.extra_detectors.a: "],
        ),
        ({"gateway": {"port": "x"}}, ["gateway.token: required option missing", "gateway.port: must be an integer"]),
        ({"sources": {"x": {"token": 5}}}, ["sources.x.token: must be a text, not an integer"]),
    ],
)
def test_a_fault_has_its_path_and_says_what_to_do(source: Any, expected: list[str]) -> None:
    found = faults_of(source)
    assert len(found) == len(expected), found
    for said, start in zip(found, expected, strict=True):
        assert said.startswith(start)


def test_every_field_with_a_default_is_taken() -> None:
    defaults = {"source": "a", "tags": ("b",), "url": "https://c", "request_id": "d", "metadata": {"e": 1}}
    assert read({"defaults": {**defaults, "severity": "info"}}).defaults == {**defaults, "severity": Severity.INFO}


def test_a_byte_order_mark_before_the_file_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "alerts.toml"
    path.write_bytes(b"\xef\xbb\xbfdeadline = 5")
    config, faults = load(path, PLUGINS, {})
    assert (config.deadline, faults) == (5, [])


def test_every_fault_of_a_configuration_is_told_at_once() -> None:
    found = faults_of(
        {
            "deadline": -1,
            "targets": {"ops": {"type": "pager", "tokn": CANARY}, "x": {"type": "nothing"}},
            "routes": [{"targets": ["ops", "y"], "match": {"severity": "high"}}],
            "queue": {"type": "nothing"},
            "redaction": 5,
        }
    )
    assert [one.partition(":")[0] for one in found] == [
        "deadline",
        "targets.ops.tokn",
        "targets.ops.token",
        "targets.ops.room",
        "targets.x.type",
        "queue.type",
        "routes[0].match.severity",
        "routes[0].targets[1]",
        "redaction",
    ]


def test_a_queue_is_made_of_its_options() -> None:
    queue = read({"queue": {"type": "store", "path": "env:P"}, "routes": []}, {"P": "x.db"}).queue
    assert isinstance(queue, Store)
    assert (queue.path, type(queue.path)) == ("x.db", str)
    assert read({"queue": {"type": "memory"}}).queue is None


def test_a_reference_that_leads_nowhere_is_one_fault_and_nothing_is_made_of_it() -> None:
    assert faults_of({"queue": {"type": "store", "path": "env:P"}, "deadline": "env:D"}) == [
        "queue.path: the environment variable P is not set, or is empty",
        "deadline: the environment variable D is not set, or is empty",
    ]
    assert faults_of({"targets": {"ops": {**ONE, "to": ["env:P", 5]}}}) == [
        "targets.ops.to[0]: the environment variable P is not set, or is empty",
        "targets.ops.to[1]: must be a text, not an integer",
    ]


def test_the_failovers_among_targets_of_python_are_checked_alike() -> None:
    faults = failover_faults({"a": FailoverConfig("a", ["b"]), "b": FailoverConfig("b", ["a", "c"])})
    assert [fault.path for fault in faults] == ["targets.a.targets", "targets.b.targets[1]", "targets.b.targets"]
    with pytest.raises(ConfigError, match="list of names"):
        FailoverConfig("a", "resend")


def test_a_failover_that_leads_into_a_cycle_is_not_in_it() -> None:
    targets = {"a": FailoverConfig("a", ["b"]), "b": FailoverConfig("b", ["b", "c"]), "c": object()}
    assert [fault.path for fault in failover_faults(targets)] == ["targets.b.targets"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a = ", "is not TOML at end of document"),
        (b"a = 1\nb c = 2\n", "is not TOML at line 2, column 3: expected '='"),
        (f'[a]\nx = "{CANARY}'.encode(), "is not TOML at end of document: unterminated string"),
        (f'[a]\nx = "{CANARY}\n'.encode(), "is not TOML at line 2, column 23: a text without its closing quote"),
        (f"[a]\nx = '{CANARY}\n".encode(), "is not TOML at end of document: a text without its closing quote"),
        (f"x = {CANARY}".encode(), "is not TOML at line 1, column 5: not a value; a text is written in quotes"),
        (b"[routes]\na = 1\n[routes]", "is not TOML at line 3, column 8: a table is declared twice: give one of them"),
        (f"[a]\n{CANARY} = 1\n{CANARY} = 1".encode(), "is not TOML at"),
        (f"[{CANARY}]\n[{CANARY}]".encode(), "is not TOML at"),
        (b"a = '\xff'", "is not UTF-8 at byte 5"),
        (b"a = " + b"[" * 100_000, ""),
        (b"a = 1" + b"0" * 5_000, ""),
        (b"# " + b"x" * (4 << 20), "is longer than 4194304 bytes"),
    ],
)
def test_a_file_that_is_no_toml_is_a_fault_with_its_place_and_nothing_of_it(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "alerts.toml"
    path.write_bytes(content)
    _, (fault,) = load(path, PLUGINS, {})
    assert fault.path == str(path)
    assert fault.message.startswith(message)
    assert CANARY not in fault.message


@pytest.mark.parametrize("path", ["missing.toml", ".", "a\0b", ""])
def test_a_file_that_cannot_be_read_is_a_fault(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(faults_of(path)) == 1


@pytest.mark.parametrize("source", [None, 5, ["a"], b"alerts.toml"])
def test_what_is_neither_a_path_nor_a_mapping_is_a_fault(source: Any) -> None:
    assert faults_of(source) == ["(configuration): must be the path of a file, or a mapping"]


def test_faults_are_raised_as_one_error_and_a_plugins_as_a_plugin_error() -> None:
    raise_faults([])
    for kind, expected in (("telegram", PluginError), ("pager", ConfigError)):
        _, faults = load({"targets": {"a": {"type": kind}}, "deadline": -1}, PLUGINS, {})
        with pytest.raises(ConfigError) as caught:
            raise_faults(faults)
        assert type(caught.value) is expected
        assert caught.value.faults == tuple(faults)


@pytest.mark.parametrize(
    "text",
    [
        f'[targets.ops]\ntype = "pager"\ntoken = "{CANARY}"\nroom = "a b"',
        f'[targets.ops]\ntype = "broken"\ntoken = "{CANARY}"',
        f'[targets.ops]\ntype = "pager"\ntoken = ["{CANARY}"]',
        f'[targets.ops]\ntype = "pager"\ntoken = {CANARY}',
        f'[targets.ops]\ntype = "pager"\ntoken = "env:CANARY"\nroom = 5\nto = [1]\ntimeout = "{CANARY}"',
        f'deadline = 0\n[targets.ops]\ntype = "pager"\ntoken = "abcdef"\nroom = "{CANARY}"',
        f'[targets.ops]\ntype = "pager"\ntoken = "env:CANARY"\nroom = "ops"\nretry = "{CANARY}"',
        f'[gateway]\ntoken = "{CANARY}"\nport = "{CANARY}"',
        f'deadline = "{CANARY}"\nretry = {{ attempts = "{CANARY}" }}',
        f'[[routes]]\ntargets = "{CANARY}"\nmatch = {{ severity = "{CANARY}" }}\ndigest = "{CANARY}"',
        f'[queue]\ntype = "store"\npth = "{CANARY}"',
    ],
)
def test_no_secret_is_in_the_error_nor_in_a_frame_of_its_traceback(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    path = tmp_path / "alerts.toml"
    path.write_text(text)
    error, told = _raised_of(path)
    assert CANARY not in str(error) + repr(error)
    assert "from_config" in told
    assert CANARY not in told


def _raised_of(source: Any, use: Callable[..., object] | None = None) -> tuple[ConfigError, str]:
    """What is raised, and its whole traceback with the locals of every frame but this one."""
    with pytest.raises(ConfigError) as caught:
        use(source) if use else Dispatcher.from_config(source, PLUGINS)
    error = caught.value
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None
    told = traceback.TracebackException.from_exception(error, capture_locals=True)
    told.stack = traceback.StackSummary.from_list([frame for frame in told.stack if frame.filename != __file__])
    return error, "".join(told.format())


def test_the_values_of_a_mapping_are_in_no_frame_but_the_callers() -> None:
    error, told = _raised_of({"targets": {"ops": {"type": "pager", "token": CANARY, "room": "a b"}}})
    assert CANARY not in str(error) + repr(error)
    assert "from_config" in told
    assert CANARY not in told


def test_nor_where_it_becomes_the_default() -> None:
    _, told = _raised_of({"targets": {"ops": {"type": "noop", "tokn": CANARY}}}, alert_core.configure)
    assert "configure" in told
    assert CANARY not in told


KEYS = st.sampled_from(
    [
        *("deadline", "retry", "defaults", "targets", "routes", "queue", "redaction", "gateway", "type", "pager"),
        *("token", "room", "to", "match", "severity", "active", "days", "tz", "metadata", "failover", "noop", "env:X"),
    ]
) | st.text(max_size=6)
VALUES = st.recursive(
    KEYS
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.binary(max_size=4)
    | st.datetimes()
    | st.times(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(KEYS | st.integers(), VALUES, max_size=6), st.dictionaries(KEYS, st.text(max_size=4)))
def test_any_mapping_is_read_or_refused_and_every_fault_has_a_path(
    source: dict[Any, Any], environ: dict[str, str]
) -> None:
    _, faults = load(source, PLUGINS, environ)
    assert all(fault.path and fault.message for fault in faults)


@given(
    st.dictionaries(KEYS, VALUES, max_size=5).map(lambda target: {"type": "pager"} | target),
    st.lists(st.dictionaries(KEYS | st.sampled_from(["targets", "continue", "name"]), VALUES, max_size=5), max_size=3),
)
def test_any_target_and_any_routes_are_read_or_refused(target: dict[str, Any], routes: list[Any]) -> None:
    _, faults = load({"targets": {"a": target}, "routes": routes}, PLUGINS, {})
    assert all(fault.path and fault.message for fault in faults)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary() | st.text().map(str.encode) | st.lists(KEYS).map(lambda keys: "\n".join(keys).encode()))
def test_any_file_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "alerts.toml"
    path.write_bytes(content)
    _, faults = load(path, PLUGINS, {})
    assert all(fault.path and fault.message for fault in faults)


def test_a_mapping_that_holds_itself_is_refused() -> None:
    source: dict[str, Any] = {"type": "pager"}
    source["token"] = source
    assert any("nested deeper" in fault for fault in faults_of({"targets": {"a": source}}))
