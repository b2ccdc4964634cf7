"""Names and values in text: `password=…`, `"api_key": "…"`, `--token …`, headers, environment dumps, XML, code."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Final, NamedTuple

from alert_core.redaction import keys
from alert_core.redaction.engine import pattern
from alert_core.redaction.plausible import is_code, is_empty_form, is_opaque, is_placeholder, is_plain, is_word

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from alert_core.redaction.engine import Names, Text

# Every sensitive name has one of these in it, in lower case. The policy adds its extra keys. The common ones first.
KEYWORDS: Final = tuple(
    "key auth pass token access sess secret pin sid cookie cred pwd otp refresh srf dsn salt jwt hmac psk verif "
    "senha kennwort contrase".split()
)
_NAME: Final = string.ascii_letters + string.digits + "_.-"
_AFTER: Final = frozenset("\"'`\\] \t\r\n=:>,?.|+!&%-)<")
_OPERATOR: Final = (
    r"[\\\"'`\]]{0,4}(?:[ \t]{0,4}:?[ \t]{1,4}(?:str|string|String|SecretStr|&str|Optional\[str\]|str \| None))?"
    r"[ \t]{0,8}(?:->|=>|[?:.+|!&]{0,3}={1,3}>?|:|%3[dDaA])[ \t]{0,8}(?:!![a-z]{1,10} )?"
)
# The rest of a name, and what may lead to its value.
_LOOK: Final = (
    r"[\w.\-]{1,64}(?:[\"'`\\\]=:>?+|!&%<\r\n]|"
    r"[ \t]{1,8}(?:[=:?.+|!&>\-\"'`]|is |was |[A-Za-z0-9_.-]*[0-9]|[Ii][Dd]\b|[Kk]ey\b|KEY\b|[Tt]oken|TOKEN|[Cc]ode\b|"
    r"[Vv]alue|[Pp]hrase|string))"
)
_PAIR: Final = r"\\{0,3}[\"'][ \t]{0,4},\s{0,40}"
_RECORD: Final = r"\\{0,3}[\"']\s{0,40},?\s{0,40}\\{0,3}[\"']?(?:[Vv]alue|val|content)\\{0,3}[\"']?\s{0,8}[:=]\s{0,8}"
_TAG: Final = r"(?:\s[^<>]{0,200})?>\s{0,80}(?:<!\[CDATA\[)?"
_ELEMENT: Final = r"[\"']>|</key>\s{0,80}<string>"
_OPEN: Final = r"[bBuUrRfF@]{0,2}(\\{0,3}[\"'`])"
_SCHEME: Final = (
    r"(?i:bearer|basic|token|api-?key|negotiate|ntlm|geniekey|bot|ssws|key|dpop|jwt|digest|oauth|hawk|signature|hmac|"
    r"aws4-hmac-sha256|zoho-oauthtoken|splunk|klaviyo-api-key|flyv1)(?:[ \t]{1,4}|%20|\+)"
)
_MANY: Final = frozenset("digest oauth hawk signature aws4-hmac-sha256".split())
_ENDS: Final = r"[,;&|)\]}]+(?:[\s\"'`<>]|$|[\w.\-\[\] ]{1,64}[=:]|[\[{(])|%26|\\[nrt]"
_SECOND: Final = frozenset({"key", "keys", "factor", "phrase", "code", "codes"})  # of two words that are one name
_TOLD: Final = ("password", "passwd", "pwd", "secret", "token", "key", "code", "pin", "otp")
_ALGORITHM: Final = r"(?i)(?:sha|md|aes|rsa|base|utf|oauth|v|x|hs|rs|es|ed|p|#|bcrypt|pbkdf)-?[0-9]{1,5}[\w.-]{0,8}:?"
_YAML_VALUE: Final = r"\r?\n[ \t]{0,40}value:[ \t]{1,8}"
_LINE: Final = 8192
_CHUNK: Final = 400


def find(text: Text, names: Names) -> Iterator[tuple[int, int]]:
    """The values that stand under a sensitive name."""
    raw, done = text.raw, 0
    for at in _hits(text.low, text.gates.intersection(names.keywords)):
        if at < done:
            continue
        look = pattern(_LOOK).match(raw, at)
        if look is None and "-" not in raw[max(0, at - 24) : at]:  # no separator follows, and it is no flag
            continue
        before = raw[max(done, at - 64) : at]
        start = at - (len(before) - len(before.rstrip(_NAME)))
        tail = pattern(r"[\w.\-]{1,64}").match(raw, at)
        end = tail.end() if tail else at
        done = end
        if end >= len(raw) or raw[end] not in _AFTER:
            continue
        label, place = _label(raw, start, end)
        if place is None or not names.sensitive(label):
            continue
        for span in _values(raw, place, label):
            done = max(done, span[1])
            yield span


def _hits(low: str, keywords: Iterable[str]) -> list[int]:
    """Where the keywords are, in order. A search for each beats one pattern of all."""
    found = []
    for keyword in keywords:
        at = low.find(keyword)
        while at >= 0:
            found.append(at)
            at = low.find(keyword, at + 1)
    return sorted(found)


class _Place(NamedTuple):
    """Where a value begins, what leads to it from its name, and whether it is an XML element's, up to `</`."""

    begin: int
    lead: str
    element: bool = False


