"""What Slack is asked to show: an alert in, a message's fields out. Pure: the same alert, the same message.

An alert's text goes into `plain_text` objects, where Slack interprets no markup. It is escaped all the same:
Slack asks for it in every text object (docs.slack.dev/messaging/formatting-message-text). Limits are Slack's
(docs.slack.dev/reference/block-kit), counted in UTF-16 units of the escaped text: Slack does not say how it
counts, and this way counts most.
"""

from __future__ import annotations

import functools
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from alert_core import Alert
from alert_core.presentation import body_text, details, facts, headline, link, link_label, origin
from alert_core.text import ELLIPSIS, one_line, truncate, utf16_length

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HEADER: Final = 150
"""Slack's limit for a header."""
SECTION: Final = 3000
"""Slack's limit for the text of a section."""
SECTION_FIELDS: Final = 10
"""Slack's limit for the fields of a section."""

# Ours, so that a message reads well on a phone and its blocks stay below 12,000 characters together.
_SUMMARY: Final = 1000
_TITLE: Final = 600
_MESSAGE_REST: Final = 2000
_FIELD: Final = 200
_FIELDS: Final = 20
_LINK: Final = 2000

Block = dict[str, Any]


@functools.lru_cache(maxsize=16)
def message(alert: Alert) -> dict[str, Any]:
    """The body of a message: `text` for notifications and screen readers, `blocks` for everyone else.

    Built once for all of an alert's targets and retries, which share it: read it, do not change it.
    """
    return {"text": summary(alert), "blocks": list(_blocks(alert)), "unfurl_links": False, "unfurl_media": False}


def summary(alert: Alert) -> str:
    """The alert as escaped mrkdwn, for a notification."""
    return escape(_cut(f"{headline(alert)}\n{body_text(alert)}".strip(), _SUMMARY))


def escape(text: str) -> str:
    """Escape Slack's control characters: `&`, `<` and `>`, in this order, and nothing else."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _blocks(alert: Alert) -> Iterator[Block]:
    first = headline(alert)
    yield {"type": "header", "text": _plain(_cut(first, HEADER), emoji=True)}
    if _cut(first, HEADER) != first:
        yield _section(_cut(one_line(alert.title), _TITLE))
    for part in _paragraphs(body_text(alert)):
        yield _section(part)
    lines = [_fact(*fact) for fact in chain(facts(alert), details(alert))]
    for start in range(0, min(len(lines), _FIELDS), SECTION_FIELDS):
        shown = lines[start : min(start + SECTION_FIELDS, _FIELDS)]
        yield {"type": "section", "fields": [_plain(fact) for fact in shown]}
    if alert.url:
        yield {"type": "section", "text": {"type": "mrkdwn", "text": _link(alert), "verbatim": True}}
    yield {"type": "context", "elements": [_plain(_cut(origin(alert, hidden=len(lines) - _FIELDS), _FIELD))]}


def _paragraphs(text: str) -> Sequence[str]:
    """The message, in two sections where it is long, parted at the end of a line where one is near."""
    first = _cut(text, SECTION, ellipsis="")
    if first != text and (end := first.rfind("\n")) > len(first) // 2:
        first = first[:end]
    rest = _cut(text[len(first) :].strip(), _MESSAGE_REST)
    return [part for part in (first, rest) if part.strip()]


def _fact(name: str, value: str) -> str:
    return _cut(one_line(f"{name}: {value}"), _FIELD)


def _link(alert: Alert) -> str:
    """The url as mrkdwn's `<url|label>`; as escaped text where it is too long to be a link."""
    url = link(alert)
    marked = f"<{escape(url)}|{escape(_cut(link_label(url), _FIELD))}>"
    return marked if utf16_length(marked) <= _LINK else escape(_cut(url, _LINK))


def _section(text: str) -> Block:
    return {"type": "section", "text": _plain(text)}


def _plain(text: str, *, emoji: bool = False) -> Block:
    """A text object in which Slack interprets nothing; with `emoji`, but for `:names:`."""
    return {"type": "plain_text", "text": escape(text), "emoji": emoji}


def _cut(text: str, limit: int, *, ellipsis: str = ELLIPSIS) -> str:
    return truncate(text, limit, measure=utf16_length, render=escape, ellipsis=ellipsis)
