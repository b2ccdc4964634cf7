"""How a text is encoded for SMS, and how many segments, each paid for, it takes.

By 3GPP TS 23.038: text within the GSM 7-bit default alphabet goes as GSM-7, 160 septets in one segment; a character
of the extension table takes two. Any other character makes the whole text UCS-2, 70 UTF-16 units in one segment.
By 3GPP TS 23.040 section 9.2.3.24.1, each segment of several gives up six octets to the header that joins them, which
leaves 153 septets or 67 units; neither an extension's two septets nor a surrogate pair is parted between segments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

GSM_7: Final = "GSM-7"
UCS_2: Final = "UCS-2"
SINGLE: Final = {GSM_7: 160, UCS_2: 70}
"""Units of a text that is one segment."""
JOINED: Final = {GSM_7: 153, UCS_2: 67}
"""Units of each segment of a longer text."""

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_SIGNS: Final = "\n\r !\"#$%&'()*+,-./:;<=>?@_"
_BASIC: Final = frozenset(_LETTERS + _SIGNS + "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà")
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
_GSM_7: Final = _BASIC | _EXTENSION
_LAST_OF_BASIC_PLANE: Final = "\uffff"


@attrs.frozen
class Count:
    """What a text takes.

    Attributes:
        encoding: `GSM-7` or `UCS-2`.
        units: septets of GSM-7, UTF-16 units of UCS-2.
        segments: messages that the network carries it in, at least one.
    """

    encoding: str
    units: int
    segments: int


def count(text: str) -> Count:
    """Encode the text as a network would, and count.

    `count("a" * 161)` is `Count(encoding="GSM-7", units=161, segments=2)`.
    """
    if is_gsm_7(text):
        return _counted(GSM_7, [2 if char in _EXTENSION else 1 for char in text])
    return _counted(UCS_2, [2 if char > _LAST_OF_BASIC_PLANE else 1 for char in text])


def is_gsm_7(text: str) -> bool:
    """Whether every character is in the GSM 7-bit default alphabet or its extension table."""
    return _GSM_7.issuperset(text)


def capacity(encoding: str, segments: int) -> int:
    """Units that so many segments hold."""
    return SINGLE[encoding] if segments == 1 else segments * JOINED[encoding]


def _counted(encoding: str, widths: list[int]) -> Count:
    units = sum(widths)
    return Count(encoding, units, 1 if units <= SINGLE[encoding] else _packed(widths, JOINED[encoding]))


def _packed(widths: Iterable[int], size: int) -> int:
    segments, used = 1, 0
    for width in widths:
        if used + width > size:
            segments, used = segments + 1, 0
        used += width
    return segments
