"""What this distribution contributes. It imports nothing heavy: each loads when a configuration asks for it."""

from collections.abc import Iterable

from alert_core import QueueSpec, TransportSpec, hookimpl


@hookimpl
def alert_register() -> Iterable[QueueSpec | TransportSpec]:
    """The transport through Django's mail backend, and the queue on the project's database."""
    yield TransportSpec("django", "alert_django.mail:DjangoTransport", "E-mail, through Django's mail backend")
    yield QueueSpec("django", "alert_django.outbox:DjangoOutbox")
