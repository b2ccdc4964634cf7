"""`alertctl`: what it prints, its exit statuses, and that it never shows a traceback or a secret."""

from __future__ import annotations

import functools
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import attrs
import click
import pytest

from alert_core import (
    Alert,
    CommandSpec,
    ConfigError,
    Dispatcher,
    PermanentDeliveryError,
    QueueError,
    QueueSpec,
    Receipt,
    TableSpec,
    Transport,
    TransportSpec,
    default,
    hookimpl,
    option,
)
from alert_core import plugins as loader
from alert_core.cli import main
from alert_core.plugins import Plugins

CANARY = "canary-7c1f0a93e5"
CONFIGURATION = """
deadline = 5
[defaults]
source = "billing"
severity = "warning"
[targets.ops]
type = "probe"
[targets.bad]
type = "probe"
answer = "no"
[targets.quiet]
type = "noop"
[[routes]]
name = "payments"
match = { severity = ">=critical", tags = ["payments"] }
targets = ["ops", "bad"]
[[routes]]
name = "night"
match = { source = "silent" }
targets = []
[[routes]]
name = "rest"
targets = ["ops"]
"""
got: list[Alert] = []


class Probe(Transport):
    """Keeps what it is sent, or refuses it."""

    kind = "probe"
    answer: str = option(default="yes", help="yes or no")

    def send(self, alert: Alert) -> Receipt:
        if self.answer == "no":
            raise PermanentDeliveryError("the provider\nsaid no", status=403)
        got.append(alert)
        return Receipt(id=f"probe-{alert.title}")


@click.command()
@click.option("--crash", is_flag=True)
@click.option("--status", type=int, default=0)
def extra(crash: bool, status: int) -> int:
    """A plugin's command."""
    if crash:
        raise RuntimeError(f"password={CANARY}")
    click.echo("extra ran")
    return status


class Ended(NamedTuple):
    """How a run ended."""

    status: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def plugins() -> Plugins:
    return Plugins(
        [
            TransportSpec("probe", Probe, "Keep what is sent"),
            TransportSpec("lost", "no_such_module_anywhere:Transport"),
            CommandSpec("extra", extra, "Do more"),
            CommandSpec("ruin", "no_such_module_anywhere:command", "Do harm"),
            CommandSpec("odd", object(), "Do nothing"),
            CommandSpec("send", extra, "Take the place of send"),
        ]
    )


