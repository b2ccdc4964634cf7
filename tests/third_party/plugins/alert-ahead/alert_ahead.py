"""It was made for a later core, which has one more hook."""

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> list[TransportSpec]:
    """What this core knows."""
    return [TransportSpec("ahead", "alert_core.builtin:NoopTransport")]


@hookimpl
def alert_snoozed(until: float) -> None:
    """What this core does not know."""
