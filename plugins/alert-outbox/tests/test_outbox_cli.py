"""`alertctl outbox`: what it prints, in both forms, and how it ends."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from alert_core import Alert, Dispatcher, PermanentDeliveryError, Route
from alert_core.cli import main
from alert_core.testing import isolated_plugins
from alert_outbox import Outbox, cli_state
from alert_outbox.cli import outbox

Run = Callable[..., Result]
CONFIGURATION = """
[targets.a]
type = "memory"

[targets.b]
type = "noop"

[queue]
type = "outbox"
path = "alerts.db"
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in a folder with a configuration; what it raises is raised."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERT_CONFIG", raising=False)
    (tmp_path / "alerts.toml").write_text(CONFIGURATION)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(
        outbox, [str(one) for one in arguments], standalone_mode=False, catch_exceptions=False
    )


def rows(run: Run, *arguments: Any) -> Any:
    result = run(*arguments, "--json")
    assert not result.exception
    return json.loads(result.output)


@pytest.fixture
def filled(run: Run, target: Any) -> Run:
    """One delivered, one dead, one that waits; made by a process that is gone."""

    def refuse(_: Alert) -> None:
        raise PermanentDeliveryError("no such channel")

    with Dispatcher(
        [target("a"), target("b", refuse)], queue=Outbox(path="alerts.db"), plugins=isolated_plugins()
    ) as d:
        d.enqueue(Alert("delivered", "m", severity="critical"), targets=["a"])
        assert d.flush(60)
        d.enqueue(Alert("refused", "m"), targets=["b"])
        assert d.flush(60)
    with Dispatcher([target("a")], queue=Outbox(path="alerts.db", worker=False), plugins=isolated_plugins()) as d:
        d.enqueue(Alert("waits\x1b[31m", "m"))
    return run


def test_status_counts_by_target_and_state_and_delivers_nothing(filled: Run) -> None:
    for _ in range(2):
        found = rows(filled, "status")
        counts = {row["target"]: (row["waiting"], row["delivered"], row["dead"]) for row in found["targets"]}
        assert counts == {"a": (1, 1, 0), "b": (0, 0, 1)}
        assert (found["open"], found["delivered"], found["dead"]) == (1, 1, 1)
        assert found["oldest_open_age"] >= 0
    lines = filled("status").output.splitlines()
    assert lines[0].split()[:3] == ["target", "waiting", "held"]
    assert len(lines) == 3


def test_list_shows_the_latest_first_and_can_be_narrowed(filled: Run) -> None:
    assert [row["id"] for row in rows(filled, "list")] == [3, 2, 1]
    (dead,) = rows(filled, "list", "--state", "dead")
    assert (dead["title"], dead["error"]) == ("refused", "PermanentDeliveryError: no such channel")
    assert [row["id"] for row in rows(filled, "list", "--target", "a", "--limit", "1")] == [3]
    assert "no such channel" in filled("list").output
    assert "\x1b" not in filled("list").output


def test_show_takes_the_number_of_a_delivery_or_the_id_of_an_alert(filled: Run) -> None:
    shown = rows(filled, "show", 1)
    assert (shown["alert"]["title"], shown["alert"]["severity"]) == ("delivered", "critical")
    assert [row["receipt"] for row in shown["deliveries"]] == ["a-delivered"]
    assert rows(filled, "show", shown["alert"]["id"]) == shown
    assert "title: delivered" in filled("show", 1).output
    with pytest.raises(Exception, match="no delivery and no alert is 'nobody'"):
        filled("show", "nobody")


def test_retry_lets_a_dead_letter_be_tried_again(filled: Run) -> None:
    with pytest.raises(Exception, match="delivery 1 is no dead letter"):
        filled("retry", 1)
    with pytest.raises(Exception, match="give the number of a delivery, or"):
        filled("retry")
    assert rows(filled, "retry", 2) == {"retried": 1}
    assert rows(filled, "retry", "--all") == {"retried": 0}
    assert rows(filled, "run", "--once") == {"delivered": 2, "dead": 0, "open": 0, "drained": True}
    assert {row["state"] for row in rows(filled, "list")} == {"delivered"}