@pytest.fixture
def run(
    plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run `alertctl` here, in an empty folder, with these plugins alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALERT_CONFIG", "")
    monkeypatch.delenv("ALERT_CONFIG")
    monkeypatch.setattr(loader, "installed_plugins", lambda: plugins)
    monkeypatch.setattr("alert_core.dispatcher.installed_plugins", lambda: plugins)
    previous = default.replace(None)
    got.clear()

    def run(*arguments: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert CANARY not in out + err
        assert isinstance(caught.value.code, int)
        return Ended(caught.value.code, out, err)

    yield run
    default.replace(previous)


@pytest.fixture
def configured(run: Run) -> Run:
    Path("alerts.toml").write_text(CONFIGURATION)
    return run


def test_send_prints_a_line_a_target_with_the_receipt_and_ends_with_0(configured: Run) -> None:
    ended = configured("send", "Disk full")
    assert ended.status == 0
    assert ended.out.startswith("ops  delivered  probe-Disk full  1 attempt, 0.")
    assert len(ended.out.splitlines()) == 1


def test_a_failed_target_ends_with_1_and_its_error_is_on_one_line(configured: Run) -> None:
    ended = configured("send", "Down", "-s", "critical", "--tag", "payments")
    assert ended.status == 1
    ops, bad = ended.out.splitlines()
    assert ops.startswith("ops  delivered  probe-Down")
    assert bad.startswith("bad  permanent  the provider said no  1 attempt")


def test_every_option_of_send_is_a_field_of_the_alert(configured: Run) -> None:
    configured(
        *("send", "Title", "-m", "Text", "-s", "Critical", "--source", "shop", "--tag", "a", "--tag", "b"),
        *("--meta", "region=eu", "--meta", "query=a=b", "--status", "resolved", "--dedup-key", "k", "--target", "ops"),
        *("--url", "https://wiki.example.com/disk"),
    )
    (alert,) = got
    assert (alert.title, alert.message, alert.severity, alert.source) == ("Title", "Text", "critical", "shop")
    assert (alert.tags, alert.metadata) == (("a", "b"), {"region": "eu", "query": "a=b"})
    assert (alert.status, alert.dedup_key, alert.url) == ("resolved", "k", "https://wiki.example.com/disk")


def test_without_options_the_title_is_the_text_and_the_defaults_apply(configured: Run) -> None:
    configured("send", "Disk full")
    (alert,) = got
    assert (alert.message, alert.severity, alert.source, alert.tags) == ("Disk full", "warning", "billing", ())


@pytest.mark.parametrize(("piped", "text"), [("two\nlines\n", "two\nlines"), ("", "Title"), (" \n", "Title")])
def test_a_dash_reads_the_text_from_standard_input(configured: Run, piped: str, text: str) -> None:
    assert configured("send", "Title", "-m", "-", stdin=piped).status == 0
    assert [alert.message for alert in got] == [text]


def test_a_secret_on_the_command_line_is_masked(configured: Run) -> None:
    ended = configured("send", "Login", "-m", f"password={CANARY}", "--meta", f"api_key={CANARY}", "--json")
    assert ended.status == 0
    assert CANARY not in str(got[0].to_dict())


def test_json_is_the_report(configured: Run) -> None:
    report = json.loads(configured("send", "Down", "--target", "bad", "--target", "ops", "--json").out)
    assert report["ok"] is False
    assert [(d["target"], d["outcome"]) for d in report["deliveries"]] == [("bad", "permanent"), ("ops", "delivered")]


def test_a_deliberate_silence_ends_with_0_and_says_so(configured: Run) -> None:
    ended = configured("send", "x", "--source", "silent")
    assert (ended.status, ended.out) == (0, "sent to no target (silenced: night)\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["send"], "Missing argument 'TITLE'"),
        (["send", " "], "title must not be empty"),
        (["send", "x", "-s", "high"], "is not one of 'info', 'warning', 'error', 'critical'"),
        (["send", "x", "--status", "open"], "is not one of 'firing', 'acknowledged', 'resolved'"),
        (["send", "x", "--meta", "novalue"], "write it as KEY=VALUE"),
        (["send", "x", "--target", "op"], 'targets: no target is called "op"; did you mean "ops"?'),
        (["send", "x", f"password={CANARY}"], "unexpected extra argument"),
        (["send", "x", f"--password={CANARY}"], "No such option"),
        (["sned", "x"], "no such command 'sned'; did you mean 'send'?"),
        (["--config", "missing.toml", "send", "x"], "missing.toml: cannot be read: No such file or directory"),
        (["plugins", "prob"], 'prob: unknown plugin or kind; did you mean "probe"?'),
        (["route", "explain", "missing.json"], "cannot read missing.json: No such file or directory"),
        (["ruin", "--any", "thing"], "the command ruin is broken (ModuleNotFoundError"),
        (["odd"], "the command odd is broken (TypeError: a object is no click command)"),
    ],
)
def test_wrong_use_is_one_error_line_and_ends_with_2(configured: Run, arguments: list[str], message: str) -> None:
    ended = configured(*arguments)
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err.splitlines()[-1]


def test_without_arguments_it_prints_its_help(run: Run) -> None:
    ended = run()
    assert "Usage: alertctl" in ended.err + ended.out


def test_the_help_lists_the_commands_of_plugins_without_loading_them(run: Run) -> None:
    ended = run("--help")
    assert ended.status == 0
    assert [
        line.split()[0]
        for line in ended.out.splitlines()
        if line.strip().endswith(("Do more", "Do nothing", "Do harm"))
    ] == ["extra", "odd", "ruin"]


def test_a_plugins_command_runs_and_gives_the_exit_status(run: Run) -> None:
    assert run("extra") == Ended(0, "extra ran\n", "")
    assert run("extra", "--status", "3").status == 3


def test_a_plugins_command_does_not_take_the_place_of_the_cores(configured: Run) -> None:
    assert configured("send", "x").out.startswith("ops  delivered")


def test_what_a_plugins_command_raises_is_one_line_without_its_text(run: Run) -> None:
    assert run("extra", "--crash") == Ended(1, "", "Error: RuntimeError\n")


def test_every_fault_of_the_configuration_is_a_line(run: Run) -> None:
    Path("alerts.toml").write_text(f'deadline = 0\n[targets.ops]\ntype = "probe"\nanser = "{CANARY}"\n')
    ended = run("send", "x")
    assert ended.status == 2
    assert ended.err.splitlines() == [
        "Error: deadline: must be more than 0",
        'Error: targets.ops.anser: unknown option; did you mean "answer"?',
    ]


def test_nothing_configured_at_all_says_what_to_do(run: Run) -> None:
    ended = run("send", "x")
    assert ended.status == 2
    assert "nothing is configured" in ended.err


def test_a_configuration_is_named_by_config_before_or_after_the_command(run: Run) -> None:
    Path("other.toml").write_text(CONFIGURATION)
    assert run("--config", "other.toml", "send", "x").status == 0
    for command in (["send", "x"], ["check"], ["route", "explain"], ["redact"]):
        default.replace(None)
        os.environ["ALERT_CONFIG"] = ""
        assert run(*command, "--config", "other.toml").status == 0


def test_explain_names_the_targets_whose_min_severity_is_higher(run: Run) -> None:
    Path("alerts.toml").write_text('[targets.ops]\ntype = "probe"\nmin_severity = "critical"\n')
    assert run("route", "explain").out.splitlines()[-2:] == ["targets: none", "below their min_severity: all"]
    with Path("alerts.toml").open("a") as file:
        file.write('[[routes]]\ntargets = ["ops"]\n')
    assert run("route", "explain").out.splitlines()[-2:] == ["targets: none", "below their min_severity: ops"]
    assert json.loads(run("route", "explain", "--json").out)["below_min_severity"] == ["ops"]
    assert run("route", "explain", "-s", "critical").out.splitlines()[-1] == "targets: ops"


def test_check_shows_targets_and_routes_and_sends_nothing(configured: Run) -> None:
    ended = configured("check")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "configuration: ./alerts.toml",
        "target  ops    probe",
        "target  bad    probe",
        "target  quiet  noop",
        "route  payments  ops, bad",
        "route  night     (silence)",
        "route  rest      ops",
        "queue  memory",
        "the configuration is valid",
    ]
    assert got == []


