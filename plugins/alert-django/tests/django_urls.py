"""The URLs of the project that alert-django's tests are."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from alert_django import asend_alert, send_alert


def block(request: HttpRequest, number: int) -> JsonResponse:
    report = send_alert(title="Blocked", message=f"Invoice {number}", request=request)
    return JsonResponse(report.to_dict())


async def ablock(request: HttpRequest, number: int) -> JsonResponse:
    report = await asend_alert(title="Blocked", message=f"Invoice {number}", request=request)
    return JsonResponse(report.to_dict())


def pay(request: HttpRequest, number: int) -> JsonResponse:
    """Alert within a transaction, which fails for invoice 13."""
    with transaction.atomic():
        report: Any = send_alert(title="Paid", message=f"Invoice {number}", request=request)
        if number == 13:
            raise RuntimeError("unlucky")
    return JsonResponse(report.to_dict())


urlpatterns = [
    path("block/<int:number>/", block, name="block"),
    path("ablock/<int:number>/", ablock, name="ablock"),
    path("pay/<int:number>/", pay, name="pay"),
    path("hooks/", include("alert_django.urls")),
    path("ahooks/", include("alert_django.async_urls")),
]
