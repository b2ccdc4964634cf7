"""What this plugin contributes to alert-core."""

from collections.abc import Iterator

from alert_core import CommandSpec, hookimpl


@hookimpl
def alert_register() -> Iterator[CommandSpec]:
    """Contribute the command `sandbox`."""
    yield CommandSpec("sandbox", "alert_sandbox.cli:sandbox", "Show every alert as its reader will see it.")
