"""`alertctl send`."""

from __future__ import annotations

from typing import Any

import click

from alert_core.cli.alerts import alert_fields, alert_options
from alert_core.cli.app import config_option
from alert_core.cli.output import as_json, json_faults, show_report
from alert_core.errors import ConfigError


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
        report = default.send(title, targets=targets or None, **alert_fields(given))
    except ConfigError as error:
        if not json_:
            raise
        return json_faults(error)
    if json_:
        as_json(report.to_dict())
    else:
        show_report(report)
    return 0 if report.ok else 1
