"""Alerts through Django's own e-mail backend, with the project's templates."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from alert_infra.alert import Alert
from alert_infra.email.smtp import as_old_smtp_error
from alert_infra.email.transports import EmailTransport, format_alert_body, format_alert_subject, html_of
from alert_infra.exceptions import AlertConfigurationError


class DjangoEmailTransport(EmailTransport):
    """Send through Django's `EMAIL_BACKEND`.

    Templates get `alert`, `alert_dict` (its `to_dict()`), `metadata` and `tags` of that, and `template_context`.

    Args:
        from_email: the sender.
        to_emails: the recipients.
        timeout: kept; the backend has its own, `EMAIL_TIMEOUT`.
        subject_template_name: of the subject, which becomes one line; default: alert-infra's.
        body_template_name: of the text; default: alert-infra's.
        html_template_name: of the HTML; default: the text's lines.
        template_context: more for the templates.

    Raises:
        AlertConfigurationError: the sender or the recipients are missing.
    """

    name = "email.django"

    def __init__(
        self,
        *,
        from_email: str,
        to_emails: Sequence[str],
        timeout: float = 8.0,
        subject_template_name: str | None = None,
        body_template_name: str | None = None,
        html_template_name: str | None = None,
        template_context: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(from_email, to_emails, timeout)
        self.subject_template_name = subject_template_name
        self.body_template_name = body_template_name
        self.html_template_name = html_template_name
        self.template_context = dict(template_context or {})

    def send(self, alert: Alert) -> None:
        """Hand the mail to Django once.

        Raises:
            AlertConfigurationError: Django is not installed.
            AlertDeliveryError: the backend's no; retryable or not.
            Exception: what a template raises.
        """
        try:
            from django.core.mail import EmailMultiAlternatives
        except ImportError:
            raise AlertConfigurationError("Django is required: pip install 'alert-infra-compat[django]'") from None
        subject, text, page = self._rendered(alert)
        mail = EmailMultiAlternatives(subject, text, self.from_email, self.to_emails)
        mail.attach_alternative(page, "text/html")
        try:
            mail.send(fail_silently=False)
        except Exception as error:  # noqa: BLE001 - the backend is anybody's
            fault = as_old_smtp_error("Django email", error)
        else:
            return
        raise fault  # here, so that it has no context

    def _rendered(self, alert: Alert) -> tuple[str, str, str]:
        from django.template.loader import render_to_string

        told = alert.to_dict()
        more = {"alert": alert, "alert_dict": told, "metadata": told["metadata"], "tags": told["tags"]}
        context = {**self.template_context, **more}
        subject, text = format_alert_subject(alert), format_alert_body(alert)
        if self.subject_template_name:
            subject = " ".join(render_to_string(self.subject_template_name, context).splitlines()).strip()
        page = html_of(text)
        if self.body_template_name:
            text = render_to_string(self.body_template_name, context).strip()
            page = html_of(html.unescape(text))  # templates escape, unless they say otherwise
        if self.html_template_name:
            page = render_to_string(self.html_template_name, context).strip()
        return subject, text, page