def test_check_live_sends_a_test_alert_to_each_target(configured: Run) -> None:
    ended = configured("check", "--live")
    assert ended.status == 1
    assert [line.split()[:2] for line in ended.out.splitlines()[-3:]] == [
        ["ops", "delivered"],
        ["bad", "permanent"],
        ["quiet", "delivered"],
    ]
    assert [alert.severity for alert in got] == ["info"]


def test_check_json_has_the_faults_or_the_targets(configured: Run) -> None:
    found = json.loads(configured("check", "--json").out)
    assert found["ok"] is True
    assert found["targets"] == {"ops": "probe", "bad": "probe", "quiet": "noop"}
    Path("alerts.toml").write_text("deadline = 0")
    ended = configured("check", "--json")
    assert ended.status == 2
    told = {"ok": False, "faults": [{"path": "deadline", "message": "must be more than 0"}]}
    assert json.loads(ended.out) == {**told, "configuration": "./alerts.toml"}
    assert json.loads(configured("send", "x", "--json").out) == told


def test_check_says_that_it_read_the_environment(run: Run) -> None:
    ended = run("check")
    assert (ended.status, ended.out) == (2, "configuration: the environment\n")
    assert "nothing is configured" in ended.err


def test_a_file_without_targets_is_named(run: Run) -> None:
    Path("alerts.toml").touch()
    assert run("send", "x").err == "Error: ./alerts.toml: has no targets: write a table [targets.NAME]\n"


def test_plugins_json_has_a_row_a_plugin(run: Run) -> None:
    rows = json.loads(run("plugins", "--json").out)
    assert rows[0] == {
        "name": "probe",
        "distribution": None,
        "version": None,
        "state": "loaded",
        "kinds": ["probe"],
        "hooks": [],
        "error": None,
    }


def test_plugins_of_a_kind_shows_every_option(run: Run) -> None:
    ended = run("plugins", "probe")
    assert ended.status == 0
    assert 'type = "probe": Keep what is sent' in ended.out
    assert "answer" in ended.out
    assert "default yes" in ended.out
    options = json.loads(run("plugins", "probe", "--json").out)["options"]["probe"]
    assert options[0] == {
        "name": "answer",
        "type": "str",
        "required": False,
        "default": "yes",
        "env": None,
        "help": "yes or no",
    }


