"""How an SMS is split: GSM-7 or UCS-2 (3GPP TS 23.038 section 6.2), in segments (3GPP TS 23.040 section 9.2.3.24)."""

from __future__ import annotations

from typing import Final

import attrs

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED: Final = frozenset("^{}\\[~]|€\f")


@attrs.frozen
class Segments:
    """How a text is sent.

    Attributes:
        encoding: `GSM-7` or `UCS-2`.
        units: septets, or UTF-16 code units.
        parts: the text of each segment.
    """

    encoding: str
    units: int
    parts: tuple[str, ...]


def is_gsm(text: str) -> bool:
    """Whether every character is in the GSM 7-bit alphabet or its extension table."""
    return all(char in _BASIC or char in _EXTENDED for char in text)


def segments(text: str) -> Segments:
    """Split as phones do: 160 septets or 70 UTF-16 units, or 153 and 67 of them where there are several."""
    gsm = is_gsm(text)
    sizes = [_size(char, gsm=gsm) for char in text]
    single, several = (160, 153) if gsm else (70, 67)
    units = sum(sizes)
    limit = single if units <= single else several
    parts, start, used = [], 0, 0
    for place, size in enumerate(sizes):
        if used + size > limit:  # an escape pair, or a surrogate pair, is never split
            parts.append(text[start:place])
            start, used = place, 0
        used += size
    return Segments("GSM-7" if gsm else "UCS-2", units, (*parts, text[start:]))


def _size(char: str, *, gsm: bool) -> int:
    if gsm:
        return 2 if char in _EXTENDED else 1
    return 2 if ord(char) > 0xFFFF else 1  # noqa: PLR2004 - the last character of one UTF-16 unit
