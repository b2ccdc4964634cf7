"""`alertctl outbox`: what it prints, in both forms, and how it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from alert_core import Alert, Dispatcher, PermanentDeliveryError, Route
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
        counts = {(row["target"], row["state"]): row["count"] for row in rows(filled, "status")["targets"]}
        assert counts == {("a", "delivered"): 1, ("a", "waiting"): 1, ("b", "dead"): 1}
    lines = filled("status").output.splitlines()
    assert lines[0].split() == ["target", "state", "count", "oldest", "most", "attempts"]
    assert len(lines) == 4


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


def test_before_the_first_alert_there_is_nothing_to_look_at(run: Run) -> None:
    with pytest.raises(Exception, match="it is made when the first alert is enqueued"):
        run("list")


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
        (["source=x", "--for", "soon"], "must be a time"),
        (["source=x", "--starts", "tomorrow"], "isoformat"),
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
    (waiting,) = rows(run, "list", "--state", "waiting")
    assert waiting["title"] == "Digest daily: 2 fired, 0 resolved, 2 still open"
    assert state("digest", "preview", "daily")["alert"]["metadata"]["alerts"] == 0
    with pytest.raises(Exception, match="no route 'weekly' has a digest; those that have: daily"):
        state("digest", "preview", "weekly")


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
