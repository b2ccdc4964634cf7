"""The shop's views."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse

from alert_infra.django import send_alert

INVOICES = {7: SimpleNamespace(id=7, status="cancelled")}


def request_id_middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Give each request an id and a user."""

    def middleware(request: Any) -> HttpResponse:
        request.request_id = request.headers.get("X-Shop-Request", "req-1")
        request.user = SimpleNamespace(pk=42, id=42)
        return get_response(request)

    return middleware


def update_invoice(request: Any, invoice_id: int) -> JsonResponse:
    """Refuse to pay a cancelled invoice, and tell."""
    invoice = INVOICES[invoice_id]
    if invoice.status != "open":
        result = send_alert(
            title="Suspicious invoice update",
            message="Invoice status transition was blocked.",
            source="invoice-view",
            tags=("invoice", "security"),
            metadata={
                "invoice_id": invoice.id,
                "user_id": request.user.id,
                "authorization": request.headers.get("Authorization"),
            },
            request=request,
        )
        return JsonResponse({"ok": False, "alert_sent": result.ok, "sent": list(result.sent)}, status=409)
    return JsonResponse({"ok": True})
