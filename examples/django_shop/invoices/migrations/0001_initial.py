"""The table of invoices, with three of them."""

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def add_some(apps: Apps, _: BaseDatabaseSchemaEditor) -> None:
    """Two that can be paid, and one that the bank refuses."""
    invoice = apps.get_model("invoices", "Invoice")
    for number, amount in ((1, 120), (2, 75), (13, 1_000_000)):
        invoice.objects.create(number=number, amount=amount)


class Migration(migrations.Migration):
    """The first."""

    initial = True
    operations = (
        migrations.CreateModel(
            "Invoice",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.IntegerField(unique=True)),
                ("amount", models.DecimalField(max_digits=10, decimal_places=2)),
                ("status", models.CharField(max_length=10, default="open")),
            ],
        ),
        migrations.RunPython(add_some, migrations.RunPython.noop),
    )
