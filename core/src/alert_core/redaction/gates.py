"""Which of many words a text has: one search a word, or one pass for all of them where google-re2 is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from typing import Final

_WORTH: Final = 512  # characters; below, RE2's encoding of the text costs more than it saves


def searcher(words: Iterable[str]) -> Callable[[str], frozenset[str]]:
    """A function that tells which of the words, all ASCII, a text has in it."""
    every = tuple(sorted(set(words)))

    def search(text: str) -> frozenset[str]:
        return frozenset([word for word in every if word in text])

    try:
        re2 = importlib.import_module("re2")
    except ImportError:
        return search
    patterns = re2.Set.SearchSet()
    for word in every:
        patterns.Add(re2.escape(word))
    patterns.Compile()

    def search_once(text: str) -> frozenset[str]:
        if len(text) < _WORTH or not text.isascii():  # RE2 encodes what is not ASCII, and fails on lone surrogates
            return search(text)
        return frozenset([every[index] for index in patterns.Match(text) or ()])

    return search_once
