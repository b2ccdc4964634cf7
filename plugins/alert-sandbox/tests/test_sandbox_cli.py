"""`alertctl sandbox`: --env, --exec, --tour, and what it says of itself."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from click.testing import CliRunner

from alert_sandbox import environment, tour
from alert_sandbox.cli import introduce
from alert_sandbox.cli import sandbox as command
from alert_sandbox.testing import Sandbox

ALERTCTL = str(Path(sys.executable).with_name("alertctl"))
FREE = ["--port", "0", "--smtp-port", "0", "--smtps-port", "0"]
CLEAN = {
    name: value
    for name, value in {**os.environ, "PYTHONUNBUFFERED": "1"}.items()
    if not name.startswith(("ALERT_", "CASTBRICK_", "TWILIO_", "VONAGE_"))
}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [ALERTCTL, "sandbox", *arguments]
    return subprocess.run(line, env=CLEAN, capture_output=True, text=True, timeout=120, check=False)


def test_the_help_shows_each_command_on_a_line_of_its_own() -> None:
    assert '\n      alertctl send "Disk full" -s critical\n' in CliRunner().invoke(command, ["--help"]).output


def test_env_prints_what_a_shell_takes_and_starts_nothing() -> None:
    told = CliRunner().invoke(command, ["--env", "--port", "8999", "--smtp-port", "2599"])
    assert told.exit_code == 0
    lines = [shlex.split(line) for line in told.stdout.splitlines()]
    assert all(line[0] == "export" and len(line) == 2 for line in lines)
    variables = dict(line[1].split("=", 1) for line in lines)
    assert variables["ALERT_SLACK_WEBHOOK_URL"].startswith("http://127.0.0.1:8999/slack/services/T")
    assert variables["ALERT_SLACK_BOT_API_URL"] == "http://127.0.0.1:8999/slack/api"
    assert variables["ALERT_SENDGRID_API_URL"] == "http://127.0.0.1:8999/sendgrid/v3"
    assert variables["ALERT_SMTP_PORT"] == "2599"
    assert variables["ALERT_SMTP_SECURITY"] == "none"
    assert set(variables) == set(environment.environment(ADDRESSES))


ADDRESSES = environment.Addresses(url="http://127.0.0.1:1", host="127.0.0.1", smtp_port=2, smtps_port=3)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--env", "--tour"], "exclude each other"),
        (["--env", "--port", "0"], "none may be 0"),
        ([*FREE, "--exec", "'"], "--exec"),
        ([*FREE, "--exec", "no-such-program-at-all"], "--exec"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(arguments: list[str], part: str) -> None:
    told = CliRunner().invoke(command, arguments)
    assert (told.exit_code, part in told.output) == (2, True), told.output


def test_a_port_that_is_taken_is_told_with_a_way_out(sandbox: Sandbox) -> None:
    port = sandbox.url.rpartition(":")[2]
    told = CliRunner().invoke(command, ["--port", port])
    assert told.exit_code == 2
    assert "--port 0" in told.output


@pytest.mark.once
def test_exec_runs_a_command_against_it_and_ends_with_its_status_and_what_arrived() -> None:
    code = (
        "import os, urllib.request as u;"
        'u.urlopen(u.Request(os.environ["ALERT_SLACK_WEBHOOK_URL"], data=b\'{"text": "Disk full"}\'));'
        "raise SystemExit(7)"
    )
    done = run(*FREE, "--exec", shlex.join([sys.executable, "-c", code]))
    assert (done.returncode, done.stdout) == (7, ""), done.stderr
    assert done.stderr.split() == ["slack", "accepted", "Disk", "full"]


@pytest.mark.once
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_the_inbox_is_and_a_signal_ends_it_and_leaves_nothing_behind(ending: signal.Signals) -> None:
    line = [ALERTCTL, "sandbox", *FREE]
    with subprocess.Popen(line, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stderr
        said = [process.stdout.readline() for _ in range(6)]  # the last of them comes once the signals are heard
        url = said[0].split()[-1]
        assert httpx.get(f"{url}api/messages", trust_env=False).json() == {"messages": []}
        folder = Path(said[1].split()[-1]).parent
        assert folder.is_dir()
        process.send_signal(ending)
        assert process.wait(timeout=60) == 0, process.stderr.read()
        assert not folder.exists()


@pytest.mark.once
def test_the_tour_delivers_through_every_installed_transport_and_leaks_nothing(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    kinds = set(environment.installed())
    assert kinds
    assert tour.main(sandbox, interactive=False) == 0, capsys.readouterr().out
    assert {message.kind for message in sandbox.messages(accepted=True)} == kinds
    assert [m.fault for m in sandbox.messages() if m.fault] == ["503", "429:1"]
    assert "nothing leaked" in capsys.readouterr().out
    assert any(message.masked for message in sandbox.messages())


def test_the_tour_ends_with_1_where_a_secret_arrived(sandbox: Sandbox, capsys: pytest.CaptureFixture[str]) -> None:
    httpx.post(f"{sandbox.url}/slack/services/T0/B0/x", json={"text": tour.SECRETS[0]}, trust_env=False)
    assert tour.conclude(sandbox, kept=True, interactive=False) == 1
    assert "LEAKED" in capsys.readouterr().out


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_there_cannot_be_is_a_usage_error(port: str) -> None:
    assert CliRunner().invoke(command, ["--port", port]).exit_code == 2


def test_the_line_to_copy_names_the_mail_servers_port_too(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = int(sandbox.url.rpartition(":")[2])
    monkeypatch.setattr("alert_sandbox.cli.PORT", port)
    introduce(sandbox)
    assert f"--env --port {port} --smtp-port {sandbox.addresses.smtp_port}" in capsys.readouterr().out


@pytest.mark.once
def test_a_signal_ends_the_command_that_exec_runs_too() -> None:
    code = "import os; print(os.getpid(), flush=True); import threading; threading.Event().wait()"
    line = [ALERTCTL, "sandbox", *FREE, "--exec", shlex.join([sys.executable, "-c", code])]
    with subprocess.Popen(line, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        child = int(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) != 0
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)
