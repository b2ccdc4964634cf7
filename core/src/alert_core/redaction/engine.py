"""What rules are made of, and how their patterns are compiled.

Patterns keep to what `re` and RE2 share (no lookaround, no backreference), bounded or with a single class, so that
each is linear: an edge of a token that would need lookbehind is looked at in Python.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

Spans = Iterable[tuple[int, int]]


class Text(NamedTuple):
    """One string under examination: itself, in lower case with the same offsets, and the rules' gates that it has."""

    raw: str
    low: str
    gates: frozenset[str]


def lowered(raw: str) -> str:
    """`raw` in lower case, with the same offsets."""
    low = raw.lower()
    if len(low) != len(raw):  # U+0130 lowers to two characters
        low = "".join(char.lower() if char.isascii() else char for char in raw)
    return low


class Names(Protocol):
    """The policy's judgement of names."""

    def sensitive(self, name: str, /) -> bool:
        """Whether a value under this name is a secret."""

    keywords: tuple[str, ...]
    """In lower case: every sensitive name has one of these in it."""


class Rule(NamedTuple):
    """One kind of secret in a text: the name that its marker has, and how it is found.

    A text without any of the `gates`, which are in lower case, is not looked at; no gates: always.
    """

    name: str
    gates: tuple[str, ...]
    find: Callable[[Text, Names], Spans]
    default: bool = True


@functools.cache
def pattern(source: str) -> re.Pattern[str]:
    """Compile once, when first needed; ASCII classes, as RE2 has them."""
    return re.compile(source, re.ASCII)


def matching(source: str, *, lower: bool = False) -> Callable[[Text, Names], Spans]:
    """A finder of this pattern's matches, or of its first group where it has one; `lower` ignores case."""

    def find(text: Text, _names: Names) -> Spans:
        compiled = pattern(source)
        group = min(compiled.groups, 1)
        for match in compiled.finditer(text.low if lower else text.raw):
            yield match.span(group)

    return find
