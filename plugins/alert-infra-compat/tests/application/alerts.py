"""Where the shop's scripts send alerts: one dispatcher a process."""

from functools import lru_cache
from typing import Any

from alert_infra import Alert, AlertDispatcher
from alert_infra.apps import SlackWebhookTransport, TelegramBotTransport
from alert_infra.email import ResendEmailTransport, SMTPEmailTransport
from alert_infra.exceptions import AlertDeliveryError


class PagerDutyTransport:
    """A transport of the shop's own."""

    name = "pagerduty"

    def __init__(self, client: Any, service_id: str) -> None:
        self.client = client
        self.service_id = service_id

    def send(self, alert: Alert) -> None:
        payload = {
            "summary": f"[{alert.severity.upper()}] {alert.title}",
            "source": alert.source or "unknown",
            "severity": alert.severity,
            "custom_details": alert.to_dict(),
        }
        try:
            self.client.trigger_incident(self.service_id, payload)
        except Exception as exc:
            raise AlertDeliveryError("PagerDuty alert delivery failed", self.service_id) from exc


@lru_cache(maxsize=1)
def get_dispatcher() -> AlertDispatcher:
    """From the environment."""
    return AlertDispatcher(
        [SMTPEmailTransport.from_env(), SlackWebhookTransport.from_env(), TelegramBotTransport.from_env()]
    )


def mail_only(**injected: Any) -> AlertDispatcher:
    """For the deployment scripts, which must stop where an alert did not go out."""
    return AlertDispatcher([ResendEmailTransport.from_env(**injected)], raise_on_failure=True)
