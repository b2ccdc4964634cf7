"""What this distribution contributes. It imports nothing heavy: a transport loads when a target needs it."""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    """The one kind."""
    yield TransportSpec("telegram", "alert_telegram.transport:TelegramTransport", "Telegram, as a bot")
