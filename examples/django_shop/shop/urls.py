"""The invoices, and the hooks of monitoring tools."""

from django.urls import include, path

urlpatterns = [path("", include("invoices.urls")), path("monitoring/", include("alert_django.urls"))]
