"""The Celery task of the template mails: no alert goes this way."""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from celery import shared_task
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.template.loader import render_to_string

from alert_infra.email.services import get_email_service

logger = logging.getLogger(__name__)


@shared_task(bind=True, max_retries=5, default_retry_delay=60)
def send_notify_email_task(
    self: Any, email: str | list[str], subject: str, template_body_path: str, data: dict[str, Any] | None = None
) -> dict[str, str]:
    """Render a template and mail it; tried again five times, after 1, 2, 4 … minutes.

    Args:
        self: the task.
        email: one address, or a list.
        subject: of the mail.
        template_body_path: the template of its HTML, which gets `data["context"]`, `supportLink` and `year`.
        data: `context`, and `plain_text` for the text part.

    Returns:
        `{"status": "sent", "provider": …}` or `{"status": "invalid email"}`.
    """
    given = data or {}
    recipients = email if isinstance(email, list) else [email]
    try:
        for address in recipients:
            validate_email(address)
    except ValidationError:
        logger.error("a mail is not sent: one of its %d addresses is none", len(recipients))  # noqa: TRY400
        return {"status": "invalid email"}
    support = getattr(settings, "SUPPORT_EMAIL", "support@example.com")
    year = date.today().year  # noqa: DTZ011 - of the place where the project is, as the templates expect
    context = {**given.get("context", {}), "supportLink": f"mailto:{support}", "year": year}
    page = render_to_string(template_body_path, context)
    text = given.get("plain_text", "Please view this email in HTML.")
    try:
        provider = get_email_service().send(recipients, subject, page, text)
    except Exception as error:  # noqa: BLE001 - whatever the last provider raised
        raise self.retry(exc=error, countdown=60 * 2**self.request.retries) from None
    return {"status": "sent", "provider": provider}
