# mypy: disable-error-code=var-annotated
"""An invoice."""

from django.db import models


class Invoice(models.Model):
    """What somebody owes."""

    number = models.IntegerField(unique=True)
    amount = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(max_length=10, default="open")  # open, paid, refunded

    def __str__(self) -> str:
        return f"Invoice {self.number}"
