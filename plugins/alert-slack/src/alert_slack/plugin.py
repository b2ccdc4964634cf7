"""What this distribution contributes. It imports nothing heavy: a transport loads when a target needs it."""

from collections.abc import Iterable

from alert_core import TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[TransportSpec]:
    """The two kinds."""
    yield TransportSpec("slack", "alert_slack.transport:SlackTransport", "Slack, through an incoming webhook")
    yield TransportSpec(
        "slack-bot", "alert_slack.transport:SlackBotTransport", "Slack, as a bot that threads a resolve"
    )