def test_purge_deletes_what_has_ended_long_ago_and_nothing_that_is_open(filled: Run) -> None:
    assert rows(filled, "purge") == {"purged": 0}
    with pytest.raises(Exception, match="--older-than must be a time"):
        filled("purge", "--older-than", "soon")
    time.sleep(0.01)
    assert rows(filled, "purge", "--older-than", "0s") == {"purged": 2}
    assert [row["id"] for row in rows(filled, "list")] == [3]


def test_without_an_outbox_in_the_configuration_it_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text('[targets.a]\ntype = "noop"\n')
    with pytest.raises(Exception, match="there is no durable queue to look at"):
        run("status")
    (tmp_path / "alerts.toml").unlink()
    with pytest.raises(Exception, match="no configuration"):
        run("status")


def test_before_the_first_alert_there_is_nothing_to_look_at(run: Run, database: dict[str, Any], tmp_path: Path) -> None:
    where = "".join(f"{name} = {json.dumps(value)}\n" for name, value in database.items())
    (tmp_path / "alerts.toml").write_text(CONFIGURATION.replace('path = "alerts.db"\n', where))
    assert run("status").output == run("list").output == "nothing was enqueued yet\n"
    found = rows(run, "status")
    assert (found["open"], found["delivered"], found["dead"], found["targets"]) == (0, 0, 0, [])
    assert rows(run, "list") == []
    assert CliRunner().invoke(cli_state.silence, ["list", "--json"], standalone_mode=False).output == "[]\n"
    with pytest.raises(click.UsageError, match="no target is called 'c'"):
        run("list", "--target", "c")


def test_a_folder_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text(CONFIGURATION.replace("alerts.db", "missing/alerts.db"))
    for command in (["status"], ["list"], ["show", "1"], ["run", "--once"]):
        with pytest.raises(Exception, match=r"^queue.path: there is no folder missing$"):
            run(*command)


@pytest.mark.parametrize("command", [["check"], ["route", "explain", "--title", "t"]])
def test_a_command_that_only_looks_delivers_nothing_and_makes_no_database(
    run: Run, tmp_path: Path, target: Any, command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    def looks() -> str:
        with pytest.raises(SystemExit, match="0"):
            main(command)
        return capsys.readouterr().err

    assert looks() == ""
    assert [one.name for one in tmp_path.iterdir()] == ["alerts.toml"]
    with Dispatcher([target("a")], queue=Outbox(path="alerts.db", worker=False), plugins=isolated_plugins()) as d:
        d.enqueue(Alert("waits", "m"))
    before = rows(run, "list")
    assert looks() == ""
    assert rows(run, "list") == before


ROUTED = (
    CONFIGURATION
    + """
[[routes]]
name = "daily"
targets = ["a"]
digest = "08:00 Africa/Luanda"
"""
)


@pytest.fixture
def state(run: Run, tmp_path: Path, target: Any) -> Callable[..., Any]:
    """Runs `silence` and `digest`; the configuration has a digest, in which two alerts wait."""
    (tmp_path / "alerts.toml").write_text(ROUTED)
    routes = [Route(["a"], name="daily", digest="08:00 Africa/Luanda")]
    outbox = Outbox(path="alerts.db", worker=False)
    with Dispatcher([target("a")], queue=outbox, plugins=isolated_plugins(), routes=routes) as d:
        d.enqueue(Alert("one", "m"))
        d.enqueue(Alert("two", "m", severity="critical"))
    runner = CliRunner()

    def invoke(command: str, *arguments: Any) -> Any:
        group = cli_state.silence if command == "silence" else cli_state.digest
        given = [*map(str, arguments), "--json"]
        return json.loads(runner.invoke(group, given, standalone_mode=False, catch_exceptions=False).output)

    return invoke


def test_a_silence_is_added_listed_and_expired(state: Any) -> None:
    made = state("silence", "add", "source=db", "severity=>=error", "tags=x,y", "--for", "2h", "--reason", "upgrade")
    (row,) = state("silence", "list")
    assert (row["id"], row["ends"], row["reason"]) == (made["id"], made["ends"], "upgrade")
    assert row["match"] == {"source": "db", "severity": ">=error", "tags": ["x", "y"]}
    shown = CliRunner().invoke(cli_state.silence, ["list"], standalone_mode=False, catch_exceptions=False).output
    assert "source=db severity=>=error tags=x,y" in shown
    assert state("silence", "expire", made["id"]) == {"expired": 1}
    assert state("silence", "list") == []
    assert len(state("silence", "list", "--all")) == 1
    with pytest.raises(Exception, match="no silence 1 holds"):
        state("silence", "expire", made["id"])


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["severity"], "write it as FIELD=VALUE"),
        (["severity=loud"], "severity"),
        (["colour=red"], "colour"),
        (["source=x", "--for", "soon"], "--for must be a time as"),
        (["source=x", "--for", "0s"], "must end after it starts"),
        (["source=x", "--starts", "tomorrow"], "--starts must be as 2026-"),
        (["source=x", "--starts", "2020-01-01"], "it would have ended already"),
        (["source=x", "--starts", "0001-01-01T00:00+14:00"], "--starts must be as 2026-"),
        (["source=x", "--for", "999999999d"], "it would end after the year 9999"),
        (["source=x", "source=y"], "source is given twice"),
    ],
)
def test_a_silence_that_makes_no_sense_is_refused(state: Any, arguments: list[str], fault: str) -> None:
    with pytest.raises(Exception, match=fault):
        state("silence", "add", *arguments, "--reason", "r")


