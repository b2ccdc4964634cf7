"""What Amazon SNS proves by its signatures, and what its servers are asked: a certificate, and to confirm a topic.

No URL of a request is fetched but a certificate's, at the host of a topic that the configuration allows
(docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html).
"""

from __future__ import annotations

import base64
import binascii
import functools
import re
import threading
import time
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.parse import urlencode

from alert_core.tls import client_context
from alert_gateway.events import TryLaterError, moment

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

TIMEOUT: Final = 3.0
"""Seconds for Amazon's answer."""
PAUSE: Final = 10.0
"""Seconds for which a certificate that could not be had is not asked for again."""
MAX_AGE: Final = timedelta(days=1)
"""Of a message: SNS tries again for an hour at most, and the ids of what came are kept for as long."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes of Amazon's answer."""
_ARN: Final = re.compile(
    r"arn:(aws[a-z-]*):sns:([a-z]{2}(?:-[a-z]+)+-\d{1,2}):\d{1,20}:[A-Za-z0-9_.-]{1,256}", re.ASCII
)
_CERTIFICATE: Final = re.compile(r"/SimpleNotificationService-[A-Za-z0-9]{1,64}\.pem", re.ASCII)
_SIGNED: Final = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
"""What is signed, in this order; a notification has no SubscribeURL and Token, a confirmation no Subject."""
_SIZES: Final = range(128, 513)
"""Bytes of a signature."""
_fetching = threading.Lock()
_failed: dict[str, float] = {}
"""Until when a certificate is not asked for."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Another host is not asked."""


def is_signed(found: Mapping[str, Any]) -> bool:
    """Whether SNS made this message within a day, of version 1 (SHA-1) or 2 (SHA-256) of its signatures.

    Raises:
        TryLaterError: the certificate cannot be had now, or what verifies is not installed.
    """
    url, host = found.get("SigningCertURL"), _host(found.get("TopicArn"))
    if host is None or not isinstance(url, str) or not url.startswith(f"https://{host}/"):
        return False
    if not _CERTIFICATE.fullmatch(url.removeprefix(f"https://{host}")):
        return False
    made, signature = moment(found.get("Timestamp")), _signature(found)
    if made is None or datetime.now(UTC) - made > MAX_AGE or signature is None:
        return False
    return _verified(found, signature, certificate(url))


def confirm(topic: str, token: str) -> None:
    """Confirm the subscription of a topic, at the host of its region.

    Raises:
        OSError: SNS did not take it.
    """
    query = urlencode({"Action": "ConfirmSubscription", "TopicArn": topic, "Token": token})
    fetch(f"https://{_host(topic)}/?{query}")


@functools.lru_cache(maxsize=16)
def certificate(url: str) -> Certificate:
    """The certificate at a URL that is known to be Amazon's. One is fetched at a time: anybody may name others.

    Raises:
        TryLaterError: it cannot be had now, or what reads it is not installed.
    """
    try:
        from cryptography.x509 import load_pem_x509_certificate
    except ImportError:
        raise TryLaterError(
            "SNS's signatures need: pip install 'alert-gateway[sns]'; or set sources.sns.verify = false"
        ) from None
    if _failed.get(url, 0.0) > time.monotonic():
        raise TryLaterError("the certificate of SNS could not be had some seconds ago")
    if not _fetching.acquire(blocking=False):
        raise TryLaterError("a certificate of SNS is being fetched")
    try:
        return load_pem_x509_certificate(fetch(url))
    except (OSError, ValueError) as error:
        now = time.monotonic()
        for old in [other for other, until in _failed.items() if until <= now]:
            del _failed[old]
        _failed[url] = now + PAUSE
        raise TryLaterError(f"the certificate of SNS cannot be had ({type(error).__name__})") from None
    finally:
        _fetching.release()


def fetch(url: str) -> bytes:
    """The answer of Amazon's server: over TLS, without redirects, within `TIMEOUT` and `MAX_ANSWER`.

    Raises:
        OSError: it did not answer, or refused; its text has nothing of the URL.
    """
    handlers = urllib.request.HTTPSHandler(context=client_context(None)), _NoRedirects()
    try:
        with urllib.request.build_opener(*handlers).open(url, timeout=TIMEOUT) as answer:
            content: bytes = answer.read(MAX_ANSWER)
    except HTTPError as error:
        with error:  # it holds its connection
            raise OSError(f"HTTP {error.code}") from None
    except HTTPException as error:
        raise OSError(type(error).__name__) from None
    return content


def _host(topic: object) -> str | None:
    """The host of SNS in a topic's region; None: it is no topic."""
    found = _ARN.fullmatch(topic) if isinstance(topic, str) else None
    return f"sns.{found[2]}.amazonaws.com{'.cn' if found[1] == 'aws-cn' else ''}" if found else None


def _signature(found: Mapping[str, Any]) -> bytes | None:
    """What is in the message as its signature; None: it has none of a known form."""
    try:
        signature = base64.b64decode(str(found.get("Signature")), validate=True)
    except (binascii.Error, ValueError):
        return None
    return signature if found.get("SignatureVersion") in ("1", "2") and len(signature) in _SIZES else None


def _verified(found: Mapping[str, Any], signature: bytes, made_by: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    key, is_first = made_by.public_key(), found.get("SignatureVersion") == "1"
    valid = made_by.not_valid_before_utc <= datetime.now(UTC) <= made_by.not_valid_after_utc
    if not valid or not isinstance(key, RSAPublicKey):
        return False
    try:
        key.verify(signature, _canonical(found), PKCS1v15(), SHA1() if is_first else SHA256())  # noqa: S303 - SNS's
    except InvalidSignature:
        return False
    return True


def _canonical(found: Mapping[str, Any]) -> bytes:
    """Each name and its value, as they came, on lines of their own."""
    only = {"Subject"} if found.get("Type") != "Notification" else {"SubscribeURL", "Token"}
    said = [(name, found[name]) for name in _SIGNED if name not in only and isinstance(found.get(name), str)]
    return "".join(f"{name}\n{text}\n" for name, text in said).encode("utf-8", "surrogatepass")
