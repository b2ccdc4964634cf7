"""What the providers of SMS have in common: numbers, senders, and the message on a phone."""

from __future__ import annotations

import re
from typing import Any, Final

from alert_sandbox.segments import segments

E164: Final = re.compile(r"\+[1-9]\d{6,14}")
"""ITU-T E.164: a plus sign, and at most fifteen digits."""
ALPHANUMERIC: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}")
"""A sender's name (3GPP TS 23.040 section 9.1.2.5): at most eleven characters, one of them a letter."""


def sms_view(text: str) -> dict[str, Any]:
    """The text, its encoding, and its segments."""
    found = segments(text)
    return {"text": text, "encoding": found.encoding, "units": found.units, "segments": list(found.parts)}