def _label(raw: str, start: int, end: int) -> tuple[str, _Place | None]:
    """The name at `start:end`, with the words before and after it that belong to it; and the place of its value."""
    name = raw[start:end].strip(".-_")
    place = _place(raw, start, end)
    if place is None and raw[end] == " ":
        more = pattern(r" (?:[Ii][Dd]|[Kk]ey|[Tt]oken|[Cc]ode|[Vv]alue|[Pp]hrase|KEY|TOKEN)").match(raw, end)
        if more and more.end() < len(raw):
            place = _place(raw, start, more.end())
            name += more.group()
    if place and start > 1 and raw[start - 1] == " " and name.lower() in _SECOND:
        before = raw[max(0, start - 24) : start - 1]
        name = before[len(before.rstrip(_NAME)) :] + " " + name
    return name, place


def _place(raw: str, start: int, end: int) -> _Place | None:
    """Where the value of the name at `start:end` is, or None where none follows."""
    before, after = raw[start - 1 : start], raw[end]
    operator = pattern(_OPERATOR).match(raw, end)
    if operator:
        composite = before == ":" and operator.group() == ":"  # a part of an ARN, a URN, a Redis key
        return None if composite else _Place(operator.end(), operator.group())
    follows: re.Match[str] | None = None
    element = (before == ">" and after == "<") or raw[start - 6 : start - 1] == "name="
    if element or (before in ("<", ":") and after in "> \t"):
        follows = pattern(_ELEMENT if element else _TAG).match(raw, end)
        if follows and raw.startswith("</", raw.find("<", follows.end(), follows.end() + _LINE)):
            return _Place(follows.end(), ">", element=True)
        follows = None
    if after in "\"'\\":
        follows = pattern(_RECORD).match(raw, end) or _paired(raw, start, end)
    elif after in "\r\n" and raw[max(0, start - 8) : start].rstrip("\"' ").endswith("name:"):
        follows = pattern(_YAML_VALUE).match(raw, end)
    elif after in " \t" and (raw[start] == "-" or raw[max(0, start - 4) : start] in ("ENV ", "ARG ")):
        follows = pattern(r"[ \t]{1,4}(?:[^\-\s]|$)").match(raw, end)
        return _Place(follows.end() - 1, " ") if follows else None
    elif after == " " and raw[start:end].lower().endswith(_TOLD):
        follows = pattern(r" {1,2}(?:(?:is|was)[ \t]{1,2})?").match(raw, end)
        if follows and not _is_told(raw, follows.end(), digits=raw[start:end].lower().endswith(("code", "pin", "otp"))):
            follows = None
    return _Place(follows.end(), follows.group()) if follows else None


