"""Views that alert: with the transaction, on its commit, whatever becomes of it, and in a coroutine."""

import logging

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt

from alert_django import asend_alert, send_alert

from .models import Invoice

LIMIT = 100_000
logger = logging.getLogger(__name__)


class RefusedError(Exception):
    """The bank does not pay so much."""


@csrf_exempt  # an example has no login
def pay(request: HttpRequest, number: int) -> JsonResponse:
    """Pay an invoice. Of a payment that the bank refuses nothing stays, and no alert says that it was made."""
    try:
        with transaction.atomic():
            invoice = get_object_or_404(Invoice.objects.select_for_update(), number=number)
            if invoice.status != "open":
                report = send_alert(
                    title="Suspicious invoice update",
                    message=f"Invoice {number} is {invoice.status}, and was to be paid.",
                    severity="warning",
                    tags=("invoice", "security"),
                    metadata={"invoice": number, "authorization": request.headers.get("Authorization")},
                    request=request,
                )
                return JsonResponse({"ok": False, "alert_stored": report.stored}, status=409)
            Invoice.objects.filter(pk=invoice.pk).update(status="paid")
            send_alert(title="Invoice paid", message=f"Invoice {number}: {invoice.amount}", severity="info")
            charge(invoice)
    except RefusedError:
        logger.exception("the bank refused invoice %s", number)  # an alert by LOGGING of the settings
        return JsonResponse({"ok": False}, status=402)
    return JsonResponse({"ok": True})


def charge(invoice: Invoice) -> None:
    """Ask the bank, within the transaction."""
    if invoice.amount > LIMIT:
        raise RefusedError


@csrf_exempt
@transaction.atomic
def refund(request: HttpRequest, number: int) -> JsonResponse:
    """Give the money back. `on_commit` says it for any queue, and here for the reader."""
    changed = Invoice.objects.filter(number=number, status="paid").update(status="refunded")
    send_alert(title="Invoice refunded", message=f"Invoice {number}", severity="info", request=request, on_commit=True)
    if not changed:
        transaction.set_rollback(True)
    return JsonResponse({"ok": bool(changed)}, status=200 if changed else 409)


@csrf_exempt
async def complain(request: HttpRequest) -> JsonResponse:
    """Tell somebody at once."""
    report = await asend_alert(title="A complaint", message=request.POST.get("text") or "?", request=request)
    return JsonResponse({"ok": report.ok})
