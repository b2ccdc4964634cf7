"""`manage.py sendtestalert`: see whether alerts arrive."""

from __future__ import annotations

import socket
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

import alert_core
from alert_core import AlertError, Severity
from alert_core.text import one_line
from alert_django.dispatchers import get_dispatcher


class Command(BaseCommand):
    """Exit status: 0 every target has it, or a durable queue; 1 one has not; 2 the settings are wrong."""

    help = "Sends a test alert to every target, or to those named, and prints a line for each."
    requires_system_checks = ()  # they would end it with 1

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What it may be told."""
        parser.add_argument("--target", dest="targets", action="append", help="A target; may be given several times.")
        parser.add_argument("--severity", default="info", choices=[one.value for one in Severity])

    def handle(self, *_: Any, targets: list[str] | None, severity: str, **__: Any) -> None:
        """Send it, past the routes."""
        try:
            names = targets or list(get_dispatcher().targets)
            report = alert_core.send(
                f"Test alert from {socket.gethostname()}",
                "manage.py sendtestalert sent this to see whether it arrives.",
                severity=severity,
                source="sendtestalert",
                targets=names,
            )
        except AlertError as error:
            raise CommandError(str(error), returncode=2) from None
        for delivery in report.deliveries:
            target = delivery.target if delivery.recipient is None else f"{delivery.target} → {delivery.recipient}"
            detail = f": {one_line(str(delivery.error))}" if delivery.error else ""
            self.stdout.write(f"{target}: {delivery.outcome}{detail}")
        if report.dropped:
            self.stdout.write(f"sent to no target: {one_line(report.dropped)}")
        if not report.ok:
            raise CommandError("not every target has it", returncode=1)