def test_a_digest_is_previewed_without_sending_and_sent_once(state: Any, run: Run) -> None:
    for _ in range(2):
        shown = state("digest", "preview", "daily")
        assert shown["alert"]["title"] == "Digest daily: 2 fired, 0 resolved, 2 still open"
        assert shown["due"].endswith("07:00:00+00:00")
    assert state("digest", "send", "daily") == {"sent_to": ["a"]}
    assert state("digest", "send", "daily") == {"sent_to": []}
    (sent,) = rows(run, "list", "--text", "Digest")
    assert (sent["title"], sent["state"]) == ("Digest daily: 2 fired, 0 resolved, 2 still open", "delivered")
    assert state("digest", "preview", "daily")["alert"]["metadata"]["alerts"] == 0
    with pytest.raises(Exception, match="no route 'weekly' has a digest; those that have: daily"):
        state("digest", "preview", "weekly")


def test_a_digest_is_sent_however_many_groups_are_told_before_it(state: Any, target: Any) -> None:
    routes = [Route(["a"], name="g", group_by=["source"], group_wait="1h")]
    outbox = Outbox(path="alerts.db", worker=False)
    with Dispatcher([target("a")], queue=outbox, plugins=isolated_plugins(), routes=routes) as d:
        d.enqueue_many(Alert("t", "m", source=f"host {n}") for n in range(30))
    assert state("digest", "send", "daily") == {"sent_to": ["a"]}


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_once_what_is_under_way_has_ended(filled: Run, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    program = f"""
import sys, time
from pathlib import Path
from alert_core import builtin
from alert_core.cli import main
def send(self, alert):
    Path({str(ready)!r}).touch()
    time.sleep(0.5)
builtin.MemoryTransport.send = send
main(["outbox", "run", "--json"])
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    )
    with process:
        for _ in range(3_000):
            if ready.exists():
                break
            time.sleep(0.01)
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(output) == {"delivered": 1, "dead": 0, "open": 0, "drained": True}
    assert filled("list").exit_code == 0


SLOW = """
import signal, sys, threading, time
from pathlib import Path
from alert_core import builtin
from alert_core.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
def send(self, alert):
    with Path("taken").open("a") as file:
        file.write(alert.title + "\\n")
    time.sleep(SECONDS)
builtin.MemoryTransport.send = send
main(sys.argv[1:])
"""


def alertctl(folder: Path, *arguments: str, seconds: float = 0.5) -> subprocess.Popen[str]:
    """`alertctl` in a process whose targets of type memory take so long, and write what they are given to `taken`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALERT_")}
    program = [sys.executable, "-c", SLOW.replace("SECONDS", str(seconds)), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit status, and what it printed."""
    with process:
        out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.fixture
def backlog(run: Run, target: Any) -> Run:
    """Three alerts for the target a that wait; made by a process that is gone."""
    with Dispatcher([target("a")], queue=Outbox(path="alerts.db", worker=False), plugins=isolated_plugins()) as d:
        d.enqueue_many(Alert(f"waits {n}", "m") for n in range(3))
    return run


def states(run: Run, name: str) -> set[str]:
    return {row["state"] for row in rows(run, "list", "--target", name)}


@pytest.mark.once
def test_what_send_has_begun_of_other_alerts_ends_and_is_sent_once(backlog: Run, tmp_path: Path) -> None:
    for _ in range(3):
        status, out, _ = ended(alertctl(tmp_path, "send", "mine", "--target", "b"))
        assert (status, out.split()[:2]) == (0, ["b", "delivered"])
    assert states(backlog, "a") == {"delivered"}
    assert sorted((tmp_path / "taken").read_text().splitlines()) == ["waits 0", "waits 1", "waits 2"]


def wait_for(path: Path) -> None:
    for _ in range(3_000):
        if path.exists():
            return
        time.sleep(0.01)
    raise AssertionError(f"there is no {path}")


@pytest.mark.once
def test_an_interrupt_ends_send_at_once_whatever_it_has_begun(backlog: Run, tmp_path: Path) -> None:
    process = alertctl(tmp_path, "send", "mine", "--target", "b", seconds=60)
    wait_for(tmp_path / "taken")
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert ended(process)[0] == 130
    assert time.monotonic() - began < 20


@pytest.mark.once
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_run_once_while_an_attempt_hangs(backlog: Run, tmp_path: Path, number: int) -> None:
    process = alertctl(tmp_path, "outbox", "run", "--once", "--timeout", "0.5", "--json", seconds=60)
    wait_for(tmp_path / "taken")
    process.send_signal(number)
    status, out, _ = ended(process)
    assert (status, json.loads(out)) == (1, {"delivered": 0, "dead": 0, "open": 3, "drained": False})


@pytest.mark.once
def test_run_once_gives_up_when_no_attempt_has_ended_for_its_timeout(backlog: Run, tmp_path: Path) -> None:
    status, out, _ = ended(alertctl(tmp_path, "outbox", "run", "--once", "--timeout", "0.5", "--json", seconds=60))
    assert (status, json.loads(out)) == (1, {"delivered": 0, "dead": 0, "open": 3, "drained": False})


@pytest.mark.once
def test_run_counts_what_it_has_done_itself_whatever_others_deliver_and_retention_deletes(
    filled: Run, tmp_path: Path
) -> None:
    (tmp_path / "alerts.toml").write_text(CONFIGURATION + 'keep = "0.01s"\n')
    assert rows(filled, "run", "--once") == {"delivered": 1, "dead": 0, "open": 0, "drained": True}
    assert rows(filled, "run", "--once") == {"delivered": 0, "dead": 0, "open": 0, "drained": True}


def test_list_shows_when_each_was_stored_and_when_what_waits_is_due(filled: Run) -> None:
    header, waits, dead, _ = filled("list").output.splitlines()
    stored, due = header.index("stored"), header.index("due")
    assert re.match(r"\d\d:\d\d:\d\d  now ", waits[stored:])
    assert re.match(r"\d\d:\d\d:\d\d  - ", dead[stored:])
    assert due < 60
    assert len(waits) <= 80


@pytest.mark.once
def test_on_a_terminal_a_line_of_list_is_no_wider_than_it(filled: Run, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    environment = os.environ | {"COLUMNS": "60"}
    program = [sys.executable, "-c", "from alert_core.cli import main; main()", "outbox", "list"]
    subprocess.run(program, cwd=tmp_path, env=environment, stdout=theirs, check=True, timeout=60)
    os.close(theirs)
    lines = os.read(ours, 4096).decode().splitlines()
    os.close(ours)
    assert len(lines) == 4
    assert max(map(len, lines)) == 60


def said(group: Any, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(group, arguments, standalone_mode=False, catch_exceptions=False)
    return result.return_value, result.output


def test_a_digest_is_delivered_where_this_process_may_and_there_is_nothing_to_send_then(state: Any, run: Run) -> None:
    assert said(cli_state.digest, "send", "daily") == (0, "delivered to a\n")
    assert said(cli_state.digest, "send", "daily") == (0, "nothing to send\n")


def test_a_digest_is_queued_where_another_process_delivers(state: Any, run: Run, tmp_path: Path) -> None:
    (tmp_path / "alerts.toml").write_text(ROUTED.replace("[queue]", "[queue]\nworker = false"))
    assert said(cli_state.digest, "send", "daily") == (0, "queued for a\n")
    assert states(run, "a") == {"delivered", "waiting"}


def test_a_preview_shows_the_time_in_the_zone_of_the_route(state: Any) -> None:
    assert said(cli_state.digest, "preview", "daily")[1].endswith(" 08:00 Africa/Luanda)\n")


def test_before_the_first_alert_a_preview_shows_an_empty_digest(state: Any, tmp_path: Path) -> None:
    (tmp_path / "alerts.db").unlink()
    assert state("digest", "preview", "daily")["alert"]["metadata"]["alerts"] == 0
    assert not (tmp_path / "alerts.db").exists()


@pytest.mark.once
def test_what_digest_send_has_begun_of_other_alerts_ends_and_is_sent_once(
    backlog: Run, target: Any, tmp_path: Path
) -> None:
    (tmp_path / "alerts.toml").write_text(ROUTED.replace('["a"]', '["b"]'))
    routes = [Route(["b"], name="daily", digest="08:00 Africa/Luanda")]
    queue = Outbox(path="alerts.db", worker=False)
    with Dispatcher([target("b")], queue=queue, plugins=isolated_plugins(), routes=routes) as d:
        d.enqueue(Alert("gathered", "m"))
    assert ended(alertctl(tmp_path, "digest", "send", "daily")) == (0, "delivered to b\n", "")
    assert ended(alertctl(tmp_path, "send", "mine", "--target", "b"))[0] == 0
    assert states(backlog, "a") == {"delivered"}
    assert sorted((tmp_path / "taken").read_text().splitlines()) == ["waits 0", "waits 1", "waits 2"]


@pytest.mark.parametrize(
    "arguments", [["list", "--before"], ["list", "--limit"], ["show"], ["retry"], ["run", "--once", "--timeout"]]
)
def test_a_number_that_no_row_can_have_is_wrong_use(filled: Run, arguments: list[str]) -> None:
    for number in ("9" * 19, "9" * 30, "9" * 5_000):
        with pytest.raises(click.UsageError):
            filled(*arguments, number)


def test_a_target_that_nobody_has_is_refused_and_one_that_is_configured_no_more_is_not(
    filled: Run, tmp_path: Path
) -> None:
    for command in ("list", "retry"):
        with pytest.raises(click.UsageError, match="no target is called 'c'; there are: a, b"):
            filled(command, "--target", "c")
    (tmp_path / "alerts.toml").write_text(CONFIGURATION.replace("targets.b", "targets.c"))
    assert [row["target"] for row in rows(filled, "list", "--target", "b")] == ["b"]
    assert rows(filled, "list", "--target", "c") == []
    assert rows(filled, "retry", "--target", "b") == {"retried": 1}


def test_check_names_the_queue_and_where_it_is(
    run: Run, database: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = "".join(f"{name} = {json.dumps(value)}\n" for name, value in database.items())
    (tmp_path / "alerts.toml").write_text(CONFIGURATION.replace('path = "alerts.db"\n', where))
    with pytest.raises(SystemExit, match="0"):
        main(["check"])
    assert f"queue  outbox  {database.get('path', 'PostgreSQL')}" in capsys.readouterr().out.splitlines()


@pytest.mark.once
def test_who_interrupts_send_is_told_that_the_alert_stays_in_the_queue(run: Run, tmp_path: Path) -> None:
    process = alertctl(tmp_path, "send", "mine", "--target", "a", seconds=60)
    wait_for(tmp_path / "taken")
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130
    assert err.split("\n") == ["the alert stays in the queue, and will be delivered", "", "Error: interrupted", ""]
    assert states(run, "a") == {"waiting"}
