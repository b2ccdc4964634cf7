"""The marks that stand where a secret was. A text's own marks are left alone: masking twice is masking once."""

from __future__ import annotations

import functools
import re
from typing import Final

REDACTED: Final = "[REDACTED]"


def mark(rule: str) -> str:
    """The marker of a span that `rule` found."""
    return f"[REDACTED:{rule}]"


@functools.cache
def marker_pattern() -> re.Pattern[str]:
    """Matches a marker, of a key or of a rule."""
    return re.compile(r"\[REDACTED(?::[A-Za-z0-9_. -]{1,64})?\]")