def _paired(raw: str, start: int, end: int) -> re.Match[str] | None:
    """`("password", "hunter2")`; in a longer list of strings only where the second is opaque."""
    follows = pattern(_PAIR).match(raw, end)
    opening = pattern(_OPEN).match(raw, follows.end()) if follows else None
    if opening is None or pattern(r"\([bu]?[\\\"']{1,4}").search(raw, max(0, start - 6), start):
        return follows if opening else None
    return follows if is_opaque(raw[opening.end() : _closing(raw, opening.end(), opening.group(1))], 6) else None


def _is_told(raw: str, begin: int, *, digits: bool) -> bool:
    """Whether `password is …` or `password …` goes on with a value: quoted, or opaque."""
    if raw[begin : begin + 1] in ("'", '"', "`"):
        return True
    value = raw[begin : _chunk_end(raw, begin)].rstrip(".")
    if digits:
        return pattern(r"[0-9]{4,10}").fullmatch(value) is not None
    said = raw[begin - 3 : begin - 1] in ("is", "as")
    return is_opaque(value, 6) and (said or pattern(_ALGORITHM).fullmatch(value) is None)


def _values(raw: str, place: _Place, name: str) -> Iterator[tuple[int, int]]:
    """The spans of a value: none where it is no secret, several for a list or cookies."""
    if raw[place.begin : place.begin + 1] == "[" and not place.element:
        yield from _listed(raw, place.begin + 1)
        return
    start, end, closed = _extent(raw, place, name)
    if keys.words(name)[-1:] in (["cookie"], ["cookies"]) and "=" in raw[start:end]:
        end = end if closed else _line_end(raw, start)
        yield from cookies(raw, start, end)
        yield end, end  # looked at, whatever was found
        return
    scheme = pattern(_SCHEME).match(raw, start)
    if scheme:
        start, end = scheme.end(), end if closed else _credential_end(raw, scheme)
        if keys.words(name)[-1:] == ["authorization"]:
            closed, name = True, "password"  # the scheme says that it is one
    if place.lead.strip() in ("", "is", "was"):
        end = start + len(raw[start:end].rstrip("."))
    if end > start and _is_value(raw[start:end].strip(), name, place.lead, closed=closed):
        if end - start >= _CHUNK and not closed:
            more = pattern(r"[^\s\"'`<>]+").match(raw, end)
            end = more.end() if more else end
        yield start, end


def _extent(raw: str, place: _Place, name: str) -> tuple[int, int, bool]:
    """From where to where a value goes, and whether something closes it: a quote, a tag, an indented block."""
    begin = place.begin
    if place.element:
        return begin, begin + len(raw[begin : raw.find("<", begin)].rstrip().removesuffix("]]>")), True
    opening = pattern(_OPEN).match(raw, begin)
    if opening:
        return opening.end(), _closing(raw, opening.end(), opening.group(1)), True
    block = pattern(r"[|>][+-]?[0-9]?[ \t\r]*\n").match(raw, begin)
    if block:
        return *_block(raw, block.end() - 1), True
    return begin, _unquoted_end(raw, begin, name), False


def _credential_end(raw: str, scheme: re.Match[str]) -> int:
    """The end of what follows an authorization scheme: of the line, where it takes parameters."""
    many = scheme.group().strip().lower() in _MANY and "=" in raw[scheme.end() : scheme.end() + 64]
    return _line_end(raw, scheme.end()) if many else _chunk_end(raw, scheme.end())


def _is_value(value: str, name: str, lead: str, *, closed: bool) -> bool:
    """Whether `value` is a secret under this name. Prose has colons too, so there a bare value must look like one."""
    if len(value) == 1 or is_placeholder(value) or is_word(value) or is_empty_form(value):
        return False
    if value.lower() == name.lower() or (not closed and is_code(value)):
        return False
    weak = keys.is_weak(name)
    code = value.isdigit() and name.lower().endswith(("pin", "otp", "code"))
    if weak and is_plain(value) and not code:
        return False
    if closed or ":" not in lead or lead[0] in "\"'\\":
        return True
    if weak or "token" in name.lower():
        return code or (is_opaque(value, 6) and not value.isalpha() and not is_plain(value))
    return lead != ":" or not is_plain(value)


