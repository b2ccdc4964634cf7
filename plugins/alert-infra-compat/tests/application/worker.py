"""Celery: the shop's tasks, and a plain Python worker's."""

import os
from typing import Any

from celery import Celery, shared_task

from alert_infra import Alert, AlertDispatcher
from alert_infra.celery import CeleryAlertDispatcher
from alert_infra.django import send_alert

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "application.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


def process(invoice_id: int) -> None:
    """Fail, for the tests."""
    raise LookupError(f"no invoice {invoice_id}; password=hunter2")


@shared_task(bind=True)
def process_invoice(self: Any, invoice_id: int) -> None:
    """As in the README."""
    try:
        process(invoice_id)
    except Exception as exc:
        send_alert(
            title="Invoice task failed",
            message=exc.__class__.__name__,
            severity="error",
            source="celery:process_invoice",
            metadata={"invoice_id": invoice_id, "task_id": self.request.id},
        )
        raise


plain_app = Celery("reports", broker="memory://")
transports: list[Any] = []


@plain_app.task(name="reports.alert")
def deliver(payload: dict[str, Any], transport_names: Any = None, async_options: Any = None) -> list[str]:
    """The worker's task without Django."""
    result = AlertDispatcher(transports).send(Alert.from_dict(payload), transport_names)
    return list(result.sent)


def reports_dispatcher(**more: Any) -> CeleryAlertDispatcher:
    """What the reports enqueue with."""
    config = {"TASK_NAME": "reports.alert", "QUEUE": "reports", "MAX_RETRIES": 5, "FAIL_SILENTLY": False}
    return CeleryAlertDispatcher(**{"celery_app": plain_app, "config": config, **more})
