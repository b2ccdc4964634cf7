"""The rules, in the order in which they are tried. What each masks is told in rules.toml."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alert_core.redaction import assignments, blocks, headers, tokens, urls
from alert_core.redaction.engine import Rule, matching, pattern

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from alert_core.redaction.engine import Names, Spans, Text


_HASH: Final = (
    r"\$(?:2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}|(?:1|5|6|y|apr1|argon2(?:id|i|d)|scrypt|pbkdf2-sha[0-9]{1,3})"
    r"\$[./A-Za-z0-9$=,+-]{20,200})"
)
_BUNDLER: Final = (
    r"BUNDLE_[A-Z0-9_]{1,64}__[A-Z0-9_]{1,32}[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?"
    r"([^\s\"':]{1,256}:[^\s\"']{1,256})"
)


def _after_digits(source: str, least: int) -> Callable[[Text, Names], Spans]:
    """A finder of this pattern behind a number: the pattern is the rarer part, so it is searched first."""

    def find(text: Text, _names: Names) -> Spans:
        for match in pattern(source).finditer(text.raw):
            before = text.raw[max(0, match.start() - 17) : match.start()]
            digits = len(before) - len(before.rstrip("0123456789"))
            if digits >= least:
                yield match.start() - digits, match.end()

    return find


def _discord(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    if len(text.raw) < 59:  # noqa: PLR2004 - the shortest such token
        return
    for match in pattern(r"\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,40}").finditer(text.raw):
        user = pattern(r"[MNO][A-Za-z0-9_-]{23,27}$").search(text.raw[max(0, match.start() - 28) : match.start()])
        if user:
            yield match.start() - len(user.group()), match.end()


def _cards(text: Text, _names: Names) -> Iterator[tuple[int, int]]:
    for match in pattern(
        r"\b[2-6][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{1,7}\b|\b3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5}\b"
    ).finditer(text.raw):
        digits = [int(char) for char in match.group() if char.isdigit()]
        doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
        if (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0:
            yield match.span()


RULES: Final = (
    Rule("private-key", ("-----begin ",), blocks.find_private_keys),
    Rule("encoded-key", ("ls0tls1crudjti",), blocks.find_encoded_keys),
    Rule("userinfo", ("://",), urls.find_userinfo),
    Rule("oracle-login", ("thin:", "sqlplus"), urls.find_thin),
    Rule("capability-url", ("hook", "/bot", "://"), urls.find_capability),
    Rule("query", ("?", "&"), urls.find_query),
    Rule("authorization", ("bearer", "basic "), headers.find_schemes),
    Rule("command-line", (" -", "'-", '"-'), headers.find_commands),
    Rule("jwt", ("eyj",), blocks.find_jwt),
    Rule("jwk", ('"kty', '\\"kty'), blocks.find_jwk),
    Rule("vendor-token", (), tokens.find),
    Rule("telegram-token", (":a", "%3aa"), _after_digits(r"(?::|%3[aA])A[A-Za-z0-9_-]{32,36}", 5)),
    Rule("mailchimp-key", ("-us",), matching(r"\b[0-9a-f]{32}-us[0-9]{1,2}\b")),
    Rule("facebook-app-token", ("|", "%7c"), _after_digits(r"(?:\||%7[cC])[A-Za-z0-9_-]{27}", 13)),
    Rule("bundler-login", ("bundle_",), matching(_BUNDLER)),
    Rule(
        "azure-client-secret",
        ("q~",),
        matching("(?:^|[^A-Za-z0-9_~.-])([A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34})"),
    ),
    Rule("netrc", ("machine ",), matching(r"\blogin\s{1,8}[^\s]{1,128}\s{1,8}password\s{1,8}([^\s]{1,256})")),
    Rule("password-hash", ("$",), matching(_HASH)),
    Rule("azure-key", ("jqqj9",), matching("[A-Za-z0-9]{52}JQQJ9[9D][A-Za-z0-9+/=]{18,32}")),
    Rule("discord-token", (), _discord),
    Rule("kubernetes-secret", ("secret",), blocks.find_kubernetes),
    Rule("sql-parameters", ("[parameters: ",), blocks.find_parameters),
    Rule("validation-input", ("input_value=",), blocks.find_inputs),
    Rule("assignment", (), assignments.find),
    Rule("card-number", (), _cards, default=False),
    Rule(
        "email",
        ("@",),
        matching(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}"),
        default=False,
    ),
)
