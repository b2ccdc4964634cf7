"""URLs that carry a credential: in the user information, in a parameter, or by being one themselves."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from alert_core.redaction.engine import pattern
from alert_core.redaction.plausible import is_opaque, is_placeholder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alert_core.redaction.engine import Names, Text

_UUID: Final = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
# A gate in lower case, and the URL with its secret part as the group.
CAPABILITY: Final = {
    "hooks.slack": r"hooks\.slack(?:-gov)?\.com/((?:services|workflows|triggers)/[A-Za-z0-9+/_-]{20,300})",
    "/webhooks/": r"discord(?:app)?\.com/api/(?:v[0-9]{1,2}/)?webhooks/([0-9]{5,30}/[A-Za-z0-9_-]{30,120})",
    "outlook.office": r"outlook\.office(?:365)?\.com/(webhook/[A-Za-z0-9@/_-]{30,400})",
    "webhook.office": r"webhook\.office(?:365)?\.com/(webhookb?2?/[A-Za-z0-9@/_-]{30,400})",
    "/bot": r"/bot([0-9]{5,16}(?::|%3[aA])[A-Za-z0-9_-]{20,60})",
    "/bot/v2/hook/": rf"/open-apis/bot/v2/hook/({_UUID})",
    "hooks.zapier": r"hooks\.zapier\.com/hooks/catch/([0-9]{1,12}/[A-Za-z0-9]{4,20})",
    "maker.ifttt": r"maker\.ifttt\.com/[^\s\"'<>]{0,200}with/key/([A-Za-z0-9_-]{10,60})",
    ".make.com/": r"hook\.[a-z0-9]{2,6}\.make\.com/([a-z0-9]{20,60})",
    "alert.victorops": r"alert\.victorops\.com/integrations/generic/[0-9]{1,12}/alert/([A-Za-z0-9-]{20,60})",
    "pagerduty.com/integration": rf"events\.(?:eu\.)?pagerduty\.com/integration/([0-9a-f]{{32}}|{_UUID})",
    "ftqq.com": r"ftqq\.com/(SCT?[A-Za-z0-9]{20,60})",
    "private-": r"calendar\.google\.com/calendar/ical/[^\s/]{1,128}/private-([0-9a-f]{20,64})",
}


def find_userinfo(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The password in `scheme://user:password@host`, or the user where it alone is the credential."""
    raw, at = text.raw, 0
    while (at := raw.find("://", at)) >= 0:
        at += 3
        authority = pattern(r"[^\s\"'`<>/?#\\]{0,1000}").match(raw, at)
        end = authority.end() if authority else at
        sign = raw.rfind("@", at, end)
        if sign < 0 and raw.find(":", at, end) >= 0 and not pattern(r"[^:]*:[0-9]*").fullmatch(raw, at, end):
            whole = pattern(r"[^\s\"'`<>\\]{0,1000}").match(raw, at)  # a password with a slash in it, unquoted
            sign = raw.rfind("@", at, whole.end()) if whole else -1
        if sign < 0:
            continue
        colon = raw.find(":", at, sign)
        begin = at if colon < 0 else colon + 1
        value = raw[begin:sign]
        if value and not is_placeholder(value) and (colon >= 0 or is_opaque(value, 16)):
            yield begin, sign
        at = sign


def find_thin(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The password in an Oracle connection string: `scott/tiger@host`, after `thin:` or a client's name."""
    for match in pattern(r"(?:thin:|\bsqlplus\s{1,4}(?:-\w{1,4} )?)[\w$]{1,64}/([^\s@/\"']{1,128})@").finditer(
        text.low
    ):
        yield match.span(1)


def find_capability(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """The part of a URL that makes its holder the owner: a Slack webhook's path, a Telegram bot's token."""
    for gate, source in CAPABILITY.items():
        if gate in text.low:
            for match in pattern(source).finditer(text.raw):
                yield match.span(1)


def find_query(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    """Parameters that are credentials in a query, though their names are innocent elsewhere: `key`, `sig`, `code`."""
    names = r"[?&;](?:amp;)?(?:key|sig|signature|code|hmac|x-amz-signature|x-amz-credential|x-goog-signature)="
    first = pattern(r"(?:key|sig|code)=").match(text.low)
    for match in itertools.chain([first] if first else [], pattern(names).finditer(text.low)):
        value = pattern(r"[^\s\"'`<>&#?]{1,1000}").match(text.raw, match.end())
        if value and is_opaque(value.group(), 16) and not is_placeholder(value.group()):
            yield value.span()
