"""The kind `django`: one mail to all recipients, through the project's mail backend, with templates of its own."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
from collections.abc import Iterator, Mapping
from email.utils import format_datetime
from typing import Any, Final

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.template import Context
from django.template.backends.django import Template
from django.template.loader import get_template

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Transport,
    UncertainDeliveryError,
    option,
)
from alert_core.errors import Fault
from alert_core.mail import SUBJECT_LIMIT, Mail, Mailbox, digest, headers, mailboxes
from alert_core.mail import mail as mail_of
from alert_core.presentation import utc
from alert_core.text import escape_html, one_line, truncate

_log = logging.getLogger(__name__)
_SMTP: Final = "django.core.mail.backends.smtp.EmailBackend"  # where an entry of MAILERS has no BACKEND
_BUSY: Final = (408, 425, 429, 503)
"""Statuses of HTTP that say that a mail API took nothing, and may take it later."""


def _valid_mailbox(_: object, __: object, value: str) -> None:
    Mailbox.parse(value)


def _valid_mailboxes(_: object, __: object, value: tuple[str, ...]) -> None:
    mailboxes(value)


class DjangoTransport(Transport):
    """Send alerts by e-mail through the mail backend of the Django project."""

    kind = "django"

    to_emails: tuple[str, ...] | None = option(
        default=None,
        env="ALERT_TO_EMAILS",
        shared=True,
        validator=_valid_mailboxes,
        help="the recipients, who see each other; default: ADMINS of the settings",
    )
    from_email: str | None = option(
        default=None,
        env="ALERT_FROM_EMAIL",
        shared=True,
        validator=_valid_mailbox,
        help="the sender; default: DEFAULT_FROM_EMAIL of the settings",
    )
    using: str = option(default="default", help="which of MAILERS in the settings, from Django 6.1 on")
    subject_template: str | None = option(default=None, help="name of a template; its lines become one")
    body_template: str | None = option(default=None, help="name of a template of plain text: nothing in it is escaped")
    html_template: str | None = option(
        default=None, help="name of a template of HTML; default: the lines of body_template, where that is set"
    )
    template_context: dict[str, Any] = option(factory=dict, help="more values for the templates")

    def check(self) -> list[Fault]:
        """See that there is somebody to write to, and a mailer."""
        try:
            admins, mailers = _admins(), {"default", *getattr(settings, "MAILERS", ())}
        except ImproperlyConfigured:
            return [Fault("", "works within a Django project alone: name its settings in DJANGO_SETTINGS_MODULE")]
        faults = []
        if self.to_emails is None and not admins:
            faults.append(Fault("to_emails", "required option missing: nobody is in ADMINS of the settings either"))
        if self.using not in mailers:
            faults.append(Fault("using", "MAILERS of the settings has no such mailer"))
        return faults

    def send(self, alert: Alert) -> Receipt:
        """Send one mail to all recipients.

        A template that fails is logged, and the part that it is for is the usual one: an alert tells of trouble enough.

        Raises:
            DeliveryError: by what SMTP or the mail API said; uncertain where that is not known.
        """
        message, token = self._message(alert)
        connection = _connection(self.using)
        if hasattr(connection, "timeout"):  # SMTP's; other backends have their own
            connection.timeout = self.time_left()
        try:
            with _faults(sent=False):
                connection.open()
            with _faults(sent=True):
                count = connection.send_messages([message])
        finally:
            with contextlib.suppress(Exception):  # the answer is known
                connection.close()
        if count == 0:
            raise RetryableDeliveryError("the mail backend sent nothing")
        return Receipt(token)

    def _message(self, alert: Alert) -> tuple[EmailMultiAlternatives, str]:
        content = self._content(alert)
        sender = self.from_email or settings.DEFAULT_FROM_EMAIL
        try:
            domain = Mailbox.parse(sender).domain
        except ValueError:
            raise PermanentDeliveryError("DEFAULT_FROM_EMAIL of the settings is no e-mail address") from None
        token = f"<{digest(alert.id, self.name, content.subject, content.text)}@{domain}>"
        message = EmailMultiAlternatives(
            content.subject,
            content.text,
            sender,
            list(self.to_emails or _admins()),
            headers={"Message-ID": token, "Date": format_datetime(utc(alert)), **headers(alert, domain)},
        )
        message.attach_alternative(content.html, "text/html")
        return message, token

    def _content(self, alert: Alert) -> Mail:
        """What it says: of the templates, where there are some and they work, else as every mail of an alert."""
        usual = mail_of(alert)
        body = self._rendered(self.body_template, alert, escapes=False)
        html = self._rendered(self.html_template, alert, escapes=True)
        if html is None and body is not None:
            html = "<br>\n".join(escape_html(line) for line in body.splitlines())
        subject = one_line(self._rendered(self.subject_template, alert, escapes=False) or "")
        return Mail(
            truncate(subject, SUBJECT_LIMIT) or usual.subject, usual.text if body is None else body, html or usual.html
        )

    def _rendered(self, name: str | None, alert: Alert, *, escapes: bool) -> str | None:
        if name is None:
            return None
        try:
            return render(name, alert, self.template_context, escapes=escapes)
        except Exception as error:  # noqa: BLE001 - a template may call anything
            _log.warning("the template %s failed (%s): the mail goes out without it", name, type(error).__name__)
            return None


def render(name: str, alert: Alert, more: Mapping[str, Any], *, escapes: bool) -> str:
    """A template of the project, which has `alert`, `alert_dict`, `metadata`, `tags`, and `more`.

    Args:
        name: as Django's loaders find it.
        alert: already masked.
        more: other values.
        escapes: whether values are escaped for HTML. Jinja2's environment decides that for its own templates.
    """
    told = alert.to_dict()
    context = {**more, "alert": alert, "alert_dict": told, "metadata": told["metadata"], "tags": told["tags"]}
    template = get_template(name)
    if not escapes and isinstance(template, Template):
        return str(template.template.render(Context(context, autoescape=False))).strip()
    return str(template.render(context)).strip()


def backend_of(target: DjangoTransport) -> str:
    """The path of the mail backend's class."""
    if hasattr(settings, "MAILERS"):
        path: str = settings.MAILERS.get(target.using, {}).get("BACKEND", _SMTP)
        return path
    return str(settings.EMAIL_BACKEND)


