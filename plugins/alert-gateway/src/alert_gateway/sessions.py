"""Who may see the status page: a token that is shown, or the cookie that a browser got for it."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from alert_core import Secret
from alert_core.queues import Clock

COOKIE: Final = "alert_gateway_page"
LASTS: Final = 7 * 24 * 3600
"""Seconds for which a browser stays signed in."""


class Sessions:
    """The page's tokens, kept as hashes, and the cookies made of them.

    A cookie says until when it holds, signed with the hash of its token: nothing is stored, every process and host with
    the same token takes it, and without the token in the configuration it is worth nothing.

    Args:
        tokens: `[gateway] page_token`.
        clock: what tells the time.
    """

    def __init__(self, tokens: Secret | tuple[Secret, ...], clock: Clock) -> None:
        given = tokens if isinstance(tokens, tuple) else (tokens,)
        self._keys = tuple(_key(token.reveal()) for token in given if token.reveal())
        self._clock = clock

    def __bool__(self) -> bool:
        return bool(self._keys)

    def knows(self, token: str) -> bool:
        """Whether it is one of them; each is compared, in constant time."""
        matches = [hmac.compare_digest(_key(token), key) for key in self._keys]
        return any(matches)

    def cookie(self, token: str, *, secure: bool) -> str:
        """The Set-Cookie header of who has shown this token.

        Args:
            token: one that `knows()` knows.
            secure: the page is read over HTTPS.
        """
        until = str(int(self._clock.time()) + LASTS)
        return _set_cookie(f"{until}.{_signature(_key(token), until)}", LASTS, secure=secure)

    @staticmethod
    def no_cookie() -> str:
        """The Set-Cookie header that signs a browser out."""
        return _set_cookie("", 0, secure=False)

    def admits(self, header: str) -> bool:
        """Whether a Cookie header has a cookie that holds still."""
        cookies = dict(one.strip().partition("=")[::2] for one in header.split(";"))
        until, _, signature = cookies.get(COOKIE, "").partition(".")
        if not (until.isascii() and until.isdigit() and len(until) < 20 and signature.isascii()):  # noqa: PLR2004
            return False
        matches = [hmac.compare_digest(signature, _signature(key, until)) for key in self._keys]
        return any(matches) and self._clock.time() < int(until)


def _set_cookie(value: str, age: int, *, secure: bool) -> str:
    return f"{COOKIE}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _key(token: str) -> bytes:
    return hashlib.sha256(b"alert-gateway page\0" + token.encode("utf-8", "surrogatepass")).digest()


def _signature(key: bytes, until: str) -> str:
    return hmac.new(key, until.encode(), "sha256").hexdigest()
