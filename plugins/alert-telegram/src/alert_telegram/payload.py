"""What Telegram is asked to show: an alert in, a message's fields out. Pure: the same alert, the same message.

The text goes plain, with `entities` and without `parse_mode`: Telegram then parses nothing of an alert, so there is
nothing to escape and nothing to cut in two. Lengths are in UTF-16 units (core.telegram.org/bots/api#messageentity).
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final
from urllib.parse import urlsplit

from alert_core import Alert
from alert_core.presentation import body_text, details, facts, headline, link, link_label, origin
from alert_core.text import one_line, truncate, utf16_length

TEXT: Final = 4096
"""Telegram's limit for the text of a message, without its markup (core.telegram.org/bots/api#sendmessage)."""

# Ours, so that a message reads well on a phone, and 1,200 units at least are left for the alert's own message.
_TITLE: Final = 600
_FACT: Final = 200
_FACTS: Final = 20
_FACTS_TOGETHER: Final = 1500
_LINK: Final = 2000
_LINK_SHOWN: Final = 500
_BREAK: Final = "\n\n"

# Telegram makes mentions, which notify, and commands, which are sent when tapped, of a plain text, but not in `code`.
# As TDLib finds them (td/telegram/MessageEntity.cpp), or wider.
_LIVE: Final = re.compile(r"((?<!\w)@[A-Za-z0-9_]{2,}|(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]+)?(?![\w/<>]))")
_LIVE_IN_A_PART: Final = 12  # of five, so 86 entities at most: Telegram ignores those beyond a hundred

Body = dict[str, Any]


@functools.lru_cache(maxsize=16)
def message(alert: Alert) -> Body:
    """The fields of sendMessage that tell the alert: `text`, its `entities`, and no preview of links.

    Built once for all of an alert's targets and retries, which share it: read it, do not change it.
    """
    lines, hidden = _facts(alert)
    title, shown, small_print = (
        _cut(headline(alert), _TITLE),
        "\n".join(lines),
        _cut(origin(alert, hidden=hidden), _FACT),
    )
    label, kind = _link(alert)
    around = sum(utf16_length(part) + len(_BREAK) for part in (title, shown, label, small_print))
    text = _Text()
    text.add(title, "bold")
    text.add(_cut(body_text(alert).strip(), TEXT - around))
    text.add(shown)
    text.add(label, kind, **({"url": link(alert)} if kind else {}))
    text.add(small_print, "italic")
    return {"text": text.text, "entities": text.entities, "link_preview_options": {"is_disabled": True}}


def plain(body: Body) -> Body:
    """The same fields without `entities`: an address then stands where words linked to it."""
    units = body["text"].encode("utf-16-le")
    for entity in body["entities"]:
        if "url" in entity:
            start, end = 2 * entity["offset"], 2 * (entity["offset"] + entity["length"])
            units = units[:start] + entity["url"].encode("utf-16-le") + units[end:]
    rest = {name: value for name, value in body.items() if name != "entities"}
    return {**rest, "text": _cut(units.decode("utf-16-le"), TEXT)}


class _Text:
    """A text that is added to part by part, a blank line between two, and the entities of its parts."""

    def __init__(self) -> None:
        self.text = ""
        self.entities: list[dict[str, Any]] = []

    def add(self, part: str, kind: str = "", **more: str) -> None:
        """Add a part, unless it is empty: as an entity of this kind, or as none; what is live in it, as `code`."""
        self.text += _BREAK if part and self.text else ""
        pieces = _LIVE.split(part)
        if len(pieces) > 2 * _LIVE_IN_A_PART + 1:
            pieces = ["", part]
        for position, piece in enumerate(pieces):  # the live ones are at the odd positions
            entity = {"type": "code"} if position % 2 else {"type": kind, **more}
            if piece.strip() and entity["type"]:
                at = {"offset": utf16_length(self.text), "length": utf16_length(piece)}
                self.entities.append({**entity, **at})
            self.text += piece


def _facts(alert: Alert) -> tuple[list[str], int]:
    """A line for each fact and detail, and how many had no room."""
    tags = ", ".join(map(_hashtag, alert.tags))
    if utf16_length(tags) > _FACT - len("Tags: "):  # cut, the last hashtag would be another
        tags = ", ".join(alert.tags)
    told = [(name, tags if name == "Tags" else value) for name, value in facts(alert)] + list(details(alert))
    room, lines = _FACTS_TOGETHER, []
    for name, value in told[:_FACTS]:
        line = _cut(one_line(f"{name}: {value}"), _FACT)
        room -= utf16_length(line) + 1
        if room < 0:
            break
        lines.append(line)
    return lines, len(told) - len(lines)


def _hashtag(tag: str) -> str:
    """The tag as a hashtag, to be searched by a tap, where Telegram takes it whole: letters, digits and `_`."""
    valid = any(map(str.isalpha, tag)) and all(char.isalpha() or char.isdecimal() or char == "_" for char in tag)
    return f"#{tag}" if valid else tag


def _link(alert: Alert) -> tuple[str, str]:
    """What stands for the url, and its kind of entity: as text alone where Telegram would refuse the link."""
    url = link(alert)
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        host = ""
    if "." in host and utf16_length(url) <= _LINK:
        return _cut(link_label(url), _FACT), "text_link"
    return _cut(url, _LINK_SHOWN), ""


def _cut(text: str, limit: int) -> str:
    return truncate(text, limit, measure=utf16_length)
