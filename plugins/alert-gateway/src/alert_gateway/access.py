"""Who may ask: by a token that is shown, or, where none is configured, from this machine alone."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import hmac
import ipaddress
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from alert_core import Secret
from alert_gateway.messages import Request, Response, problem

_CHALLENGE: Final = {"www-authenticate": 'Bearer realm="alert-gateway", Basic realm="alert-gateway"'}
_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")


class Keys:
    """Tokens, kept as their SHA-256 alone. False where there is none."""

    def __init__(self, tokens: Secret | tuple[Secret, ...]) -> None:
        given = tokens if isinstance(tokens, tuple) else (tokens,)
        self._hashes = tuple(_hash(token.reveal()) for token in given if token.reveal())

    def __bool__(self) -> bool:
        return bool(self._hashes)

    def __contains__(self, shown: object) -> bool:
        """Whether this is one of them; each is compared, in constant time."""
        given = _hash(shown) if isinstance(shown, str) else b""
        return any([hmac.compare_digest(given, known) for known in self._hashes])  # noqa: C419 - all are compared

    def admit(self, request: Request) -> bool:
        """Whether the request shows one of them."""
        return any(shown in self for shown in shown_tokens(request))


def shown_tokens(request: Request) -> Iterator[str]:
    """What a request shows: as a bearer, in X-Api-Key, as the password of basic, and last as `?token=`."""
    scheme, _, rest = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        yield _password(rest)
    elif scheme:
        yield rest.strip() or scheme
    if key := request.headers.get("x-api-key"):
        yield key.strip()
    if token := request.query.get("token"):
        yield token


def unproved(request: Request) -> Response:
    """The answer where no valid token was shown."""
    if any(shown_tokens(request)):
        return problem(401, "this token is not the one", _CHALLENGE)
    return problem(401, "show a token: Authorization: Bearer TOKEN, X-Api-Key, or as the password", _CHALLENGE)


def stranger(request: Request) -> str | None:
    """Why a request is not known to be from this machine, where no token says who may ask; None: it is from here.

    Another site's page in a browser here is a stranger too: it can post to loopback, and read by a name it rebinds.
    """
    host, origin = request.headers.get("host"), request.headers.get("origin")
    if request.peer is not None and not is_loopback(request.peer):
        return "no token is configured, so this machine alone may ask; set [gateway] token"
    if "forwarded" in request.headers or "x-forwarded-for" in request.headers:
        return "no token is configured, so no proxy may pass requests on; set [gateway] token"
    if host is not None and not is_loopback(_name(f"//{host}")):
        return "no token is configured, so only loopback's names are answered; set [gateway] token"
    if origin not in (None, "") and (host is None or urlsplit_netloc(origin or "") != host.lower()):
        return "no token is configured, so no other site's page may ask; set [gateway] token"
    return None


@functools.lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether a name or an address is this machine's own, and nobody else's."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") in _NAMES


def urlsplit_netloc(url: str) -> str:
    """The host and port of a URL, or nothing."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _name(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
