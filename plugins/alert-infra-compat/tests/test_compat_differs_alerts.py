"""Alerts and their masking, by alert-infra 0.1.5 and by this distribution."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.needs("alert-infra"), pytest.mark.once]

Call = dict[str, Any]
Compare = Callable[[list[Call]], list[tuple[Any, Any]]]

WORDS = "invoice order disk worker region retry üñí 支付 timeout checkout GET /health 42 0.5 ok".split()
KEYS = ["invoice_id", "provider", "count", "Region", "request-path", "n", "Überschrift", "user_id", "status", "job"]
OLD_KEYS = [
    "password", "DB-Password", "api_key", "API-KEY", "x-api-key", "access_count", "token", "token_count", "Secret",
    "authorization", "cookies", "session_duration", "csrf", "refresh_interval", "private_key", "accessible",
]  # fmt: skip


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that has no secret in it."""
    plain: list[Callable[[], Any]] = [
        lambda: " ".join(rng.choices(WORDS, k=rng.randint(1, 4))),
        lambda: rng.randint(-(10**12), 10**12),
        lambda: rng.choice([0.5, -3.25, 1e300]),
        lambda: rng.choice([None, True, False, ""]),
        lambda: {"!": "datetime", "of": "2026-03-04T05:06:07+01:00"},
        lambda: {"!": "date", "of": "2026-03-04"},
        lambda: {"!": "decimal", "of": "12.50"},
        lambda: {"!": "uuid", "of": "12345678-1234-5678-1234-567812345678"},
        lambda: {"!": "bytes", "of": "raw bytes"},
        lambda: {"!": "enum", "of": "red"},
        lambda: {"!": "range", "of": rng.randint(0, 4)},
        lambda: {"!": "error", "of": "no such file"},
    ]
    nested: list[Callable[[], Any]] = [
        lambda: [value(rng, depth + 1) for _ in range(rng.randint(0, 3))],
        lambda: {"!": "tuple", "of": [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]},
        lambda: {"!": "set", "of": rng.sample(WORDS, 3)},
        lambda: {"!": "set", "of": [3, 20, 1]},
        lambda: {"!": "proxy", "of": metadata(rng, depth + 1)},
        lambda: {"!": "card", "of": [" ".join(rng.choices(WORDS, k=2)), rng.randint(0, 9)]},
        lambda: {"!": "point", "of": [1, value(rng, depth + 1)]},
        lambda: {"!": "pairs", "of": [[1, "one"], [True, "yes"], [{"!": "tuple", "of": [1, 2]}, 3]]},
        lambda: metadata(rng, depth + 1),
    ]
    return rng.choice(plain + nested * 2 if depth < 3 else plain)()


def metadata(rng: random.Random, depth: int = 0) -> Any:
    return {rng.choice(KEYS + OLD_KEYS * (depth < 9)): value(rng, depth) for _ in range(rng.randint(0, 5))}


def fields(rng: random.Random) -> dict[str, Any]:
    given = {
        "title": " " * rng.randint(0, 1) + " ".join(rng.choices(WORDS, k=rng.randint(1, 6))),
        "message": " ".join(rng.choices(WORDS, k=rng.randint(1, 30))) + rng.choice(["", "\n", "\nmore"]),
        "severity": rng.choice(["info", "warning", "error", "critical", "ERROR", "Critical"]),
        "source": rng.choice([None, "billing", "worker-7"]),
        "tags": rng.choice([["payments"], {"!": "tuple", "of": ["a", "b"]}, []]),
        "metadata": metadata(rng),
        "request_id": rng.choice([None, "req-01HZY"]),
        "created_at": {"!": "datetime", "of": rng.choice(["2026-03-04T05:06:07", "2026-03-04T05:06:07.5-03:30"])},
    }
    return {name: item for name, item in given.items() if name in ("title", "message") or rng.random() < 0.8}


def base(**more: Any) -> dict[str, Any]:
    return {"title": "t", "message": "m", **more}


