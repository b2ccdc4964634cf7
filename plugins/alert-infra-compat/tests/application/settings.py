"""The shop's Django settings."""

import os

SECRET_KEY = "tests-only"
USE_TZ = True
ROOT_URLCONF = "application.urls"
INSTALLED_APPS = ["alert_infra.django", "application"]
MIDDLEWARE = ["application.views.request_id_middleware"]
DATABASES: dict[str, object] = {}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
DEFAULT_FROM_EMAIL = "shop@example.com"
SUPPORT_EMAIL = "help@example.com"

ALERT_INFRA = {
    "ENABLED": True,
    "DEFAULT_SEVERITY": "warning",
    "REDACT_SENSITIVE_DATA": True,
    "EMAIL": {
        "ENABLED": True,
        "BACKEND": "django",
        "FROM_EMAIL": os.environ.get("SHOP_ALERT_FROM", "alerts@example.com"),
        "TO_EMAILS": ["ops@example.com", "owner@example.com"],
        "SUBJECT_TEMPLATE": "alerts/email_subject.txt",
        "BODY_TEMPLATE": "alerts/email_body.txt",
        "HTML_TEMPLATE": "alerts/email_body.html",
        "TEMPLATE_CONTEXT": {"product_name": "Corner Shop"},
    },
    "SLACK": {"ENABLED": False},
    "TELEGRAM": {"ENABLED": False},
}
CELERY_BROKER_URL = "memory://"
CELERY_TASK_ROUTES = {"alert_infra.dispatch_alert": {"queue": "alerts"}}