def _connection(using: str) -> Any:
    """A new instance of the backend: of MAILERS, which Django has from 6.1 on, or of EMAIL_BACKEND."""
    mailers = getattr(mail, "mailers", None)
    return mail.get_connection() if mailers is None else mailers[using]


def _admins() -> list[str]:
    """ADMINS, which Django 6 has as addresses, and Django 5 as pairs of a name and one."""
    return [admin if isinstance(admin, str) else admin[1] for admin in settings.ADMINS]


@contextlib.contextmanager
def _faults(*, sent: bool) -> Iterator[None]:
    """What a backend raises, as a DeliveryError without its text, which names addresses; other errors as they are."""
    try:
        yield
    except ValueError as error:  # BadHeaderError, or what cannot be encoded
        raise PermanentDeliveryError(f"could not build the message ({type(error).__name__})") from None
    except Exception as error:
        if (fault := _smtp_fault(error, sent=sent) or _api_fault(error)) is None:
            raise
        raise fault from None


def _smtp_fault(error: Exception, *, sent: bool) -> DeliveryError | None:
    """By the reply's first digit; without a reply, by whether the message may have been on its way."""
    name = type(error).__name__
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return _replied("the recipients were refused", min((code for code, _ in error.recipients.values()), default=0))
    if isinstance(error, smtplib.SMTPResponseException) and not isinstance(error, smtplib.SMTPConnectError):
        return _replied(f"the mail server refused ({name})", error.smtp_code)
    if isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError):
        return PermanentDeliveryError(f"the mail server is not as the settings ask for ({name})")
    if not isinstance(error, OSError):  # SMTPException is one
        return None
    if sent:
        return UncertainDeliveryError(f"the mail server did not answer ({name})")
    return RetryableDeliveryError(f"the mail server could not be reached ({name})")


def _replied(text: str, code: int) -> DeliveryError:
    kinds = {4: RetryableDeliveryError, 5: PermanentDeliveryError}
    return kinds.get(code // 100, UncertainDeliveryError)(text, status=code)


def _api_fault(error: Exception) -> DeliveryError | None:
    """What a backend that calls an API raised, by its `status_code` (django-anymail has it); None: it has none."""
    status = getattr(error, "status_code", None)
    if type(status) is not int:
        return None
    text = f"the mail backend's API refused ({type(error).__name__})"
    if status in _BUSY:
        return RetryableDeliveryError(text, status=status)
    kind = PermanentDeliveryError if 300 <= status < 500 or status == 501 else UncertainDeliveryError  # noqa: PLR2004 - HTTP's
    return kind(text, status=status)
