"""What this distribution contributes. It imports nothing heavy: Celery loads when a configuration asks for it."""

from collections.abc import Iterable

from alert_core import QueueSpec, TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[QueueSpec | TransportSpec]:
    """The queue, and what stands for a target that its workers have."""
    yield QueueSpec("celery", "alert_celery.queue:CeleryQueue")
    yield TransportSpec("remote", "alert_celery.transport:RemoteTransport", "A target that the Celery workers have")
