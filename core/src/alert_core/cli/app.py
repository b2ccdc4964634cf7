"""The commands, each loaded when it is called."""

from __future__ import annotations

import os
import pkgutil
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import click

from alert_core.redaction import redact
from alert_core.text import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alert_core.specs import CommandSpec

BUILT_IN: Final = {
    "send": ("alert_core.cli.send:send", "Send an alert."),
    "check": ("alert_core.cli.check:check", "Validate the configuration."),
    "plugins": ("alert_core.cli.plugins:plugins", "Show what is installed."),
    "route": ("alert_core.cli.route:route", "Show which way an alert takes."),
    "redact": ("alert_core.cli.redact:redact", "Show what would be masked in a text."),
    "new-plugin": ("alert_core.cli.new_plugin:new_plugin", "Write the project of a new plugin."),
}


class Commands(click.Group):
    """The commands of the core, and those that plugins add. Of one name, the core's."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, the core's first."""
        return [*BUILT_IN, *sorted(_added().keys() - BUILT_IN.keys())]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Load one command; a plugin's that cannot be loaded is one that says so."""
        if name in BUILT_IN:
            return _command(pkgutil.resolve_name(BUILT_IN[name][0]))
        spec = _added().get(name)
        if spec is None:
            return None
        try:
            given = spec.command
            return _command(pkgutil.resolve_name(given) if isinstance(given, str) else given)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a plugin's module does while it is imported
            return _broken(spec, error)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by their summaries, loading none of them."""
        added = _added()
        rows = [(n, BUILT_IN[n][1] if n in BUILT_IN else one_line(added[n].summary)) for n in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click, with the nearest command where there is none."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, self.list_commands(ctx), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "see alertctl --help"
            ctx.fail(f"no such command {name!r}; {hint}")
        return super().resolve_command(ctx, args)


def _use(_: click.Context, __: click.Parameter, path: str | None) -> None:
    if path is not None:
        os.environ["ALERT_CONFIG"] = path  # what every command reads, a plugin's too


config_option = click.option(
    "--config",
    metavar="PATH",
    expose_value=False,
    callback=_use,
    help="The alerts.toml to use. Default: ALERT_CONFIG, ./alerts.toml.",
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@config_option
@click.version_option(version("alert-core"), prog_name="alertctl")
def app() -> None:
    """Deliver alerts, and look after their delivery."""


def _added() -> Mapping[str, CommandSpec]:
    from alert_core.plugins import installed_plugins

    return {spec.name: spec for spec in installed_plugins().commands}


def _command(found: Any) -> click.Command:
    if not isinstance(found, click.Command):
        raise TypeError(f"a {type(found).__name__} is no click command")
    return found


def _broken(spec: CommandSpec, error: BaseException) -> click.Command:
    reason = one_line(str(redact(f"{type(error).__name__}: {error}")))

    @click.command(spec.name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    def broken(arguments: tuple[str, ...]) -> None:  # noqa: ARG001 - taken, so that click does not refuse them
        message = f"the command {spec.name} is broken ({reason}); see alertctl plugins"
        raise click.UsageError(message)

    return broken