def test_plugins_shows_a_kind_that_cannot_be_loaded(run: Run) -> None:
    ended = run("plugins", "lost")
    assert ended.status == 0
    assert "is broken: ModuleNotFoundError" in ended.out


def test_route_explain_says_of_every_route_reached_whether_it_matches(configured: Run) -> None:
    ended = configured("route", "explain", "-s", "critical", "--tag", "payments")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "payments: matches",
        "  yes: severity >=critical (critical)",
        "  yes: tags payments (payments)",
        "night: not reached",
        "rest: not reached",
        "targets: ops, bad",
    ]
    assert got == []


def test_route_explain_takes_an_alert_in_json_and_options_over_it(configured: Run) -> None:
    text = json.dumps(Alert("a", "b", severity="info", source="silent").to_dict())
    assert configured("route", "explain", "-", stdin=text).out.splitlines()[-2:] == [
        "rest: not reached",
        "targets: none",
    ]
    Path("alert.json").write_text(text)
    found = json.loads(configured("route", "explain", "alert.json", "--source", "x", "--json").out)
    assert found["targets"] == ["ops"]
    assert [(r["name"], r["reached"], r["matches"]) for r in found["routes"]] == [
        ("payments", True, False),
        ("night", True, False),
        ("rest", True, True),
    ]


@pytest.mark.parametrize("text", ["", "[]", f'{{"token": "{CANARY}"', '{"title": 5}', "[" * 100_000])
def test_route_explain_refuses_what_is_no_alert(configured: Run, text: str) -> None:
    assert configured("route", "explain", "-", stdin=text).status == 2


def test_redact_shows_the_masked_text_and_each_span_by_its_rule(run: Run) -> None:
    ended = run("redact", stdin=f"first line\nuser=x password={CANARY} end\n")
    assert ended.status == 0
    assert ended.out.splitlines() == [
        "first line",
        "user=x password=[REDACTED:assignment] end",
        "--- 1 masked",
        f"line 2, column 17: {len(CANARY)} characters by assignment",
    ]


def test_redact_json_has_the_places_and_the_masked_text(run: Run) -> None:
    Path("log.txt").write_text(f"password={CANARY}")
    found = json.loads(run("redact", "log.txt", "--json").out)
    assert found["matches"] == [{"line": 1, "column": 10, "length": len(CANARY), "rule": "assignment"}]
    assert found["text"] == "password=[REDACTED:assignment]"


def test_control_characters_of_others_do_not_reach_the_terminal(configured: Run) -> None:
    ended = configured("send", "a\x1b[31mb\rc", "--target", "ops")
    assert "\x1b" not in ended.out
    assert "\r" not in ended.out


ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
ALERTCTL = [sys.executable, "-c", "from alert_core.cli import main; main()"]


def test_an_interrupt_ends_it_at_once_with_130(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = (
            "import signal, socket, alert_core.cli, alert_core\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
            "class Hung(alert_core.Transport):\n"
            "    kind = 'hung'\n"
            "    def send(self, alert):\n"
            f"        socket.create_connection(('127.0.0.1', {server.getsockname()[1]})).recv(1)\n"
            "alert_core.configure(alert_core.Dispatcher([Hung(timeout=60)], deadline=60))\n"
            "alert_core.cli.main(['send', 'x'])\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True
        )
        try:
            connection, _ = server.accept()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=30)
            connection.close()
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.strip() == "Error: interrupted"


