"""What an SMS says: an alert in, one line out. Pure: the same alert, the same text."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final

from alert_core import Alert
from alert_core.presentation import icon, label
from alert_core.text import ELLIPSIS, one_line, truncate, utf16_length
from alert_sms.segments import GSM_7, UCS_2, capacity, count, is_gsm_7

MAX_SEGMENTS: Final = 10
"""Ten segments hold 1,530 characters: within Twilio's limit of 1,600 whatever the text is."""

_DOTS: Final = "..."
_LOOKALIKES: Final = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u00b4`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2022\u00b7", "-"),
        "\u2026": "...",
        "\u2190": "<-",
        "\u2192": "->",
        "\u2260": "!=",
        "\u2264": "<=",
        "\u2265": ">=",
        "\u00d7": "x",
        "\u2044": "/",
        "\u00b0": "o",
    }
)
"""Quotes, dashes, and the signs that measurements are written with."""
_CHARACTER: Final = re.compile(r"(.)([\u0300-\u036f]*)", re.DOTALL)
"""One with the accents that no single character has."""


@functools.lru_cache(maxsize=16)
def text(alert: Alert, *, max_segments: int, icons: bool = True, transliterate: bool = False) -> str:
    """`🚨 [CRITICAL] source: title: message (tags) url`, in one line of at most `max_segments`.

    The message is left out where it repeats the title, and the title where it is the source and the message. What has
    no room is left out whole: first the icon, then the tags, then the url. Only then is text cut: a long source to a
    third of the room, and the line at its end.

    Args:
        alert: what is told.
        max_segments: at most `MAX_SEGMENTS`.
        icons: begin with the state's icon, which makes the text UCS-2.
        transliterate: replace what is not GSM-7 by what looks like it, where there is such, and leave the icon out.
    """
    said = gsm_7_like if transliterate else str
    source, title, message = (said(one_line(part)) for part in (alert.source or "", alert.title, alert.message))
    words = _words(source, title, message)
    line = _line(alert, source, *words)
    starts = [f"{icon(alert)} ", ""] if icons and not transliterate else [""]
    tags, url = said(_tags(alert)), _url(alert)
    for extras in (tags + url, url, tags, ""):
        for start in starts:
            if _fits(whole := f"{start}{line}{extras}", max_segments):
                return whole
    room = capacity(GSM_7 if is_gsm_7(line) else UCS_2, max_segments)
    line = _line(alert, _cut_source(source, room // 3), *words)
    cut = _cut(line, max_segments)
    return cut if is_gsm_7(cut) else _cut(starts[0] + line, max_segments)


def gsm_7_like(text: str) -> str:
    """The text with what is not GSM-7 replaced by what looks like it: quotes, dashes, accents. The rest stays.

    `“Não, só 5 °C…”` becomes `"Nao, so 5 oC..."`; Cyrillic and emoji stay, and make the text UCS-2.
    """
    return _CHARACTER.sub(_gsm_7_like, unicodedata.normalize("NFC", text))


def _gsm_7_like(found: re.Match[str]) -> str:
    base, _ = found.groups()
    if is_gsm_7(base):
        return base
    parts = unicodedata.normalize("NFKD", base.translate(_LOOKALIKES)).translate(_LOOKALIKES)
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    return plain if plain and is_gsm_7(plain) else found[0]


def _words(source: str, title: str, message: str) -> list[str]:
    """The title and the message, without what would be told twice.

    A title may be the source and the message's start, cut at its end: so alert-gateway makes one where there was none.
    """
    start = title.removeprefix(f"{source}: ")
    made = start != title and message.startswith(start.removesuffix(ELLIPSIS).removesuffix(_DOTS))
    return [message] if made or message == title else [title, message]


def _line(alert: Alert, *words: str) -> str:
    return f"[{label(alert)}] {': '.join(filter(None, words))}".rstrip()


def _tags(alert: Alert) -> str:
    tags = ", ".join(filter(None, map(one_line, alert.tags)))
    return f" ({tags})" if tags else ""


def _url(alert: Alert) -> str:
    """The url as it is; nothing where a control character in it would have to be left out."""
    return f" {alert.url}" if alert.url and one_line(alert.url) == alert.url else ""


def _segments(text: str) -> int:
    return count(text).segments


def _fits(text: str, segments: int) -> bool:
    # No segment holds more than 160 characters: what is far too long is not counted whole.
    return len(text) <= segments * 160 and _segments(text) <= segments


def _cut(text: str, segments: int) -> str:
    """The longest start within the segments. Three dots end it where they keep it GSM-7, one character where not."""
    start = text[: segments * 160 + 1]
    cut = truncate(start, segments, measure=_segments, ellipsis=_DOTS)
    return cut if is_gsm_7(cut) else truncate(start, segments, measure=_segments, ellipsis=ELLIPSIS)


def _cut_source(source: str, limit: int) -> str:
    return truncate(source, limit, measure=utf16_length, ellipsis=_DOTS if is_gsm_7(source) else ELLIPSIS)
