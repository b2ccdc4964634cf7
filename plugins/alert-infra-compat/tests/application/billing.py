"""Plain Python: what the shop does with invoices."""

from typing import Any

from alert_infra import Alert, AlertDispatcher, DeliveryResult


class ProviderError(Exception):
    """The payment provider said no."""


def charge(invoice: dict[str, Any], provider: Any, dispatcher: AlertDispatcher) -> DeliveryResult | None:
    """Charge an invoice; tell where that fails."""
    try:
        provider.charge(invoice["id"], invoice["amount"])
    except ProviderError as exc:
        return dispatcher.send(
            Alert(
                title="Payment failure",
                message=exc.__class__.__name__,
                severity="critical",
                source="billing-service",
                tags=("payments", "provider"),
                metadata={"invoice_id": invoice["id"], "lines": tuple(invoice["lines"]), "api_key": provider.api_key},
                request_id=invoice.get("request_id"),
            )
        )
    return None


def nightly_import(run_import: Any, dispatcher: AlertDispatcher) -> None:
    """A job: tells, and fails all the same."""
    try:
        run_import()
    except Exception as exc:
        name = exc.__class__.__name__
        dispatcher.send(Alert("Nightly import failed", name, "critical", "nightly-import", ("import",), {"job": "csv"}))
        raise
