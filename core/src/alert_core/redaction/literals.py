"""The values of every configured `Secret`, masked wherever they turn up, in the encodings that carry them along.

No lock: one dict that only grows, so that a fork at any moment leaves it whole, and no registration is ever lost.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE: Final = "literal"
MINIMUM: Final = 6
_registered: Final[dict[str, None]] = {}
# A literal of at least `width + stride - 1` characters holds a whole window of `width` at some multiple of `stride`.
_GROUPS: Final = ((12, 6, 7), (6, 3, 4))


def register_literal(value: object) -> None:
    """Mask this value from now on, in every alert and text of this process.

    Values under six characters are not registered: masking them would tear up innocent text.
    """
    value = value.strip() if isinstance(value, str) else ""
    if len(value) >= MINIMUM:
        _registered.setdefault(value)


def generation() -> int:
    """Grows when a literal is registered."""
    return len(_registered)


def find(text: str) -> Iterator[tuple[int, int]]:
    """The spans of registered literals in `text`, in any of their encodings."""
    for width, stride, index in _indexes(len(_registered)):
        for start in range(0, len(text) - width + 1, stride):
            window = text[start : start + width]
            if window in index:
                for variant, offset in index[window]:
                    begin = start - offset
                    if begin >= 0 and text.startswith(variant, begin):
                        yield begin, begin + len(variant)


@functools.lru_cache(maxsize=2)
def _indexes(count: int) -> list[tuple[int, int, dict[str, list[tuple[str, int]]]]]:
    found = []
    variants = sorted({variant for value in tuple(_registered)[:count] for variant in encodings(value)})
    upper = None
    for least, width, stride in _GROUPS:
        index: dict[str, list[tuple[str, int]]] = {}
        for variant in variants:
            if len(variant) >= least and (upper is None or len(variant) < upper):
                for offset in range(min(stride, len(variant) - width + 1)):
                    index.setdefault(variant[offset : offset + width], []).append((variant, offset))
        upper = least
        if index:
            found.append((width, stride, index))
    return found


def encodings(value: str) -> set[str]:
    """The forms in which a text may carry `value`: raw, URL-quoted, JSON-escaped, base64 at each alignment."""
    import base64
    import json
    from urllib.parse import quote, quote_plus

    raw = value.encode("utf-8", "replace")
    quoted = {
        quote(value, safe="", errors="replace"),
        quote(value, errors="replace"),
        quote_plus(value, errors="replace"),
    }
    forms = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms |= quoted | {_lower_escapes(form) for form in quoted}
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + raw).decode("ascii")
        whole = (shift + len(raw)) * 8 // 6  # characters that depend on nothing after the value
        inner = encoded[(0, 2, 3)[shift] : whole]
        forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return {form for form in forms if len(form) >= MINIMUM}


def _lower_escapes(text: str) -> str:
    parts = text.split("%")
    return parts[0] + "".join("%" + part[:2].lower() + part[2:] for part in parts[1:])
