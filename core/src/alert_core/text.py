"""Text for providers: cut in their units, put on one line, escaped. Mask first, then cut, then add markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ELLIPSIS: Final = "…"
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+")


def utf16_length(text: str) -> int:
    """The length in UTF-16 code units, as Telegram and UCS-2 SMS count."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def utf8_length(text: str) -> int:
    """The length in UTF-8 bytes."""
    return len(text.encode("utf-8", "replace"))


def truncate(
    text: str,
    limit: int,
    *,
    measure: Callable[[str], int] = len,
    render: Callable[[str], str] | None = None,
    ellipsis: str = ELLIPSIS,
) -> str:
    """Cut plain `text` to the longest start whose rendered form, with the ellipsis, measures at most `limit`.

    Args:
        text: plain text, already masked and not yet escaped.
        limit: in the units of `measure`.
        measure: `len` (code points), `utf16_length`, `utf8_length`, or a provider's own.
        render: the escaping that follows (`escape_html`, Slack's): the limit holds for its result, and the result of
            this function is still plain, so nothing is ever cut inside an escape or an entity.
        ellipsis: ends what was cut; empty for none.

    Returns:
        `text` itself where it fits, else its start and the ellipsis. Never cut within a surrogate pair (Python's
        strings have none), before a combining mark or around a zero-width joiner.
    """

    def size(candidate: str) -> int:
        return measure(render(candidate) if render else candidate)

    if size(text) <= limit:
        return text
    low, high = 0, 64
    while high < len(text) and size(text[:high] + ellipsis) <= limit:
        low, high = high, high * 2  # so that of a long text only the neighbourhood of the limit is measured
    high = min(high, len(text))
    while low < high:  # the longest start that fits: sizes grow with the text
        middle = (low + high + 1) // 2
        if size(text[:middle] + ellipsis) <= limit:
            low = middle
        else:
            high = middle - 1
    cut = text[:low].rstrip()
    while cut and _joins(text, len(cut)):
        cut = cut[:-1].rstrip()
    return cut + ellipsis if size(cut + ellipsis) <= limit else ""


def _joins(text: str, at: int) -> bool:
    """Whether a cut before `at` would tear a cluster: a joiner, a mark, a skin tone, a flag's letters or its tags."""
    import unicodedata  # not needed by most alerts

    before, after = text[at - 1], text[at]
    if _is_flag_letter(after) and _is_flag_letter(before):
        start = at
        while start > 0 and _is_flag_letter(text[start - 1]):
            start -= 1
        return (at - start) % 2 == 1
    return (
        "\u200d" in (before, after)
        or "\U0001f3fb" <= after <= "\U0001f3ff"
        or "\U000e0020" <= after <= "\U000e007f"
        or unicodedata.category(after).startswith("M")
    )


def _is_flag_letter(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def one_line(text: str) -> str:
    """Fold every run of white space, line break and control character into one space: for subjects and headers.

    Halves of surrogate pairs, which UTF-8 cannot hold, and directional overrides (U+202A to U+202E, U+2066 to U+2069),
    which would turn what stands behind the text around, count as control characters.
    """
    return _BREAKS.sub(" ", text).strip()


def printable(text: str) -> str:
    """Drop control characters as `one_line` counts them, not line breaks and tabs: for bodies, for a terminal."""
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def escape_html(text: str) -> str:
    """Escape `&`, `<`, `>` and `"`: for HTML text and attribute values (HTML mail, Telegram)."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def number(text: str) -> float | None:
    """A finite number that is not negative, or None: for seconds that a provider names."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < float("inf") else None
