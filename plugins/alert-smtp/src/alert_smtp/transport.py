"""The kind `smtp`: one delivery a recipient, over kept connections to one mail server."""

from __future__ import annotations

import functools
import re
import ssl
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Final

from alert_core import (
    Alert,
    DeliveryError,
    PermanentDeliveryError,
    Receipt,
    RetryableDeliveryError,
    Secret,
    Transport,
    UncertainDeliveryError,
    option,
    redact,
)
from alert_core.errors import Fault
from alert_core.mail import Mailbox, mailboxes
from alert_core.network import describe_fault
from alert_core.text import one_line
from alert_core.tls import client_context
from alert_smtp.connection import Connection, refusal
from alert_smtp.payload import Message, build_message
from alert_smtp.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

TLS_PORT: Final = 465
"""Speaks TLS from the start (RFC 8314)."""
SHUTTING_DOWN: Final = 421
"""The server closes the connection, whatever was asked (RFC 5321 section 3.8)."""

_SECURITY: Final = ("starttls", "tls", "none")
_HOST: Final = re.compile(r"[^\s\x00-\x20\x7f/@]+")
_NO_HOST: Final = "must be a host name or an IP address"
_MAX_PORT: Final = 65535
_REPLY_LIMIT: Final = 200


def _valid_host(_: object, __: object, value: str) -> None:
    try:
        value.encode("idna")
    except UnicodeError:
        raise ValueError(_NO_HOST) from None
    if not _HOST.fullmatch(value):
        raise ValueError(_NO_HOST)


def _valid_credential(_: object, __: object, value: str | Secret) -> None:
    try:
        (value.reveal() if isinstance(value, Secret) else value).encode()
    except UnicodeError:
        raise ValueError("must be text that UTF-8 can hold") from None


def _valid_port(_: object, __: object, value: int) -> None:
    if type(value) is not int or not 0 < value <= _MAX_PORT:
        raise ValueError("must be a port, 1 to 65535")


def _valid_security(_: object, __: object, value: str) -> None:
    if value not in _SECURITY:
        raise ValueError(f"must be one of {', '.join(_SECURITY)}")


def _valid_mailbox(_: object, __: object, value: str) -> None:
    Mailbox.parse(value)


def _valid_mailboxes(_: object, __: object, value: tuple[str, ...]) -> None:
    mailboxes(value)


