"""What this distribution contributes. It imports nothing heavy: a transport loads when a target needs it."""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    """The kind `resend`."""
    yield TransportSpec(
        "resend", "alert_resend.transport:ResendTransport", "E-mail through Resend's API", family="email", preference=30
    )
