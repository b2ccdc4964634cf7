"""A Django project and its Celery app, for a real worker: `celery -A compat_worker worker -Q alerts`."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Sequence
from typing import Any

from celery import Celery
from django.core.mail.backends.base import BaseEmailBackend

os.environ["DJANGO_SETTINGS_MODULE"] = "compat_worker"

USE_TZ = True
SECRET_KEY = "tests-only"
DATABASES: dict[str, Any] = {}
INSTALLED_APPS = ["alert_infra.django"]
EMAIL_BACKEND = "compat_worker.Backend"
CELERY_BROKER_URL = os.environ["COMPAT_BROKER"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
ALERT_INFRA = {
    "EMAIL": {"ENABLED": True, "BACKEND": "django", "FROM_EMAIL": "a@example.com", "TO_EMAILS": "ops@example.com"},
    "ASYNC": {"ENABLED": True, "FAIL_SILENTLY": False},
}

app = Celery("compat")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


class Backend(BaseEmailBackend):
    """Tells a socket of the test what it sends; where that answers `die`, it is killed before it has sent."""

    def send_messages(self, email_messages: Sequence[Any]) -> int:
        with socket.create_connection(("127.0.0.1", int(os.environ["COMPAT_PORT"])), timeout=60) as peer:
            peer.sendall(json.dumps([[mail.subject, mail.body] for mail in email_messages]).encode() + b"\n")
            if peer.recv(16) == b"die":
                os.kill(os.getpid(), signal.SIGKILL)
        return len(email_messages)
