"""Run supplier synchronization."""

from typing import Any

from django.core.management.base import BaseCommand

from alert_infra.django import send_alert


def synchronize_supplier_data() -> None:
    """Fail, for the tests."""
    raise TimeoutError("supplier")


class Command(BaseCommand):
    """As in the README."""

    help = "Run supplier synchronization"

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            synchronize_supplier_data()
        except Exception as exc:
            send_alert(
                title="Supplier sync failed",
                message=exc.__class__.__name__,
                severity="critical",
                source="management-command:supplier_sync",
                metadata={"command": "supplier_sync"},
            )
            raise
