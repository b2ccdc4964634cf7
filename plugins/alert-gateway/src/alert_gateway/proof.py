"""What proves who sent a request: a token that is shown, a signature over its bytes. Compared in constant time."""

from __future__ import annotations

import hmac

from alert_core import Secret
from alert_gateway.config import SourceTable


def knows_token(settings: SourceTable, shown: str | None) -> bool:
    """Whether this is one of the source's tokens; a source without any has none that could be shown."""
    tokens = settings.token if isinstance(settings.token, tuple) else (settings.token,)
    given = _bytes(shown or "")
    matches = [hmac.compare_digest(given, _bytes(token.reveal())) for token in tokens if token]  # all are compared
    return bool(given) and any(matches)


def is_signed(secret: Secret | None, content: bytes, signature: str) -> bool:
    """Whether this is the HMAC-SHA256 of the content under the secret, in hexadecimal; never without a secret."""
    made = hmac.new(_bytes(secret.reveal() if secret else ""), content, "sha256").hexdigest()
    return bool(secret) and hmac.compare_digest(_bytes(made), _bytes(signature.strip().lower()))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
