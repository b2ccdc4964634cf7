"""`manage.py alertctl`: commands of plugins, as `outbox`, `silence` and `digest`, with the project's settings."""

from __future__ import annotations

import pkgutil
from argparse import REMAINDER, ArgumentParser
from typing import Any

import click
from django.core.management.base import BaseCommand, CommandError

from alert_core import AlertError
from alert_django.dispatchers import build_dispatcher


class Command(BaseCommand):
    """The exit status is the command's own."""

    help = "Runs a command that a plugin adds to alertctl, on the outbox of the settings: alertctl outbox status."
    requires_system_checks = ()  # they would end it with 1

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The command, and all that is its own."""
        parser.add_argument("name", help="outbox, silence or digest")
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *_: Any, name: str, arguments: list[str], **__: Any) -> None:
        """Run it with a dispatcher that delivers nothing by itself."""
        try:
            dispatcher = build_dispatcher(delivers=False)
            if dispatcher is None:
                raise CommandError("ALERTS is not set in the settings", returncode=2)
            with dispatcher:
                found = {spec.name: spec.command for spec in dispatcher.plugins.commands}
                if name not in found:
                    raise CommandError(f"no plugin has a command {name}; there are: {', '.join(sorted(found))}")
                command = pkgutil.resolve_name(found[name]) if isinstance(found[name], str) else found[name]
                status = command.main(arguments, f"manage.py alertctl {name}", obj=dispatcher, standalone_mode=False)
        except click.ClickException as error:
            raise CommandError(error.format_message(), returncode=error.exit_code) from None
        except AlertError as error:
            raise CommandError(str(error), returncode=2) from None
        if status:
            raise SystemExit(status)