class SmtpTransport(Transport):
    """Send alerts by e-mail through an SMTP server, over verified TLS unless `security` is `none`."""

    kind = "smtp"
    recipients_option: ClassVar[str | None] = "to_emails"

    host: str = option(
        env="ALERT_SMTP_HOST", validator=_valid_host, help="the server's name, which its certificate must have"
    )
    port: int = option(
        default=587, env="ALERT_SMTP_PORT", validator=_valid_port, help="587 for STARTTLS, 465 for TLS from the start"
    )
    username: str | None = option(
        default=None,
        env="ALERT_SMTP_USERNAME",
        validator=_valid_credential,
        help="for the login, where there is one; needs password",
    )
    password: Secret | None = option(
        default=None, env="ALERT_SMTP_PASSWORD", validator=_valid_credential, help="for the login; needs username"
    )
    security: str | None = option(
        default=None,
        env="ALERT_SMTP_SECURITY",
        validator=_valid_security,
        help="starttls, tls (from the start) or none; default: tls on port 465, else starttls",
    )
    use_tls: bool = option(default=True, env="ALERT_SMTP_USE_TLS", help='false is another way to say security = "none"')
    from_email: str = option(
        env="ALERT_FROM_EMAIL",
        shared=True,
        validator=_valid_mailbox,
        help="the sender; a name may stand before the address",
    )
    to_emails: tuple[str, ...] = option(
        env="ALERT_TO_EMAILS", shared=True, validator=_valid_mailboxes, help="the recipients, who see each other"
    )
    ca_bundle: str | None = option(default=None, help="PEM file of the authorities to trust; default: the system's")

    def __attrs_post_init__(self) -> None:
        """Check the options; connect at the first attempt."""
        super().__attrs_post_init__()
        self._sender = Mailbox.parse(self.from_email)
        self._recipients = mailboxes(self.to_emails)
        self._pool = Pool(self.concurrency)
        # One message serves all recipients of an alert, which come one after another.
        self._message = functools.lru_cache(maxsize=16)(self._build)

    def check(self) -> list[Fault]:
        """Read the bundle of authorities; see that the options agree."""
        faults = []
        if self.security not in (None, "none") and not self.use_tls:
            faults.append(Fault("use_tls", f"false, but security is {self.security}: remove one of them"))
        if bool(self.username) != bool(self.password):
            missing = "password" if self.username else "username"
            faults.append(Fault(missing, "required for the login: set both username and password, or neither"))
        try:
            client_context(self.ca_bundle)
        except OSError as error:  # ssl.SSLError is one
            faults.append(Fault("ca_bundle", f"cannot be read as PEM certificates ({type(error).__name__})"))
        return faults

    def send(self, alert: Alert, recipient: str) -> Receipt:  # type: ignore[override]  # as recipients_option asks
        """Deliver the alert to one recipient; the To header names all.

        Raises:
            DeliveryError: permanent or retryable by the reply; uncertain where the whole message got none.
        """
        ends = time.monotonic() + self.time_left()
        pool = self._pool
        message, address = self._prepare(alert, recipient)
        with _network_faults(RetryableDeliveryError, "the message could not be handed over"):
            connection = self._begin(pool, message, address, ends)
            with _closed_if_lost(connection):
                connection.send(_dotted(message.content))
        with _network_faults(UncertainDeliveryError, "no reply to the whole message"), _closed_if_lost(connection):
            code, text = connection.getreply()
        return Receipt(message.id, recipient, {"reply": self._judge(pool, connection, code, text)})

    def close(self) -> None:
        """Close the connections, waiting for no reply; the next attempt connects again."""
        pool, self._pool = self._pool, Pool(self.concurrency)
        pool.close()

    def _forget(self) -> None:
        pool, self._pool = self._pool, Pool(self.concurrency)
        pool.forget()

    def _prepare(self, alert: Alert, recipient: str) -> tuple[Message, str]:
        try:
            address = Mailbox.parse(recipient).address
        except ValueError:
            raise PermanentDeliveryError("the recipient is not an e-mail address") from None
        try:
            return self._message(alert, not (address + self._sender.address).isascii()), address
        except Exception as error:  # noqa: BLE001 - nothing was sent, and another try would build the same
            raise PermanentDeliveryError(f"could not build the message ({type(error).__name__})") from None

    def _build(self, alert: Alert, smtputf8: bool) -> Message:
        return build_message(
            alert, target=self.name, sender=self._sender, recipients=self._recipients, smtputf8=smtputf8
        )

    def _begin(self, pool: Pool, message: Message, address: str, ends: float) -> Connection:
        """A connection with an open transaction. A kept one may prove to be closed: then a new one."""
        kept = pool.take()
        if kept is not None:
            kept.resume(ends)
            try:
                self._open(pool, kept, message, address)
            except OSError:
                pass
            except DeliveryError as error:
                if error.status != SHUTTING_DOWN:
                    raise
            else:
                return kept
        connection = self._connect(ends)
        self._open(pool, connection, message, address)
        return connection

    def _open(self, pool: Pool, connection: Connection, message: Message, address: str) -> None:
        with _closed_if_lost(connection):
            try:
                connection.begin(self._sender.address, address, size=len(message.content), smtputf8=message.smtputf8)
            except DeliveryError as error:
                if error.status != SHUTTING_DOWN and connection.reset():
                    pool.give(connection)
                else:
                    connection.close()
                raise

    def _connect(self, ends: float) -> Connection:
        connection = Connection(self.host, self.port, ends)
        try:
            if self._security == "tls":
                connection.encrypt(client_context(self.ca_bundle))
            connection.expect("the greeting", 220, connection.getreply())
            connection.greet()
            if self._security == "starttls":
                connection.start_tls(client_context(self.ca_bundle))
            if self.username and self.password:
                connection.log_in(self.username, self.password.reveal())
        except BaseException:
            connection.close()
            raise
        return connection

    @property
    def _security(self) -> str:
        if not self.use_tls:
            return "none"
        return self.security or ("tls" if self.port == TLS_PORT else "starttls")

    def _judge(self, pool: Pool, connection: Connection, code: int, text: bytes) -> str:
        """The server's words where it took the message; they have its queue id."""
        answer = code // 100  # RFC 5321 section 4.2.1: the first digit decides
        # Postfix leaves the transaction open where a restriction on the end of the data refuses it: RSET ends that.
        if answer == 2 or (answer in (4, 5) and code != SHUTTING_DOWN and connection.reset()):  # noqa: PLR2004 - yes
            pool.give(connection)
        else:
            connection.close()
        if answer in (4, 5):
            raise refusal("the message", code, text)
        if answer != 2:  # noqa: PLR2004 - the digit of yes
            raise UncertainDeliveryError("the whole message was not answered as by an SMTP server")
        return str(redact(one_line(text.decode("utf-8", "replace"))))[:_REPLY_LIMIT]


def _dotted(content: bytes) -> bytes:
    """The message as DATA takes it: first dots doubled, and the final dot (RFC 5321 section 4.5.2)."""
    return content.replace(b"\r\n.", b"\r\n..") + b".\r\n"


@contextmanager
def _closed_if_lost(connection: Connection) -> Iterator[None]:
    try:
        yield
    except OSError:
        connection.close()
        raise


@contextmanager
def _network_faults(kind: type[DeliveryError], what: str) -> Iterator[None]:
    """A fault of the network as a DeliveryError, told by its class alone."""
    try:
        yield
    except ssl.SSLCertVerificationError:
        raise PermanentDeliveryError("the server's certificate does not verify") from None
    except OSError as error:
        raise kind(f"{what} ({describe_fault(error)})") from None
