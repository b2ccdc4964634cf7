"""The tour: examples through every installed transport, and what became of them. Its exit status says if all held."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Final

import click

from alert_core import Alert, DeliveryReport, Dispatcher
from alert_sandbox.server import Sandbox
from alert_sandbox.store import Message

DEADLINE: Final = 60.0
TIMEOUT: Final = 20.0
"""Seconds; long, so that a machine with other work shows no fault of its own."""
SECRETS: Final = (
    "Tr0ub4dor-demo",
    "demo-9f8e7d6c5b4a39281706",
    "hunter2-demo",
    "demo-key-0123456789",
    "demo-cookie-1234",
)
"""What must not arrive. No value is a real credential."""


def alerts() -> Iterator[tuple[str, Alert]]:
    """What an application sends, each with what it shows."""
    timeout = Alert(
        "Payment provider timeout",
        "No answer in 10 s from postgres://billing:Tr0ub4dor-demo@db1.internal:5432/payments\n"
        "retrying with Authorization: Bearer demo-9f8e7d6c5b4a39281706 and password=hunter2-demo",
        severity="critical",
        source="billing",
        tags=["payments", "eu"],
        dedup_key="payments-timeout",
        url="https://grafana.example.org/d/payments?from=now-1h&to=now",
        metadata={
            "invoice_id": "INV-1001",
            "api_key": "demo-key-0123456789",
            "request": {"headers": [["Cookie", "sessionid=demo-cookie-1234"], ["Accept", "text/html"]]},
        },
    )
    yield "firing, with five secrets in it", timeout
    lines = "\n".join(f"{n:03d}  worker-{n % 7}  job {7000 + n} waited {n * 3} s" for n in range(1, 401))
    long = Alert("Queue is growing: " + "mail, invoices, exports, " * 8, lines, severity="warning", source="worker")
    yield "long: a title of 200 characters, 400 lines", long
    yield (
        "many languages, and markup that must stay text",
        Alert(
            "Espaço em disco quase cheio 💽 磁盘空间不足",
            "São Tomé: 98 % de /var\nالقرص ممتلئ تقريبًا\nмало места на диске\n"  # noqa: RUF001 - other alphabets
            "<!channel> <b>bold?</b> <script>alert(1)</script> *stars* _under_ [link](https://example.com)",
            severity="error",
            source="disco",
        ),
    )
    yield (
        "resolved: it closes the PagerDuty incident",
        timeout.evolve(status="resolved", message="The provider answers again."),
    )


def main(sandbox: Sandbox, *, interactive: bool | None = None) -> int:
    """Send them all; 0 if every target delivered and no secret arrived.

    Args:
        interactive: whether to leave the sandbox up until a key is pressed; by default, where there is a terminal.
    """
    targets = {name: {**target, "timeout": TIMEOUT} for name, target in sandbox.targets().items()}
    if not targets:
        click.echo("No transport is installed: pip install alert-slack, for one.", err=True)
        return 2
    kept = True
    configuration: dict[str, Any] = {"deadline": DEADLINE, "targets": targets}
    with Dispatcher.from_config(configuration) as dispatcher:
        for what, alert in alerts():
            heading(what)
            kept &= show(dispatcher.send(alert))
        heading("one provider is out of order: 503, then 429 with Retry-After, then well again")
        kept &= recover(sandbox, dispatcher, next(iter(targets)))
    return conclude(sandbox, kept=kept, interactive=sys.stdin.isatty() if interactive is None else interactive)


def recover(sandbox: Sandbox, dispatcher: Dispatcher, target: str) -> bool:
    """Break a provider, and send to it; whether the alert arrived all the same."""
    sandbox.fail(target, "503,429:1,ok")
    report = dispatcher.send(
        Alert("Backup finished late", "02:00 took 3 h 12 min", severity="info", source="backup"), targets=[target]
    )
    return show(report) and report.deliveries[0].attempts == 3  # noqa: PLR2004 - 503, 429, ok


def conclude(sandbox: Sandbox, *, kept: bool, interactive: bool) -> int:
    """Tell what arrived, and wait for the reader."""
    arrived = sandbox.messages()
    heading("what was masked in the first alert, as its readers see it")
    first = next((message for message in arrived if message.masked), None)
    for line in (first.text if first else "nothing").splitlines()[:12]:
        click.echo(f"  {line}")
    leaked = leaks(arrived)
    click.echo(f"\n{f'LEAKED: {leaked}' if leaked else 'nothing leaked'}; every target delivered: {kept}")
    click.echo(f"{len(arrived)} requests arrived; see them as their readers do: {sandbox.url}/")
    if interactive:
        wait_for_key()
    return 0 if kept and not leaked else 1


def leaks(arrived: Sequence[Message]) -> list[str]:
    """The secrets that are anywhere in what arrived."""
    told = json.dumps([message.to_dict() for message in arrived], ensure_ascii=False)
    return [secret for secret in SECRETS if secret in told]


def show(report: DeliveryReport) -> bool:
    """Print a line for each target; whether all delivered."""
    for delivery in report.deliveries:
        who = delivery.target + (f" → {delivery.recipient}" if delivery.recipient else "")
        what = delivery.error or (delivery.receipt and delivery.receipt.id) or ""
        click.echo(f"  {who:28} {delivery.outcome:10} attempts={delivery.attempts}  {what}")
    return report.ok


def heading(text: str) -> None:
    """Print a line between parts."""
    click.echo(f"\n{click.style('== ' + text, bold=True)}")


def wait_for_key() -> None:
    """Until a key is pressed on the terminal, or Ctrl-C."""
    click.echo("A key ends it.")
    try:
        click.getchar()
    except (KeyboardInterrupt, EOFError):
        click.echo()
