"""What a user installs from the built wheels sends alerts: nothing of this repository is in reach."""

import json
import ssl
import subprocess
import threading
import zipfile
from collections.abc import Callable, Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller

pytestmark = pytest.mark.once

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIGURATION = """
[targets.ops-slack]
type = "slack"
webhook_url = "env:OPS_WEBHOOK"

[targets.mail]
type = "smtp"
host = "localhost"
port = {port}
from_email = "alerts@example.org"
to_emails = ["ops@example.org", "dba@example.org"]
ca_bundle = "{ca_bundle}"
"""
CANARY = "hunter2-canary-7Qx"
OLD_NAMES = "alert_infra_compat"  # no plugin: it has the import names of another project
PACKAGES = {OLD_NAMES: {"alert_infra", "feature_flag_infra"}}


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[Any]]]:
    """The URL of a loopback webhook, and the JSON that it got."""
    received: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None:
            """Say nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/services/T0/B0/secret", received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def mail_server(tmp_path: Path) -> Iterator[tuple[int, Path, list[Any]]]:
    """The port of a mail server that demands STARTTLS, its authority's certificate, the envelopes."""
    received: list[Any] = []

    class Handler:
        async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's
            received.append(envelope)
            return "250 OK"

    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Controller(Handler(), hostname="127.0.0.1", port=port, tls_context=context, require_starttls=True)
    server.start()
    yield port, tmp_path / "ca.pem", received
    server.stop()


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Run a program of the new environment, with no variable but those given."""

    def run(program: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(installed / program), *arguments],
            cwd=tmp_path,
            env=variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def test_a_wheel_has_its_package_typed_and_no_tests(wheels: list[Path]) -> None:
    for wheel in wheels:
        name = wheel.name.split("-")[0]
        packages = PACKAGES.get(name, {name})
        files = zipfile.ZipFile(wheel).namelist()
        assert {f"{package}/py.typed" for package in packages} <= {*files}
        assert {file.split("/")[0].partition("-")[0] for file in files} == {*packages, name}


def test_every_plugin_loads_beside_the_others(run: Run, wheels: list[Path]) -> None:
    done = run("alertctl", "plugins", "--json")
    rows = {row["distribution"]: row["state"] for row in json.loads(done.stdout)}
    plugins = {wheel.name.split("-")[0] for wheel in wheels} - {OLD_NAMES}
    assert rows.items() >= {name.replace("_", "-"): "loaded" for name in plugins}.items()


def test_alertctl_sends_through_slack_with_nothing_but_the_webhook_in_the_environment(
    run: Run, webhook: tuple[str, list[Any]]
) -> None:
    url, received = webhook
    done = run("alertctl", "send", "Disk full", "-m", f"password={CANARY}", ALERT_SLACK_WEBHOOK_URL=url)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    (payload,) = received
    assert "Disk full" in json.dumps(payload)
    assert CANARY not in json.dumps(payload)


def test_alertctl_sends_through_every_target_of_alerts_toml(
    run: Run, webhook: tuple[str, list[Any]], mail_server: tuple[int, Path, list[Any]], tmp_path: Path
) -> None:
    url, posted = webhook
    port, ca_bundle, mailed = mail_server
    (tmp_path / "alerts.toml").write_text(CONFIGURATION.format(port=port, ca_bundle=ca_bundle))
    done = run("alertctl", "send", "Disk full", "-m", f"password={CANARY}", "--json", OPS_WEBHOOK=url)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert [
        (entry["target"], entry["recipient"], entry["outcome"]) for entry in json.loads(done.stdout)["deliveries"]
    ] == [
        ("ops-slack", None, "delivered"),
        ("mail", "ops@example.org", "delivered"),
        ("mail", "dba@example.org", "delivered"),
    ]
    assert len(posted) == 1
    assert sorted(mail.rcpt_tos[0] for mail in mailed) == ["dba@example.org", "ops@example.org"]
    for mail in mailed:
        message = message_from_bytes(mail.content)
        assert "Disk full" in message["Subject"]
        assert message["To"].split() == ["ops@example.org,", "dba@example.org"]
        assert CANARY.encode() not in mail.content


def test_python_sends_through_the_default_dispatcher(run: Run, webhook: tuple[str, list[Any]]) -> None:
    url, received = webhook
    code = "import alert_core; print(alert_core.send('Disk full', 'No space left').sent)"
    done = run("python", "-I", "-c", code, ALERT_SLACK_WEBHOOK_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, "('slack',)\n", "")
    assert len(received) == 1


def test_a_fault_of_the_configuration_is_told_without_the_secret(run: Run) -> None:
    done = run("alertctl", "send", "Disk full", ALERT_SLACK_WEBHOOK_URL=f"http://example.org/{CANARY}")
    assert done.returncode == 2
    assert "ALERT_SLACK_WEBHOOK_URL" in done.stderr
    assert CANARY not in done.stdout + done.stderr
