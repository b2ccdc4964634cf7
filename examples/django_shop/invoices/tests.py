# ruff: noqa: PLR2004, S101 - what tests are made of
"""`python manage.py test`: what the views alert of, and that nothing is sent meanwhile."""

from django.test import TestCase

from alert_django.testing import AlertsMixin

from .models import Invoice


class InvoiceTest(AlertsMixin, TestCase):
    """Each with the invoices of the first migration."""

    def test_a_payment_alerts_once_it_is_committed(self) -> None:
        """Django's TestCase never commits: `captureOnCommitCallbacks` does what a commit would."""
        with self.captureOnCommitCallbacks(execute=True):
            assert self.client.post("/invoices/1/pay/").status_code == 200
        self.alerts.assert_sent(title="Invoice paid", severity="info", target="chat", times=1)

    def test_a_refused_payment_alerts_of_the_refusal_alone(self) -> None:
        """What was rolled back is told to nobody."""
        with self.captureOnCommitCallbacks(execute=True):
            assert self.client.post("/invoices/13/pay/").status_code == 402
        self.alerts.assert_sent(title="the bank refused invoice 13", severity="error")
        assert len(self.alerts.alerts) == 1
        assert Invoice.objects.get(number=13).status == "open"

    def test_nobody_pays_twice(self) -> None:
        """The alert tells of the request, and not of its credentials."""
        Invoice.objects.filter(number=2).update(status="paid")
        with self.captureOnCommitCallbacks(execute=True):
            response = self.client.post("/invoices/2/pay/", headers={"Authorization": "Bearer secret"})
        assert response.status_code == 409
        (alert,) = self.alerts.assert_sent(title="Suspicious invoice update", tags=["security"])
        assert alert.metadata["request"]["path"] == "/invoices/2/pay/"
        assert "secret" not in str(alert.to_dict())
