"""The shop's URLs."""

from django.urls import path

from application.views import update_invoice

urlpatterns = [path("invoices/<int:invoice_id>/", update_invoice)]