def test_generated_alerts_are_the_same_and_so_are_their_payloads(compare: Compare) -> None:
    rng = random.Random(20261122)
    mail = {"api_key": "key-1", "from_email": "a@example.com", "to_emails": ["ops@example.com", "b@example.com"]}
    calls: list[Call] = []
    for _ in range(250):
        given = fields(rng)
        calls += [{"call": name, "fields": given} for name in ("alert", "round_trip", "formats")]
        calls += [
            {"call": "payload", "kind": "resend", "options": mail, "fields": given},
            {"call": "payload", "kind": "sendgrid", "options": mail, "fields": given},
            {"call": "payload", "kind": "telegram", "options": {"bot_token": "1:x", "chat_id": -5}, "fields": given},
            {"call": "payload", "kind": "slack", "options": {"webhook_url": "https://example.com/x"}, "fields": given},
        ]
    for call in calls:
        if call.get("kind") in ("resend", "sendgrid"):  # HTML is escaped: another test's
            call["fields"] = {**call["fields"], "metadata": unquoted(call["fields"].get("metadata", {}))}
    compare(calls)


def unquoted(value: Any) -> Any:
    """Metadata whose `str()` has none of the characters that HTML escapes: no `"`, `&`, `<` or `>`."""
    if isinstance(value, dict) and value.get("!") in ("bytes", "enum", "error"):
        return "text"
    if isinstance(value, dict):
        return {name: unquoted(item) for name, item in value.items()}
    return [unquoted(item) for item in value] if isinstance(value, list) else value


def test_what_the_constructor_takes_and_refuses_is_the_same(compare: Compare) -> None:
    positional = ["t", "m", "info", "src", {"!": "tuple", "of": ["a"]}, {"k": 1}]
    calls: list[Call] = [{"call": "alert", "fields": {"positional": positional}}]
    given: dict[str, list[Any]] = {
        "title": ["", "  ", None, 7, " x "],
        "message": ["", "  ", None, 7, " x "],
        "severity": ["INFO", "fatal", "", None, 3, " error "],
        "tags": [[], ["a", "a"], {"!": "tuple", "of": []}, {"!": "set", "of": ["one"]}, None, 5, [1, 2]],
        "metadata": [None, [], "text", 5, {}, {"!": "pairs", "of": [[1, 2]]}],
        "source": [None, "", "svc"],
        "correlation_id": ["", "given"],
        "request_id": ["", "r"],
        "redact_sensitive_data": [True, False, 1, 0],
        "unknown": [1],
    }
    for name, values in given.items():
        calls += [{"call": "alert", "fields": base(**{name: item})} for item in values]
    secrets = {"token": "visible", "nested": {"password": "p"}, "n": 1}
    calls.append({"call": "alert", "fields": base(metadata=secrets, redact_sensitive_data=False)})
    calls += [{"call": "made_now"}]
    compare(calls)


def test_what_from_dict_takes_and_refuses_is_the_same(compare: Compare) -> None:
    given: list[Any] = [
        base(),
        base(created_at="2026-03-04T05:06:07Z", tags=["a", 1], correlation_id="c", request_id="r", source="s"),
        base(created_at="2026-03-04 05:06", metadata={"token": "x"}, severity="WARNING"),
        base(created_at="", tags=None, metadata=None, severity=None, extra=1),
        base(created_at={"!": "datetime", "of": "2026-03-04T05:06:07"}),
        base(redact_sensitive_data=False, metadata={"token": "x"}),
        {"title": 7, "message": 8},
        {}, {"title": "t"}, {"message": "m"}, base(severity="fatal"), base(metadata=["a"]), base(created_at=5),
        base(metadata={"api_key": "[REDACTED]"}), base(tags=3),
    ]  # fmt: skip
    compare([{"call": "from_dict", "data": data} for data in given])


def test_every_key_of_the_old_rule_is_judged_alike(compare: Compare) -> None:
    innocent = ["user_id", "title", "count", "pass_rate", "tok", "keys", "", "acces", "Zone", "monkey"]
    calls: list[Call] = [{"call": "is_sensitive_key", "key": key} for key in [*OLD_KEYS, *KEYS, *innocent, 7, None]]
    calls += [{"call": "redact_metadata", "metadata": {key: "v", "n": [{key: None}]}} for key in OLD_KEYS]
    items: list[Any] = [None, {}, [], "x", 5, [1, [2]], {"!": "tuple", "of": [1]}]
    calls += [{"call": "redact_metadata", "metadata": item} for item in items]
    calls += [{"call": "redact_value", "value": item} for item in items]
    compare(calls)


