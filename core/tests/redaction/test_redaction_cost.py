"""Cost: doubling an adversarial text at most doubles the time, for every rule."""

import time
from collections.abc import Callable

import pytest

from alert_core.redaction import Redactor, literals, register_literal, rules

pytestmark = pytest.mark.once

# Texts that make each rule work hardest: nearly its match, over and over.
ADVERSARIAL: dict[str, list[str]] = {
    "private-key": ["-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN A PRIVATE KEY-----\\n"],
    "encoded-key": ["LS0tLS1CRUdJTi", "LS0tLS1CRUdJTiBQ "],
    "userinfo": ["://", "://a:", "://a:b@", "://a:b", "a://@:"],
    "oracle-login": ["thin:a/", "thin:", "sqlplus a"],
    "capability-url": ["hooks.slack.com/services/", "/bot1:", "://hook/bot", "/bot123456:AA", "/bot" + "1" * 12],
    "query": ["?key=", "&sig=a", "?key=aaaaaaaaaaaaaaaa1", "&"],
    "authorization": ["bearer ", "basic ", "bearer a1", "basic aGVs", "bearerbearer "],
    "command-line": ["curl ", "curl -u ", "mysql -p", "curl -u a:", " -", "curl\\\n"],
    "jwt": ["eyJ", "eyJaaaaaaaa.", "eyJaaaaaaaa.eyJ", "eyJaaaaaaaa" * 2 + "."],
    "jwk": ['"kty":"d":"', '"d":"aaaaaaaaaaaaaaaa'],
    "vendor-token": [
        "ghp_",
        "sk-",
        "SG.aaaaaaaaaaaa.",
        "xoxb-1 ",
        "glpat-aaaaaaaaaaaa.",
        "\\nghp_",
        "AKIA",
        "eyJ.",
        "pat.a",
    ],
    "telegram-token": [":A", "12345:A", "12345:AAAAAAAAAAAAAAA"],
    "mailchimp-key": ["0123456789abcdef", "-us1 ", "0" * 32 + "-us"],
    "facebook-app-token": ["1", "1477036645700765|", "|"],
    "bundler-login": ["BUNDLE_", "BUNDLE_A__B:", "BUNDLE_A__"],
    "azure-client-secret": ["8Q~", "abc8Q~", "~"],
    "netrc": ["login ", "machine login a password ", "login a "],
    "password-hash": ["$", "$6$", "$6$aaaaaaaaaaaaaaaaaaaa", "$2b$12$"],
    "azure-key": ["JQQJ99", "a" * 52 + "JQQJ9"],
    "discord-token": [".", ".aaaaaa", "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.", "M"],
    "kubernetes-secret": [
        "kind: Secret\n",
        "kind: Secret\ndata:\n",
        "data:\n  a: b\n",
        "kind: Secret\ndata: {",
        "  data:",
    ],
    "sql-parameters": ["[parameters: ", "[SQL: password [parameters: ", "[SQL:"],
    "validation-input": ["input_value=", "password\n input_value=", "\ninput_value=, input_type="],
    "assignment": [
        "password=",
        "password",
        "token: ",
        "key=$",
        "--token ",
        "key=[",
        '"key"' + " " * 20,
        '"password": "',
        "secret='",
        "password='\\",
        "<password>",
        "<token ",
        "token(",
        "cookie: a=b; ",
        "a-key",
        "key key",
        "password: |\n  ",
        "pin",
        'api_key="\\"',
        "authorization: digest ",
        "key.",
        "name=key",
        "password is ",
        "auth=Basic ",
        "token->",
        "session",
        'token: ["a", ',
        "${key=",
        "token={{",
    ],
    "card-number": ["4111 1111 ", "4", "4111-"],
    "email": ["a@", "a.", "@a.", "a" * 64 + "@"],
}
EVERY = ["A", " ", "\n", "\\", '"', "=", ":", "%", "a.", "a b ", "é", "[REDACTED:x]", "[REDACTED"]
SIZE = 60_000


def seconds(work: Callable[[str], object], text: str) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.process_time()
        work(text)
        best = min(best, time.process_time() - begun)
    return best


def grows_linearly(work: Callable[[str], object], piece: str) -> bool:
    """Whether four times the text costs well under four times four times as much, in the best of a few tries."""
    small, large = (piece * (size // len(piece) + 1) for size in (SIZE // 4, SIZE))
    return any(seconds(work, large) < 9 * max(seconds(work, small), 0.002) for _ in range(3))


def test_every_rule_has_its_adversarial_texts() -> None:
    assert set(ADVERSARIAL) == {rule.name for rule in rules()}


@pytest.mark.parametrize(("rule", "piece"), [(rule, piece) for rule, pieces in ADVERSARIAL.items() for piece in pieces])
def test_a_rule_takes_linear_time_on_its_adversarial_text(rule: str, piece: str) -> None:
    others = [other.name for other in rules() if other.name != rule and other.default]
    optional = [other.name for other in rules() if other.name == rule and not other.default]
    redactor = Redactor(disabled_rules=others, enabled_rules=optional)
    assert grows_linearly(redactor.matches, piece)


@pytest.mark.parametrize("piece", EVERY)
def test_all_rules_together_mask_a_monotonous_text_in_linear_time(piece: str) -> None:
    assert grows_linearly(Redactor().text, piece)


@pytest.mark.parametrize("piece", ["token=abc123 ", "[REDACTED:x] token=abc1 ", "password='x y' "])
def test_a_text_full_of_secrets_is_masked_in_linear_time(piece: str) -> None:
    assert grows_linearly(Redactor().text, piece)


def test_hundreds_of_literals_cost_a_scan_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(literals, "_registered", {})
    literals._indexes.cache_clear()
    text = "the payment provider did not answer within ten seconds " * 2_000
    redactor = Redactor()
    redactor.text(text)
    before = seconds(redactor.text, text)
    for number in range(300):
        register_literal(f"{number:04x}-Secret/Value+{number * 7919:08x}")
    redactor.text(text)
    after = seconds(redactor.text, text)
    literals._indexes.cache_clear()
    assert after < 4 * before + 0.05
