"""Plugins of other people, installed for real: what they add works, and what is wrong with one is its own trouble."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

TARGET = '[targets.ops]\ntype = "console"\nstream = "stdout"\n'


@pytest.fixture
def configure(tmp_path: Path) -> Callable[[str], None]:
    """Write alerts.toml."""

    def configure(text: str) -> None:
        (tmp_path / "alerts.toml").write_text(text)

    return configure


@pytest.fixture
def notes(tmp_path: Path) -> Callable[[], list[Any]]:
    """What the observer of alert-example has noted."""

    def notes() -> list[Any]:
        return [json.loads(line) for line in (tmp_path / "notes").read_text().splitlines()]

    return notes


@pytest.fixture
def rows(run: Run) -> Callable[..., dict[str, dict[str, Any]]]:
    """The rows of `alertctl plugins`, by the names of the plugins."""

    def rows(**variables: str) -> dict[str, dict[str, Any]]:
        done = run("alertctl", "plugins", "--json", **variables)
        assert done.returncode == 0, done.stderr
        return {row["name"]: row for row in json.loads(done.stdout)}

    return rows


# What a plugin adds


def test_a_processor_and_a_redactor_change_every_alert(run: Run, configure: Callable[[str], None]) -> None:
    configure(TARGET)
    done = run("alertctl", "send", "Disk full", "-m", "see TICKET-1234", "--tag", "disk")
    assert done.returncode == 0, done.stderr
    assert "[ERROR] Disk full tags=disk,example\n    see [TICKET]\n" in done.stdout
    assert "TICKET-1234" not in done.stdout


def test_a_processor_drops_an_alert_and_an_observer_hears_of_it(
    run: Run, configure: Callable[[str], None], notes: Callable[[], list[Any]]
) -> None:
    configure(TARGET)
    done = run("alertctl", "send", "Disk full", "--tag", "noise")
    assert done.stdout.startswith("sent to no target")
    assert notes() == [["dropped", "processor", "example"], ["finished", "Disk full", []]]


def test_an_observer_sees_the_masked_alert_and_its_report(
    run: Run, configure: Callable[[str], None], notes: Callable[[], list[Any]]
) -> None:
    configure(TARGET)
    code = "import alert_core; alert_core.send('Disk full', 'TICKET-1 password=hunter2-canary')"
    done = run("python", "-c", code)
    assert done.returncode == 0, done.stderr
    assert notes() == [["finished", "[TICKET] password=[REDACTED:assignment]", ["ops"]]]


def test_a_command_is_a_command_of_alertctl(run: Run) -> None:
    assert "hello       Greet" in run("alertctl", "--help").stdout
    done = run("alertctl", "hello", "Luanda", "--status", "3")
    assert (done.returncode, done.stdout) == (3, "hello Luanda\n")


# What is wrong with a plugin


def test_a_broken_plugin_is_a_row_and_breaks_nothing(
    run: Run, configure: Callable[[str], None], rows: Callable[..., dict[str, dict[str, Any]]]
) -> None:
    assert rows()["broken"] == {
        "name": "broken",
        "distribution": "alert-broken",
        "version": "2.0",
        "state": "broken",
        "kinds": [],
        "hooks": [],
        "error": "ModuleNotFoundError: No module named 'no_such_library'",
    }
    configure(TARGET)
    assert run("alertctl", "send", "Disk full").returncode == 0


def test_a_broken_plugin_that_a_target_needs_is_an_error_that_says_why(
    run: Run, configure: Callable[[str], None]
) -> None:
    configure('[targets.ops]\ntype = "broken"\n')
    done = run("alertctl", "send", "Disk full")
    assert done.returncode == 2
    assert "targets.ops.type: " in done.stderr
    assert "plugin 'broken' of alert-broken 2.0 is broken (ModuleNotFoundError" in done.stderr
    assert "reinstall or upgrade the distribution" in done.stderr


def test_a_blocked_plugin_is_never_imported(tmp_path: Path, rows: Callable[..., dict[str, dict[str, Any]]]) -> None:
    mark = tmp_path / "imported"
    row = rows(BLOCKED_MARK=str(mark), ALERT_DISABLE_PLUGINS="blocked, broken")["blocked"]
    assert (row["state"], row["error"]) == ("disabled", "named by ALERT_DISABLE_PLUGINS")
    assert not mark.exists()
    assert rows(BLOCKED_MARK=str(mark), ALERT_PLUGINS="example")["blocked"]["state"] == "disabled"
    assert not mark.exists()
    assert rows(BLOCKED_MARK=str(mark))["blocked"]["state"] == "loaded"
    assert mark.exists()


def test_one_kind_of_two_plugins_is_an_error_naming_both_where_it_is_used(
    run: Run, configure: Callable[[str], None]
) -> None:
    configure('[targets.ops]\ntype = "beeper"\n')
    done = run("alertctl", "check")
    assert done.returncode == 2
    assert "alert-beeper 1.2 and " in done.stderr
    assert "alert-other-beeper 1.3" in done.stderr
    assert "uninstall or disable one of them" in done.stderr
    assert run("alertctl", "check", ALERT_DISABLE_PLUGINS="other-beeper").returncode == 0


def test_one_kind_of_two_plugins_is_but_a_row_where_it_is_not_used(
    run: Run, configure: Callable[[str], None], rows: Callable[..., dict[str, dict[str, Any]]]
) -> None:
    found = rows()
    assert "alert-other-beeper 1.3" in found["beeper"]["error"]
    assert "alert-beeper 1.2" in found["other-beeper"]["error"]
    configure(TARGET)
    assert run("alertctl", "check").returncode == 0


def test_an_unknown_hook_is_a_warning_that_names_it_and_what_to_upgrade(
    run: Run, configure: Callable[[str], None]
) -> None:
    configure('[targets.ops]\ntype = "ahead"\n')
    done = run("alertctl", "send", "Disk full")
    assert done.returncode == 0, done.stderr
    assert "plugin 'ahead' of alert-ahead 3.1 uses the hook alert_snoozed, which alert-core 0.1" in done.stderr
    assert done.stderr.endswith("does not know; upgrade alert-core\n")
