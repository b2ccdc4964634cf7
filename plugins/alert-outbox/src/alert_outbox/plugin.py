"""What this distribution contributes. It imports nothing heavy: the queue loads when a configuration asks for it."""

from collections.abc import Iterable

from alert_core import CommandSpec, QueueSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[QueueSpec | CommandSpec]:
    """The queue, and the command that looks after it."""
    yield QueueSpec("outbox", "alert_outbox.outbox:Outbox")
    yield CommandSpec("outbox", "alert_outbox.cli:outbox", "Look after the durable queue.")
