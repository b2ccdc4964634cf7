"""What stands for a target where only the workers have its credentials."""

from __future__ import annotations

from alert_core import Alert, Receipt, RetryableDeliveryError, Transport


class RemoteTransport(Transport):
    """A target that the Celery workers have: alerts are routed to it by name, and no option of it is needed here."""

    kind = "remote"

    def send(self, alert: Alert) -> Receipt:  # noqa: ARG002 - a transport's signature
        """Refuse: this process cannot deliver, even where the broker is down.

        Raises:
            RetryableDeliveryError: always.
        """
        raise RetryableDeliveryError("only a worker can deliver it: its target is of type remote here")
