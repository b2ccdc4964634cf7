"""Vendors' tokens, known by their prefixes."""

from __future__ import annotations

import functools
import string
from typing import TYPE_CHECKING, Final, NamedTuple

from alert_core.redaction.engine import pattern
from alert_core.redaction.formats import vendors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.redaction.engine import Names, Text

_RUN: Final = r"[A-Za-z0-9_-]{12,}"
_GLUED: Final = r"[_-](?=([A-Za-z0-9][A-Za-z0-9_-]{2})[A-Za-z0-9_-]{9})"
_DOTTED: Final = r"[.~][A-Za-z0-9_-]{12,}"
# How a text escapes the character before a token: in JSON (`\n`, `\u003d`), in a URL (`%3D`), in a terminal's colours.
_ESCAPES: Final = ("", "n", "r", "t", "3D", "3d", "20", "22", "27", "2F", "2f", "3A", "3a", "26", "u003d", "u0027")
_HEAD: Final = 3
_TELLING: Final = 4  # characters of a prefix that tell of a token behind a word and a hyphen: `sk-` is Slovak, too


class Shape(NamedTuple):
    """One prefix of one vendor, behind one escape."""

    escape: str
    prefix: str
    tail: str


@functools.cache
def _heads(escapes: tuple[str, ...]) -> dict[str, list[Shape]]:
    """The prefixes, behind each of the escapes, by the first three characters of the run that they open."""
    found: dict[str, list[Shape]] = {}
    for vendor in vendors():
        for prefix in vendor.prefixes:
            for escape in escapes:
                head = (escape + prefix)[:_HEAD]
                for whole in (head,) if len(head) == _HEAD else map(head.__add__, string.hexdigits):
                    found.setdefault(whole, []).append(Shape(escape, prefix, vendor.tail))
    return found


@functools.cache
def _telling() -> dict[str, list[tuple[str, str]]]:
    """The prefixes and tails of tokens that are known behind `job-`, by the first three characters."""
    found: dict[str, list[tuple[str, str]]] = {}
    for vendor in vendors():
        for prefix in vendor.prefixes:
            if len(prefix) >= _TELLING:
                found.setdefault(prefix[:_HEAD], []).append((prefix, vendor.tail))
    return found


@functools.cache
def _dotted() -> dict[str, list[tuple[str, str, str]]]:
    """The prefixes with a dot or tilde in them, by the characters up to it: what is before it, after it, the tail."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for vendor in vendors():
        for prefix in vendor.prefixes:
            dot = max(prefix.rfind("."), prefix.rfind("~")) + 1
            if dot:
                found.setdefault(prefix[:dot][-_HEAD:], []).append((prefix[:dot], prefix[dot:], vendor.tail))
    return found


def find(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """Tokens with a known prefix, of that vendor's length and alphabet, and with nothing wordlike around them."""
    raw, runs, dotted = text.raw, pattern(_RUN), _dotted()
    known = _heads(_ESCAPES if "\\" in raw or "%" in raw else ("",))
    if any(
        run.startswith(shape.escape + shape.prefix)
        for run in runs.findall(raw)
        if run[:_HEAD] in known
        for shape in known[run[:_HEAD]]
    ):
        for run in runs.finditer(raw):
            start = run.start()
            for escape, prefix, tail in known.get(raw[start : start + _HEAD], ()):
                begin = start + len(escape)
                if raw.startswith(prefix, begin) and (not escape or raw[start - 1] in "\\%"):
                    end = _end(raw, begin + len(prefix), tail)
                    if end:
                        yield begin, end
                        break
    yield from _find_glued(raw)
    for run in pattern(_DOTTED).finditer(raw):
        dot = run.start() + 1
        for left, right, tail in dotted.get(raw[max(0, dot - _HEAD) : dot], dotted.get(raw[dot - 2 : dot], [])):
            begin = dot - len(left)
            if begin >= 0 and raw.startswith(left + right, begin) and _starts(raw, begin):
                end = _end(raw, dot + len(right), tail)
                if end:
                    yield begin, end
                    break


def _find_glued(raw: str) -> Iterator[tuple[int, int]]:
    """Tokens behind a word and a hyphen or underscore: `job-sk_live_…`."""
    glued, telling = pattern(_GLUED), _telling()
    if telling.keys().isdisjoint(glued.findall(raw)):
        return
    for match in glued.finditer(raw):
        begin = match.start(1)
        for prefix, tail in telling.get(match.group(1), ()):
            if raw.startswith(prefix, begin) and (end := _end(raw, begin + len(prefix), tail)):
                yield begin, end
                break


def _starts(raw: str, begin: int) -> bool:
    """Whether a token may begin here: not within a word, but behind an escape in JSON or a URL."""
    before = raw[begin - 1 : begin]
    if not (before.isalnum() or before in ("_", ".", "-")) or not before:
        return True
    return raw[max(0, begin - 2)] == "\\" or raw[max(0, begin - 3)] == "%"


def _end(raw: str, begin: int, tail: str) -> int:
    """The end of a token's tail at `begin`, or 0 where it is too short, too long, or no such tail."""
    match = pattern(tail).match(raw, begin)
    if match is None or (match.end() < len(raw) and raw[match.end()].isalnum()):
        return 0
    return match.end()