def test_what_0_1_5_masked_stays_masked_and_the_rest_is_masked_or_the_same(compare: Compare) -> None:
    rng = random.Random(7)
    secret = "password=hunter2-canary"  # every text of the old outcome is in the new one, or was masked there
    calls: list[Call] = []
    for _ in range(300):
        data = metadata(rng)
        data[rng.choice([*KEYS, "apiKey", "credentials", "db_passwd"])] = rng.choice([secret, [secret], {"x": secret}])
        data["args"] = {"!": "card", "of": [secret, {"clientSecret": "hunter2-canary"}]}
        calls.append({"call": "redact_metadata", "metadata": data, "differs": "secret-text"})
    for old, new in compare(calls):
        assert covers(old, new)
        assert "hunter2" in str(old)
        assert "hunter2" not in str(new)


def covers(old: Any, new: Any) -> bool:
    """Whether `new` is `old`, but for more masks."""
    if isinstance(new, str) and "[REDACTED" in new:
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        return list(old) == list(new) and all(map(covers, old.values(), new.values()))
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(covers, old, new))
    return bool(old == new) and old != "[REDACTED]"


def test_where_0_1_5_leaks_or_crashes_this_one_does_not(compare: Compare) -> None:
    bearer = "Authorization: Bearer abcdef0123456789abcdef"
    calls: list[Call] = [
        {"call": "alert", "fields": base(**{name: item}), "differs": "secret-text"}
        for name, item in {
            "title": "login with password=hunter2-canary",
            "message": bearer,
            "source": "https://user:hunter2-canary@example.com/",
            "tags": ["token=hunter2-canary-0123456789"],
            "request_id": "https://hooks.slack.com/services/T0000/B0000/abcdefghijklmnopqrstuvwx",
        }.items()
    ]
    calls += [
        {"call": "redact_metadata", "metadata": {key: "hunter2-canary"}, "differs": "secret-key"}
        for key in ("apiKey", "passwd", "credentials", "privateKey", "dsn")
    ]
    calls += [{"call": "is_sensitive_key", "key": key, "differs": "secret-key"} for key in ("apiKey", "passwd", "dsn")]
    mixed, proxy = {"!": "set", "of": [1, "two"]}, {"!": "proxy", "of": {}}
    broken: list[Any] = [{"!": "cycle", "of": "n"}, {"!": "deep", "of": 2000}, mixed, {"!": "unreadable"}]
    broken.append({"!": "card", "of": [proxy, 1]})
    calls += [{"call": "redact_metadata", "metadata": {"n": item}, "differs": "unreadable"} for item in broken]
    large: list[Any] = [{"!": "deep", "of": 40}, {"!": "range", "of": 20_000}]
    calls += [{"call": "redact_metadata", "metadata": {"n": item}, "differs": "size"} for item in large]
    frozen = {"!": "frozenset", "of": ["b"]}
    calls += [{"call": "redact_value", "value": frozen, "differs": "frozenset", "new": {"result": ["b"]}}]
    calls += [
        {"call": "redact_value", "value": {"!": "float", "of": item}, "differs": "no-number", "new": {"result": item}}
        for item in ("nan", "inf")
    ]
    for old, new in compare(calls):
        assert "error" in old or "error" not in new
        assert "hunter2" not in str(new)
        assert "abcdef0123456789abcdef" not in str(new)


def test_a_wrong_time_is_told_as_what_it_is_and_a_tag_is_text(compare: Compare) -> None:
    calls: list[Call] = [
        {"call": "alert", "fields": base(created_at=item), "differs": "created-at"} for item in (None, "2026-03-04", 5)
    ]
    calls += [{"call": "from_dict", "data": base(created_at="yesterday"), "differs": "created-at"}]
    none: list[Any] = [None, [], "text", 5]
    calls += [{"call": "from_dict", "data": item, "differs": "created-at"} for item in none]
    compared = compare(calls)
    assert {new["error"]["type"] for _, new in compared} == {"AlertValidationError"}
    tags: list[Any] = ["payments", {"!": "tuple", "of": [1, None]}]
    compare([{"call": "alert", "fields": base(tags=item), "differs": "one-tag"} for item in tags])
