"""Telegram's markup, read as its server reads it: the plain text and the entities, or why it does not parse.

core.telegram.org/bots/api#formatting-options. Entities' offsets are UTF-16 code units.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from alert_core.text import utf16_length

_TAGS: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "span": "spoiler",
    "tg-spoiler": "spoiler",
    "a": "text_link",
    "code": "code",
    "pre": "pre",
    "blockquote": "blockquote",
    "tg-emoji": "custom_emoji",
}
_TAG: Final = re.compile(r"<(/?)([a-zA-Z-]*)((?:\s[^<>]*)?)>")
_ATTRIBUTE: Final = re.compile(r"""(?<![a-zA-Z-])([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_ENTITY: Final = re.compile(r"&(?:(lt|gt|amp|quot)|#(\d{1,7})|#x([0-9a-fA-F]{1,6}));")
_NAMED: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_MARKS: Final = {
    "*": "bold",
    "_": "italic",
    "__": "underline",
    "~": "strikethrough",
    "||": "spoiler",
    "`": "code",
    "```": "pre",
}
_RESERVED: Final = frozenset("_*[]()~`>#+-=|{}.!")
_LAST: Final = 0x10FFFF

Entity = dict[str, Any]
Parsed = tuple[str, list[Entity]]


class MarkupError(ValueError):
    """The markup does not parse; Telegram's words for it follow `can't parse entities: `."""


def parse(text: str, mode: str) -> Parsed:
    """The plain text and its entities.

    Args:
        text: with markup.
        mode: `html`, `markdownv2` or `markdown`, in lower case; else the text is plain.

    Raises:
        MarkupError: it does not parse.
    """
    readers: dict[str, Callable[[str], Parsed]] = {"html": html, "markdownv2": markdown_v2, "markdown": markdown}
    return readers[mode](text) if mode in readers else (text, [])


def html(text: str) -> Parsed:
    """Read the HTML style: the tags of `_TAGS` alone, each closed; four named entities, and numbered ones."""
    plain, entities, place = "", [], 0
    opened: list[tuple[str, int, dict[str, str], int]] = []
    while place < len(text):
        if text[place] != "<":
            end = text.find("<", place)
            end = len(text) if end < 0 else end
            plain += _ENTITY.sub(_decode, text[place:end])
            place = end
            continue
        at = len(text[:place].encode())
        found = _TAG.match(text, place)
        if found is None:
            raise MarkupError(f'Unsupported start tag "" at byte offset {at}')
        closing, name, rest = found[1], found[2].lower(), found[3]
        place = found.end()
        if not closing:
            if name not in _TAGS:
                raise MarkupError(f'Unsupported start tag "{name}" at byte offset {at}')
            attributes = {k.lower(): a or b or c for k, a, b, c in _ATTRIBUTE.findall(rest)}
            if name == "span" and attributes.get("class") != "tg-spoiler":
                raise MarkupError(f'Tag "span" must have class "tg-spoiler" at byte offset {at}')
            opened.append((name, utf16_length(plain), attributes, at))
            continue
        if not opened:
            raise MarkupError(f"Unexpected end tag at byte offset {at}")
        begun, start, attributes, _ = opened.pop()
        if name and name != begun:
            raise MarkupError(f'Unmatched end tag at byte offset {at}, expected "</{begun}>", found "</{name}>"')
        entities += _entity(_TAGS[begun], start, plain, url=_ENTITY.sub(_decode, attributes.get("href", "")))
    if opened:
        raise MarkupError(f'Can\'t find end tag corresponding to start tag "{opened[-1][0]}"')
    return plain, _outermost_first(entities)


def _decode(found: re.Match[str]) -> str:
    if found[1]:
        return _NAMED[found[1]]
    code = int(found[2]) if found[2] else int(found[3], 16)
    return chr(code) if 0 < code <= _LAST else found[0]


def _entity(kind: str, start: int, plain: str, *, url: str = "") -> list[Entity]:
    length = utf16_length(plain) - start
    if length <= 0 or (kind == "text_link" and not url):
        return []
    return [{"type": kind, "offset": start, "length": length, **({"url": url} if kind == "text_link" else {})}]


def _outermost_first(closed: list[Entity]) -> list[Entity]:
    places = sorted(enumerate(closed), key=lambda item: (item[1]["offset"], -item[1]["length"], -item[0]))
    return [entity for _, entity in places]


class _MarkdownV2:
    """One text being read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.plain = ""
        self.entities: list[Entity] = []
        self.opened: list[tuple[str, int, int]] = []

    @property
    def at(self) -> int:
        return len(self.text[: self.place].encode())

    def read(self) -> Parsed:
        while self.place < len(self.text):
            self.step()
        if self.opened:
            mark, _, at = self.opened[-1]
            kind = "TextUrl" if mark == "[" else _MARKS[mark].title()
            raise MarkupError(f"Can't find end of {kind} entity at byte offset {at}")
        return self.plain, _outermost_first(self.entities)

    def step(self) -> None:
        text, place = self.text, self.place
        char = text[place]
        within = self.opened[-1][0] if self.opened else ""
        code = within in ("`", "```")
        if char == "\\" and place + 1 < len(text) and ord(text[place + 1]) <= 126:  # noqa: PLR2004 - its documented range
            self.plain += text[place + 1]
            self.place += 2
        elif code and not text.startswith(within, place):
            self.plain += char
            self.place += 1
        elif mark := self.mark():
            self.toggle(mark, within)
        elif char == "[" or (char == "!" and text.startswith("![", place)):
            self.opened.append(("[", utf16_length(self.plain), self.at))
            self.place += 1 if char == "[" else 2
        elif char == "]" and within == "[":
            self.link()
        elif char == ">" and (place == 0 or text[place - 1] == "\n"):
            self.place += 1  # a quotation's line
        elif char in _RESERVED:
            raise MarkupError(f"Character '{char}' is reserved and must be escaped with the preceding '\\'")
        else:
            self.plain += char
            self.place += 1

    def mark(self) -> str:
        for mark in ("```", "`", "||", "__", "_", "*", "~"):
            if self.text.startswith(mark, self.place):
                return mark
        return ""

    def toggle(self, mark: str, within: str) -> None:
        if within == mark:
            _, start, _ = self.opened.pop()
            self.entities += _entity(_MARKS[mark], start, self.plain)
            self.place += len(mark)
            return
        if any(mark == other for other, _, _ in self.opened):
            kind = "TextUrl" if within == "[" else _MARKS[within].title()
            raise MarkupError(f"Can't find end of {kind} entity at byte offset {self.opened[-1][2]}")
        self.opened.append((mark, utf16_length(self.plain), self.at))
        self.place += len(mark)
        if mark == "```" and (found := re.compile(r"([\w-]*)\n").match(self.text, self.place)):
            self.place = found.end()

    def link(self) -> None:
        _, start, at = self.opened.pop()
        self.place += 1
        if self.text[self.place : self.place + 1] != "(":
            return
        end = self.place + 1
        url = ""
        while end < len(self.text) and self.text[end] != ")":
            end += self.text[end] == "\\"
            url += self.text[end : end + 1]
            end += 1
        if end >= len(self.text):
            raise MarkupError(f"Can't find end of a URL at byte offset {at}")
        self.entities += _entity("text_link", start, self.plain, url=url)
        self.place = end + 1


def markdown_v2(text: str) -> Parsed:
    """Read the MarkdownV2 style: every reserved character that is no markup is escaped."""
    return _MarkdownV2(text).read()


def markdown(text: str) -> Parsed:
    r"""Read the legacy Markdown style: `*`, `_`, `` ` `` and `[`, not nested; a backslash before them is dropped."""
    plain, entities, place = "", [], 0
    kinds = {"*": "bold", "_": "italic", "`": "code", "```": "pre"}
    while place < len(text):
        char = text[place]
        if char == "\\" and text[place + 1 : place + 2] in ("_", "*", "`", "["):
            plain += text[place + 1]
            place += 2
            continue
        if found := re.compile(r"\[([^\]]*)\]\(([^)]*)\)").match(text, place):
            start = utf16_length(plain)
            plain += found[1]
            entities += _entity("text_link", start, plain, url=found[2])
            place = found.end()
            continue
        mark = "```" if text.startswith("```", place) else char
        if mark in kinds or char == "[":
            end = text.find("]" if char == "[" else mark, place + len(mark))
            if end < 0:
                at = len(text[:place].encode())
                raise MarkupError(f"Can't find end of the entity starting at byte offset {at}")
            start = utf16_length(plain)
            plain += text[place + len(mark) : end]
            entities += _entity(kinds[mark], start, plain) if mark in kinds else []
            place = end + len(mark)
            continue
        plain += char
        place += 1
    return plain, entities
