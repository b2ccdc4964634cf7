"""Settings: alerts go to Slack where its webhook is in the environment, else to the console."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).parent.parent
DEBUG = os.environ.get("SHOP_DEBUG", "1") == "1"
SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for development alone")
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
INSTALLED_APPS = ["alert_django", "invoices"]
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", str(BASE_DIR / "shop.db")),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
    }
}

IN_PRODUCTION = "ALERT_SLACK_WEBHOOK_URL" in os.environ
CHAT = {"type": "slack", "webhook_url": "env:ALERT_SLACK_WEBHOOK_URL"} if IN_PRODUCTION else {"type": "console"}
ALERTS = {
    "defaults": {"source": "shop"},
    "targets": {"chat": CHAT},
    "queue": {"type": "django"},  # on the database "default": alerts commit or roll back with what they tell of
    "gateway": {"token": os.environ.get("SHOP_HOOK_TOKEN", "for development alone")},
}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"alerts": {"class": "alert_django.logging.AlertHandler", "level": "ERROR"}},
    "loggers": {"invoices": {"handlers": ["alerts"]}},
}
