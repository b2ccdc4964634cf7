"""A process from its start to its end: logging before the apps, forks, the first request, the exit."""

import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ALERT_", "DJANGO_"))}
    return {**kept, "ALERT_CONFIG": ""}


def run(name: str, folder: Path) -> str:
    """What the program prints, both ways."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", str(HERE / "django_process.py"), name, str(folder)],
        env=environment(),
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_log_handler_works_before_the_apps_are_ready_and_after(tmp_path: Path) -> None:
    told = run("logs", tmp_path)
    assert "before the apps" in told
    assert "after the apps" in told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_child_of_a_fork_delivers_what_it_sends(tmp_path: Path) -> None:
    told = run("forks", tmp_path)
    assert [told.count(f"] {title}") for title in ("parent", "child", "parent again")] == [2, 1, 1]


def test_a_servers_first_request_lets_what_was_left_be_delivered(tmp_path: Path) -> None:
    assert "left behind" not in run("leaves", tmp_path)
    assert "left behind" in run("serves", tmp_path)


def test_a_servers_first_request_tells_once_what_is_wrong(tmp_path: Path) -> None:
    told = run("misconfigured", tmp_path)
    assert told.count("ALERTS: targets.ops.webhook_url: required option missing") == 1


def test_what_was_enqueued_is_delivered_at_the_end(tmp_path: Path) -> None:
    assert "at the end" in run("ends", tmp_path)


def test_a_celery_worker_finds_its_task_by_the_app_under_the_settings_name_too(tmp_path: Path) -> None:
    assert run("works", tmp_path).splitlines() == ["['alert_core.deliver', 'shop.alert']", "['Invoice 1']"]


def test_a_project_without_a_secret_key_is_checked_and_migrated_and_sends(tmp_path: Path) -> None:
    told = run("manages", tmp_path)
    assert "System check identified no issues" in told
    assert "ops: delivered" in told


def test_manage_py_ends_with_2_where_the_settings_are_wrong(tmp_path: Path) -> None:
    told = run("refuses", tmp_path)
    assert told.count("ALERTS: targets.ops.webhook_url: required option missing") == 2
    assert re.findall("(.*) ended with (.*)", told) == [("sendtestalert", "2"), ("alertctl", "2")]


def test_without_a_project_it_says_that_it_needs_one(tmp_path: Path) -> None:
    told = run("without", tmp_path).splitlines()
    assert [line.partition(":")[0] for line in told] == ["targets.mail", "queue"]
    assert all("name its settings in DJANGO_SETTINGS_MODULE" in line for line in told)


def kill(folder: Path, after: int) -> None:
    """Let a process pay so many invoices, and kill it wherever it is then."""
    command = [sys.executable, str(HERE / "django_process.py"), "pays", str(folder)]
    with subprocess.Popen(command, env=environment(), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            for _ in range(after):
                assert process.stdout.readline()
        finally:
            process.kill()


def assert_alerts_are_of_what_was_paid(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "project.db")) as connection:
        paid = {number for (number,) in connection.execute("SELECT number FROM invoices")}
        bodies = [json.loads(body) for (body,) in connection.execute("SELECT body FROM alert_outbox_alerts")]
        noted = [json.loads(body) for (body,) in connection.execute("SELECT body FROM alert_outbox_intake")]
    bodies += [body["alert"] for body in noted]  # the process ended between the commit and the plan
    assert paid
    assert sorted(body["title"] for body in bodies) == sorted(f"Invoice {number}" for number in paid)


def test_a_killed_process_leaves_an_alert_of_each_payment_and_no_other(tmp_path: Path) -> None:
    kill(tmp_path, 10)
    assert_alerts_are_of_what_was_paid(tmp_path)


@pytest.mark.chaos
def test_forty_killed_processes_leave_an_alert_of_each_payment_and_no_other(tmp_path: Path) -> None:
    for number in range(40):
        kill(tmp_path, number % 7)
        if number % 7:
            assert_alerts_are_of_what_was_paid(tmp_path)
