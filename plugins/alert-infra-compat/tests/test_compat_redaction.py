"""Masking: nothing that alert-infra masked may show, and nothing that alert-core masks."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_infra import REDACTED, SENSITIVE_KEYWORDS, Alert, redact_metadata
from alert_infra.security import is_sensitive_key, redact_value

CANARY = "hunter2-canary-7Qx"

names = st.one_of(
    st.sampled_from([*sorted(SENSITIVE_KEYWORDS), "id", "count", "apiKey", "name", "value", "cookies", "kty", "kind"]),
    st.builds(
        lambda before, word, after: f"{before}{word}{after}",
        st.text("ab_-X.", max_size=3),
        st.sampled_from(["Password", "api-key", "PRIVATE_KEY", "access", "Refresh", "session", "status"]),
        st.text("ab_-9", max_size=3),
    ),
    st.text(max_size=8),
)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.binary(max_size=5)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(names, inner, max_size=4)
        | st.frozensets(st.integers() | st.text(max_size=3), max_size=3)
    ),
    max_leaves=12,
)
mappings = st.dictionaries(names, values, max_size=5)


def has_keyword(key: object) -> bool:
    """What alert-infra's README says of keys."""
    name = str(key).lower().replace("-", "_")
    return any(
        term in name
        for term in (
            "password", "token", "secret", "api_key", "authorization", "cookie", "session", "csrf", "access",
            "refresh", "private_key",
        )
    )  # fmt: skip


def shown(value: Any) -> Iterator[Any]:
    """What a mapping shows under the keys that alert-infra masked."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if has_keyword(key):
                yield item
            else:
                yield from shown(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from shown(item)


@given(mappings)
def test_under_a_key_that_alert_infra_masked_nothing_shows(metadata: dict[str, Any]) -> None:
    assert all(item == REDACTED for item in shown(redact_metadata(metadata)))


@given(values)
def test_a_value_is_masked_whatever_it_is_and_masked_twice_is_masked_once(value: Any) -> None:
    masked = redact_value(value)
    json.dumps(masked, allow_nan=False)
    assert redact_value(masked) == masked


@given(mappings, st.sampled_from([*sorted(SENSITIVE_KEYWORDS), "apiKey", "X-Auth-Token", "clientSecret", "passwd"]))
def test_a_secret_shows_at_no_depth(metadata: dict[str, Any], name: str) -> None:
    hidden = {**metadata, "outer": [{name: CANARY}, {"inner": (f"{name}={CANARY}", {name: [CANARY]})}]}
    assert CANARY not in str(redact_metadata(hidden))


@given(st.text(max_size=20))
def test_a_key_is_sensitive_where_its_value_is_masked(key: str) -> None:
    assert is_sensitive_key(key) is (redact_value({key: 1}) != {**redact_value({key: 1}), key: 1})


def test_a_tuple_stays_one_and_a_name_in_it_counts() -> None:
    login = namedtuple("login", "user password")  # noqa: PYI024 - untyped on purpose
    assert redact_value(([1, (2,)], login("ana", CANARY))) == ([1, (2,)], ("ana", REDACTED))


def test_what_cannot_be_told_is_a_marker() -> None:
    class Broken(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError(CANARY)

    loop: list[Any] = []
    loop.append(loop)
    deep: Any = CANARY
    for _ in range(5000):
        deep = [deep]
    wide: Any = [1]
    for _ in range(40):
        wide = [wide, wide]
    told = redact_metadata({"loop": loop, "deep": deep, "broken": Broken(a=1), "wide": wide, "many": [*range(20_000)]})
    assert told["loop"] == ["[REDACTED:cycle]"]
    assert told["broken"] == "[REDACTED:unreadable]"
    assert len(json.dumps(told)) < 1_000_000
    assert CANARY not in str(told)
    assert "[REDACTED:nodes]" in str(redact_metadata({"many": [*range(20_000)]}))
    assert redact_metadata(Broken(a=1)) == {"[REDACTED:unreadable]": "[REDACTED:unreadable]"}


@given(
    st.dictionaries(
        st.sampled_from(
            ["title", "message", "severity", "source", "tags", "metadata", "created_at", "correlation_id", "request_id"]
        ),
        values | st.just("critical") | st.just("2026-01-02T03:04:05Z") | st.text(min_size=1),
    )
)
def test_an_alert_from_any_dictionary_is_json_or_refused(data: dict[str, Any]) -> None:
    try:
        alert = Alert.from_dict(data)
    except (ValueError, TypeError):  # AlertValidationError is a ValueError
        return
    told = json.loads(json.dumps(alert.to_dict(), allow_nan=False))
    assert json.loads(json.dumps(Alert.from_dict(told).to_dict())) == told


@pytest.mark.parametrize("field", ["title", "message", "source", "tags", "correlation_id", "request_id"])
def test_no_text_of_an_alert_tells_a_secret(field: str) -> None:
    secret = f"password={CANARY}"
    given: dict[str, Any] = {"title": "t", "message": "m", field: [secret] if field == "tags" else secret}
    alert = Alert(**given)
    assert CANARY not in repr(alert)
    assert CANARY not in str(Alert(**given, redact_sensitive_data=False).to_dict())
