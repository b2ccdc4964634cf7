"""A Django project's settings and its Celery app, in one module: `celery -A celery_shop worker`."""

import os

import django
from celery import Celery
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["alert_celery"],
    CELERY_BROKER_URL="memory://",
    CELERY_TASK_ALWAYS_EAGER=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
)
django.setup()
os.environ["DJANGO_SETTINGS_MODULE"] = __name__  # by which Celery knows of Django
app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
