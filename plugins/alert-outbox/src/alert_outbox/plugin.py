"""What this distribution contributes. It imports nothing heavy: the queue loads when a configuration asks for it."""

from collections.abc import Iterable

from alert_core import CommandSpec, QueueSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[QueueSpec | CommandSpec]:
    """The queue, and the commands that look after it."""
    yield QueueSpec("outbox", "alert_outbox.outbox:Outbox")
    yield CommandSpec("outbox", "alert_outbox.cli:outbox", "Look after the durable queue.")
    yield CommandSpec("silence", "alert_outbox.cli_state:silence", "Keep alerts quiet for a while.")
    yield CommandSpec("digest", "alert_outbox.cli_state:digest", "Look at digests, and send them.")
