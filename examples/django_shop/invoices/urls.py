"""Paying, refunding, complaining."""

from django.urls import path

from . import views

urlpatterns = [
    path("invoices/<int:number>/pay/", views.pay),
    path("invoices/<int:number>/refund/", views.refund),
    path("complain/", views.complain),
]
