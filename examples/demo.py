"""The demonstration: `nox -s demo`.

Starts a real SMTP server and an HTTP receiver on loopback, sends alerts with secrets in them through Slack, SMTP and
the console, beside a target that refuses and one that hangs, and prints the report, what each receiver got, and what
was masked. No account anywhere is needed, and nothing leaves the machine.
"""

from __future__ import annotations

import contextlib
import email
import email.policy
import json
import socket
import ssl
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller

from alert_core import Alert, DeliveryReport, Dispatcher, Redactor

HANGS_UNTIL = threading.Event()
DEADLINE = 3.0

SLACK_ERRORS = {"/services/T000/B000/archived": (410, b"channel_is_archived")}


class Slack(BaseHTTPRequestHandler):
    """An HTTP receiver that answers as Slack's incoming webhooks do."""

    protocol_version = "HTTP/1.1"
    arrived: list[dict[str, Any]] = []  # noqa: RUF012 - one process, one list

    def do_POST(self) -> None:
        """Take one message."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/hangs"):
            HANGS_UNTIL.wait(60)
        status, answer = SLACK_ERRORS.get(self.path, (200, b"ok"))
        if status == 200 and not HANGS_UNTIL.is_set():  # noqa: PLR2004 - OK
            self.arrived.append(json.loads(body))
        with contextlib.suppress(OSError):  # who hangs too long is left alone
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""


class Mailbox:
    """What aiosmtpd delivers to."""

    def __init__(self) -> None:
        self.arrived: list[tuple[list[str], email.message.Message]] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Take one mail."""
        self.arrived.append(
            (envelope.rcpt_tos, email.message_from_bytes(envelope.content, policy=email.policy.default))
        )
        return "250 2.0.0 Ok: queued as DEMO1"


def secrets_in_free_text() -> tuple[str, dict[str, Any]]:
    """A message and metadata as applications write them on a bad day. No value is a real credential."""
    message = (
        "No answer in 10 s from postgres://billing:Tr0ub4dor-demo@db1.internal:5432/payments\n"
        "retrying with Authorization: Bearer demo-9f8e7d6c5b4a39281706 and password=hunter2-demo"
    )
    metadata = {
        "invoice_id": "INV-1001",
        "api_key": "demo-key-0123456789",
        "request": {"headers": [["Cookie", "sessionid=demo-cookie-1234"], ["Accept", "text/html"]]},
    }
    return message, metadata


def heading(text: str) -> None:
    """Print a line between parts."""
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def show(report: DeliveryReport, seconds: float) -> None:
    """Print what `send()` returned."""
    for delivery in report.deliveries:
        who = delivery.target + (f" → {delivery.recipient}" if delivery.recipient else "")
        what = delivery.error or (delivery.receipt and delivery.receipt.id) or ""
        print(f"  {who:28} {delivery.outcome:10} attempts={delivery.attempts}  {what}")
    print(f"  send() took {seconds:.2f} s; its deadline is {DEADLINE:g} s")


def configuration(http: int, smtp: int, ca_bundle: str) -> dict[str, Any]:
    """What alerts.toml would say."""
    webhook = f"http://127.0.0.1:{http}/services/T000/B000"
    return {
        "deadline": DEADLINE,
        "defaults": {"source": "billing"},
        "targets": {
            "ops-slack": {"type": "slack", "webhook_url": f"{webhook}/demo-secret-path"},
            "mail": {
                "type": "smtp",
                "host": "localhost",
                "port": smtp,
                "security": "starttls",
                "ca_bundle": ca_bundle,
                "from_email": "alerts@example.com",
                "to_emails": ["ops@example.com", "security@example.com"],
            },
            "terminal": {"type": "console", "stream": "stdout"},
            "archived-slack": {"type": "slack", "webhook_url": f"{webhook}/archived"},
            "hung-slack": {"type": "slack", "webhook_url": f"{webhook}/hangs", "timeout": 2.0},
        },
    }


def main() -> int:
    """Run the tour; 0 if every promise that it shows held."""
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(server_tls)
    http = ThreadingHTTPServer(("127.0.0.1", 0), Slack)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    smtp = Controller(mailbox, hostname="127.0.0.1", port=port, tls_context=server_tls, require_starttls=True)
    smtp.start()
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "ca.pem"
        authority.cert_pem.write_to_path(bundle)
        try:
            with Dispatcher.from_config(configuration(http.server_port, port, str(bundle))) as dispatcher:
                return tour(dispatcher, mailbox)
        finally:
            HANGS_UNTIL.set()
            smtp.stop()
            http.shutdown()
            http.server_close()


def tour(dispatcher: Dispatcher, mailbox: Mailbox) -> int:
    """Send, and show what came of it."""
    message, metadata = secrets_in_free_text()
    heading("an application sends this")
    print("  Payment provider timeout\n  " + message.replace("\n", "\n  "))
    print("  metadata = " + json.dumps(metadata))

    heading("the console target prints this")
    alert = Alert("Payment provider timeout", message, severity="critical", tags=["payments"], metadata=metadata)
    start = time.monotonic()
    report = dispatcher.send(alert)
    elapsed = time.monotonic() - start

    heading("the report: one target refuses, one hangs, the others have it")
    show(report, elapsed)

    heading("Slack got")
    arrived = json.dumps(Slack.arrived, ensure_ascii=False)
    print("  " + "\n  ".join(Slack.arrived[0]["text"].splitlines()))
    heading("the SMTP server got, over STARTTLS, one delivery a recipient")
    for recipients, mail in mailbox.arrived:
        text = mail.get_body(("plain",)).get_content()  # type: ignore[attr-defined]  # policy.default: EmailMessage
        print(f"  RCPT {recipients[0]}   To: {mail['To']}\n  Subject: {mail['Subject']}")
        arrived += text
    print("  " + "\n  ".join(text.splitlines()))

    heading("what was masked in the message, and by which rule")
    for match in Redactor().matches(message):
        print(f"  {match.rule:24} {message[match.start : match.end]!r}")
    leaked = [s for s in ("Tr0ub4dor", "9f8e7d6c5b4a", "hunter2", "demo-key", "demo-cookie") if s in arrived]

    heading("then it is over")
    dispatcher.send(alert.evolve(status="resolved", message="The provider answers again."), targets=["terminal"])
    kept = {"ops-slack", "mail", "terminal"} == set(report.sent) and elapsed < DEADLINE + 1
    print(f"\n{'nothing leaked' if not leaked else f'LEAKED: {leaked}'}; every healthy target delivered: {kept}")
    return 0 if kept and not leaked else 1


if __name__ == "__main__":
    raise SystemExit(main())
