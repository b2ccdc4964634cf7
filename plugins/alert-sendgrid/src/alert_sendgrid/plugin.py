"""What this distribution contributes. It imports nothing heavy: a transport loads when a target needs it."""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    """The kind `sendgrid`."""
    yield TransportSpec(
        "sendgrid",
        "alert_sendgrid.transport:SendGridTransport",
        "E-mail through SendGrid's API",
        family="email",
        preference=20,
    )