def _closing(raw: str, begin: int, delimiter: str) -> int:
    """The closing delimiter on the same line, else the end of the word."""
    limit = _line_end(raw, begin)
    at = begin
    while (at := raw.find(delimiter, at, limit)) >= 0:
        escapes = at
        while escapes > begin and at - escapes < len(delimiter) + 3 and raw[escapes - 1] == "\\":
            escapes -= 1
        if (at - escapes) % 2 == 0 or delimiter[0] == "\\":
            return at
        at += len(delimiter)
    return _chunk_end(raw, begin)


def _line_end(raw: str, begin: int) -> int:
    end = raw.find("\n", begin, begin + _LINE)
    return len(raw[: begin + _LINE].rstrip("\r")) if end < 0 else end


def _unquoted_end(raw: str, begin: int, name: str) -> int:
    """The end of a bare value: of the line in an environment dump or behind a braced ODBC value, else of the word."""
    if raw[begin : begin + 1] == "{" and raw[begin - 1 : begin] == "=":
        brace = raw.find("}", begin, begin + 256)
        if brace > 0 and raw[brace + 1 : brace + 2] in (";", ""):
            return brace + 1
    end = _chunk_end(raw, begin)
    line = begin - len(name) - 1
    if (
        (name.isupper() or "." in name)
        and raw[begin - 1 : begin] == "="
        and (line == 0 or raw[line - 1 : line] == "\n")
        and _in_a_dump(raw, line, begin)
    ):
        rest = raw[end : min(_line_end(raw, begin), end + 256)]
        if raw[end : end + 1] == " " and not pattern(r"[\w.-]+[=:]|[#;|&\"']").search(rest):
            return end + len(rest.rstrip())
    return end


def _in_a_dump(raw: str, line: int, begin: int) -> bool:
    """Whether the line before or the next one assigns too: a line by itself may be a shell's, or a sentence."""
    assigns = pattern(r"(?:export )?[A-Za-z_][\w.-]{0,100}=")
    before = raw.rfind("\n", max(line - _LINE, 0), max(line - 1, 0)) + 1
    after = _line_end(raw, begin) + 1
    return bool((line and assigns.match(raw, before)) or assigns.match(raw, after))


def _chunk_end(raw: str, begin: int) -> int:
    """The end of an unquoted value: at white space or a quote, or at punctuation that ends it."""
    run = pattern(r"[^\s\"'`<>]{0,400}").match(raw, begin)
    end = run.end() if run else begin
    cut = pattern(_ENDS).search(raw, begin, min(end + 65, len(raw)))
    return cut.start() if cut and cut.start() < end else end


def _listed(raw: str, begin: int) -> Iterator[tuple[int, int]]:
    """The quoted strings of a list on one line."""
    limit = raw.find("]", begin, min(_line_end(raw, begin), begin + 1000))
    at = begin
    while limit > 0 and (opening := pattern(r"\s{0,40},?\s{0,40}" + _OPEN).match(raw, at, limit)):
        end = raw.find(opening.group(1), opening.end(), limit)
        if end < 0:
            return
        if not is_placeholder(raw[opening.end() : end]):
            yield opening.end(), end
        at = end + len(opening.group(1))


def _block(raw: str, begin: int) -> tuple[int, int]:
    """The lines of a YAML block scalar: those indented more than the first of them allows."""
    first = pattern(r"[ \t\r]*\n([ \t]{1,80})[^\s]").match(raw, begin)
    if not first:
        return begin, begin
    start = first.end() - 1
    end = start
    while True:
        end = _line_end(raw, end)
        if not raw.startswith("\n" + first.group(1), end):
            return start, end
        end += 1


def cookies(raw: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """The values of cookie pairs whose name is sensitive or whose value is opaque."""
    for pair in pattern(r"([^=;,\s\"']{1,128})=([^;,\s\"']{1,4096})").finditer(raw, begin, end):
        name, value = pair.groups()
        if name.lower() in {"path", "domain", "expires", "max-age", "samesite", "version"} or is_placeholder(value):
            continue
        if keys.is_sensitive(name) or is_opaque(value, 12):
            yield pair.span(2)
