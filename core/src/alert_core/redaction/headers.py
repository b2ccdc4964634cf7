"""Credentials that need no name beside them: authorization schemes, and a password on a command line."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from alert_core.redaction.engine import pattern
from alert_core.redaction.plausible import is_code, is_opaque, is_placeholder, is_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.redaction.engine import Names, Text

_SEPARATOR: Final = r"(?:[ \t]{1,4}|=|[\"'],[ \t]{0,2})[\"']?"
_USER: Final = (
    rf"[ \"'](?:-[a-zA-Z]{{0,4}}u|--user|--proxy-user|-U|-a|--auth){_SEPARATOR}"
    r"(?:[^\s:\"'`$<]{0,128}:([^\s\"'`]+)|([^\s:\"'`$<]{8,128}):[\"'\s])"
)
_CALLS: Final = (  # commands, and what takes the password on their line
    (("curl", "wget", "http"), _USER),
    (("mysql", "mariadb"), r"[ \"']-p([^\s\"'=,-][^\s\"',]*)"),
    (("sshpass", "mongo", "login"), r" -p ?[\"']?([^\s\"'-][^\s\"']*)"),
    (("redis-cli",), r" -a [\"']?([^\s\"']+)"),
    (("-pass",), r"[ =\"',]{1,4}pass:([^\s\"']+)"),
)
_LINE: Final = 400


def find_schemes(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The credentials after `Bearer` and `Basic`."""
    for match in pattern(r"bearer(?:[ \t:\"'=]{1,6}|%20|\+)(?:bearer )?([a-z0-9._~+/=-]{8,})").finditer(text.low):
        value = text.raw[match.start(1) : match.end(1)]
        if is_opaque(value) and not is_placeholder(value):
            yield match.span(1)
    for match in pattern(r"basic[ \t]{1,4}([a-z0-9+/_-]{6,2000}={0,2})").finditer(text.low):
        if _is_userpass(text.raw[match.start(1) : match.end(1)]):
            yield match.span(1)


def _is_userpass(value: str) -> bool:
    """Whether it is base64 of `user:password`."""
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in decoded and all(byte >= ord(" ") for byte in decoded)


def find_commands(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """Passwords that well-known commands take as an argument or as part of one."""
    for commands, argument in _CALLS:
        for command in commands:
            at = -1
            while (at := text.low.find(command, at + 1)) >= 0:
                match = pattern(argument).search(text.raw, at, _call_end(text.raw, at))
                if match and match.lastindex:
                    value = match.group(match.lastindex)
                    if not (is_placeholder(value) or is_word(value) or is_code(value)):
                        yield match.span(match.lastindex)


def _call_end(raw: str, at: int) -> int:
    """The end of a command's line, lines that a backslash continues included."""
    limit = min(len(raw), at + _LINE)
    end = raw.find("\n", at, limit)
    while end > 0 and raw[end - 1] == "\\":
        end = raw.find("\n", end + 1, limit)
    return limit if end < 0 else end
