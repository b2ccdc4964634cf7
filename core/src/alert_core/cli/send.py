"""`alertctl send`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from alert_core.cli.alerts import alert_fields, alert_options
from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, json_faults, show_report
from alert_core.errors import ConfigError
from alert_core.report import Outcome
from alert_core.text import one_line

if TYPE_CHECKING:
    from alert_core.alert import Alert
    from alert_core.dispatcher import Dispatcher
    from alert_core.report import DeliveryReport, Ticket

PATIENCE: Final = 1.0
"""Seconds after which somebody at a terminal is told for whom they wait."""


@click.command()
@config_option
@click.argument("title")
@alert_options
@click.option("--target", "targets", multiple=True, help="Instead of the routes; may be given several times.")
@click.option("--json", "json_", is_flag=True, help="Print the report as JSON.")
def send(title: str, targets: tuple[str, ...], json_: bool, **given: Any) -> int:
    """Send an alert, and print a line for each target.

    Without -m, the title is the text too.
    """
    from alert_core import default

    try:
        dispatcher = default.get()
        fields = alert_fields(given)
        alert = default.alert_of("send", dispatcher, title, fields.pop("message", None), fields)
        report = _sent(dispatcher, alert, targets or None)
    except ConfigError as error:
        if not json_:
            raise
        return json_faults(error)
    if json_:
        as_json(report.to_dict())
    else:
        show_report(report)
    return 0 if report.ok else 1


def _sent(dispatcher: Dispatcher, alert: Alert, targets: tuple[str, ...] | None) -> DeliveryReport:
    """As `Dispatcher.send()`; on a terminal, it says for whom it waits."""
    began = time.monotonic()
    ends = began + dispatcher.deadline
    ticket, _ = dispatcher._dispatch(alert, targets, ends)  # noqa: SLF001 - our own
    try:
        if dispatcher._is_waited_for(ticket):  # noqa: SLF001
            if sys.stderr.isatty() and not ticket.wait(min(PATIENCE, dispatcher.deadline)):
                _tell(ticket, waited=time.monotonic() - began)
            ticket.wait(ends - time.monotonic())
    except KeyboardInterrupt:
        if ticket.stored:
            click.echo("the alert stays in the queue, and will be delivered", err=True)
        raise
    return ticket.freeze()


def _tell(ticket: Ticket, waited: float) -> None:
    names = dict.fromkeys(one.target for one in ticket.report(0).deliveries if one.outcome is Outcome.QUEUED)
    if waited >= PATIENCE and names:
        click.echo(f"waiting for {', '.join(map(one_line, names))} …", err=True)
