"""What this plugin contributes to alert-core."""

from collections.abc import Iterator

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterator[TransportSpec]:
    """Contribute the kind `smtp`."""
    yield TransportSpec(
        "smtp", "alert_smtp.transport:SmtpTransport", "E-mail through an SMTP server", family="email", preference=10
    )