def test_a_reader_that_has_gone_is_no_traceback(tmp_path: Path) -> None:
    command = [*ALERTCTL, "plugins"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.wait(timeout=60)
    process.stderr.close()


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_colours_unless_no_color_is_set(
    tmp_path: Path, variables: dict[str, str], coloured: bool
) -> None:
    environ = {name: value for name, value in ENVIRONMENT.items() if name != "NO_COLOR"} | variables
    (tmp_path / "alerts.toml").write_text('[targets.quiet]\ntype = "noop"')
    ours, theirs = os.openpty()
    subprocess.run([*ALERTCTL, "send", "x"], cwd=tmp_path, env=environ, stdout=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)
    assert b"delivered" in shown
    assert (b"\x1b[32m" in shown) is coloured


def test_help_loads_neither_http_nor_a_transport(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from alert_core.cli import main\n"
        "try:\n    main(['--help'])\n"
        "finally:\n    print(sorted({'httpx', 'alert_slack.transport'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (QueueError("the database is away"), "the database is away"),
        (FileNotFoundError(2, "No such file or directory", "/srv/x"), "/srv/x: No such file or directory"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (OSError(f"password={CANARY}"), "OSError"),
        (QueueError(), "QueueError"),
    ],
)
def test_what_is_raised_is_told_in_words(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(extra, "callback", fail)
    assert run("extra") == Ended(1, "", f"Error: {told}\n")


def test_a_standard_input_that_is_closed_is_wrong_use(tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text('[targets.quiet]\ntype = "noop"')
    for arguments in (["send", "x", "-m", "-"], ["redact"], ["route", "explain", "-"]):
        done = subprocess.run(
            ["sh", "-c", '"$@" <&-', "sh", *ALERTCTL, *arguments],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert done.stderr.splitlines()[-1] == "Error: standard input is closed"


def test_check_lets_plugins_check_their_tables_and_names_every_fault(run: Run, plugins: Plugins) -> None:
    def refuse(dispatcher: Dispatcher) -> None:
        raise ConfigError([(f"{name}.target", f"there is {', '.join(dispatcher.targets)}") for name in ("ab", "cd")])

    def harmless(_: Dispatcher) -> None:
        raise AssertionError("its table is not configured")

    tables = [TableSpec("ab", dict[str, str], refuse), TableSpec("cd", dict[str, str], refuse)]
    plugins.plugins += Plugins([*tables, TableSpec("ef", dict[str, str], harmless)]).plugins
    Path("alerts.toml").write_text('[targets.quiet]\ntype = "noop"\n[ab]\n[cd]\n')
    ended = run("check")
    assert (ended.status, ended.out) == (2, "configuration: ./alerts.toml\n")
    assert ended.err.splitlines() == ["Error: ab.target: there is quiet", "Error: cd.target: there is quiet"]
    assert [fault["path"] for fault in json.loads(run("check", "--json").out)["faults"]] == ["ab.target", "cd.target"]


def test_a_terminal_is_told_after_a_second_for_whom_send_waits(tmp_path: Path) -> None:
    code = (
        "import time, alert_core, alert_core.cli\n"
        "class Hung(alert_core.Transport):\n"
        "    kind = 'hung'\n"
        "    def send(self, alert):\n"
        "        time.sleep(60)\n"
        "class Quick(alert_core.Transport):\n"
        "    kind = 'quick'\n"
        "    def send(self, alert):\n"
        "        pass\n"
        "alert_core.configure(alert_core.Dispatcher([Hung(), Quick()], deadline=1.2))\n"
        "alert_core.cli.main(['send', 'x', '--json'])\n"
    )
    ours, theirs = os.openpty()
    run = functools.partial(subprocess.run, [sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, check=False)
    run(stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    assert os.read(ours, 4096).decode().splitlines() == ["waiting for hung …"]
    os.close(ours)
    assert run(capture_output=True, text=True).stderr == ""


@attrs.define(kw_only=True)
class Store:
    """Keeps alerts.

    Args:
        place: where it keeps them, which is
            a folder.
        size: how many.
    """

    place: str
    size: int = 5
    names: tuple[str, ...] = attrs.field(factory=tuple)


def test_plugins_shows_the_options_of_queues_and_tables(run: Run, plugins: Plugins) -> None:
    class Both:
        @staticmethod
        @hookimpl
        def alert_register() -> list[object]:
            return [QueueSpec("both", Store), TableSpec("one", Store), TableSpec("each", dict[str, Store])]

    plugins.plugins += Plugins([Both()]).plugins
    shown = [line.split("  ") for line in run("plugins", "both").out.splitlines()]
    titles = [line for (line, *rest) in shown if not rest and line]
    assert titles == ['[queue] type = "both"', "[one]", "[each.NAME]"]
    rows = [[cell.strip() for cell in row if cell.strip()] for row in shown if row[0] == "" and len(row) > 1]
    assert rows == 3 * [
        ["place", "str", "required", "where it keeps them, which is a folder."],
        ["size", "int", "default 5", "how many."],
        ["names", "tuple[str, ...]", "default ()"],
    ]
    assert list(json.loads(run("plugins", "both", "--json").out)["options"]) == ["both", "[one]", "[each.NAME]"]
