"""What holds for any value and any text."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_core.redaction import Limits, Redactor, json_safe, literals, redact, register_literal

CANARY = "Canary/7f3a+9c21=e5"
TOKEN = "ghp_" + "a1B2" * 9

# Pieces that rules look for, so that random texts come near them.
PIECES = [
    "password",
    "token",
    "api_key",
    "key",
    "Authorization",
    "Cookie",
    "session",
    "secret",
    "=",
    ":",
    " ",
    "\n",
    '"',
    "'",
    "\\",
    ",",
    ";",
    "&",
    "?",
    "{",
    "}",
    "[",
    "]",
    "<",
    ">",
    "/",
    "@",
    "://",
    "bearer ",
    "Basic ",
    "-----BEGIN PRIVATE KEY-----",
    "-----END PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9",
    ".",
    TOKEN,
    "hunter2",
    "AbC123dEf456",
    "kind: Secret\n",
    "data:\n",
    "[REDACTED]",
    "[REDACTED:assignment]",
    "[REDACTED:",
    "]",
    "%3D",
    "%",
    "é",
    "İ",
    "\ud800",
    "--",
    "-p",
    "curl ",
    "x" * 40,
    "https://hooks.slack.com/services/",
    "T01/B02/AbCdEf123456",
    "input_value=",
    "[parameters: ",
    "cookies",
    "|",
    "a=b; c=d",
]
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    texts,
    st.binary(max_size=30),
    st.decimals(),
    st.datetimes(),
    st.uuids(),
)
keys = st.one_of(
    texts, st.sampled_from(["password", "name", "value", "kind", "data", "cookies", "kty", "d"]), st.integers()
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=5),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(keys, inner, max_size=5),
        st.lists(st.tuples(keys, inner), max_size=3),
    ),
    max_leaves=20,
)


@pytest.fixture(autouse=True, scope="module")
def own_literals() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(literals, "_registered", {})
    literals._indexes.cache_clear()
    register_literal(CANARY)
    yield
    patch.undo()
    literals._indexes.cache_clear()


def is_json(value: Any) -> bool:
    if type(value) is dict:
        return all(type(key) is str and is_json(item) for key, item in value.items())
    if type(value) is list:
        return all(map(is_json, value))
    return value is None or type(value) in {str, int, float, bool}


@given(values)
def test_any_value_becomes_json_that_encodes_and_masking_it_again_changes_nothing(value: Any) -> None:
    masked = redact(value)
    assert is_json(masked)
    json.dumps(masked, allow_nan=False, ensure_ascii=False).encode()
    assert redact(masked) == masked
    json.dumps(json_safe(value), allow_nan=False, ensure_ascii=False).encode()


@given(texts)
def test_any_text_gives_a_text_and_masking_it_again_changes_nothing(text: str) -> None:
    masked = redact(text)
    assert type(masked) is str
    assert redact(masked) == masked


@given(texts)
def test_matches_lie_in_order_within_the_text_and_what_is_outside_them_is_kept(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    at = 0
    for match in Redactor().matches(text):
        assert at <= match.start < match.end <= len(text)
        at = match.end
    if at == 0:
        assert redact(text) == text


ENCODINGS = [
    lambda secret: secret,
    lambda secret: urllib.parse.quote(secret, safe=""),
    urllib.parse.quote_plus,
    json.dumps,
    lambda secret: json.dumps(json.dumps({"x": secret})),
    lambda secret: base64.b64encode(secret.encode()).decode(),
    lambda secret: base64.urlsafe_b64encode(b"ab" + secret.encode() + b"c").decode(),
    lambda secret: secret.encode(),
    lambda secret: ValueError(f"failed with {secret}"),
    lambda secret: [("x", secret)],
    lambda secret: {secret: 1},
]


@given(st.sampled_from(ENCODINGS), st.lists(st.one_of(texts, st.none()), max_size=6), texts, values)
def test_a_registered_secret_is_gone_at_any_path_and_in_any_encoding(
    encode: Any, path: list[str | None], lead: str, beside: Any
) -> None:
    planted = encode(CANARY)
    if isinstance(planted, str):
        planted = lead + planted
    for step in path:
        planted = [beside, planted] if step is None else {"beside": beside, step: planted}
    told = json.dumps(redact(planted), ensure_ascii=False)
    for form in (str, json.dumps, urllib.parse.quote_plus):
        assert str(form(CANARY)).strip('"') not in told
    assert base64.b64encode(CANARY.encode())[4:-4].decode() not in told


@given(st.lists(st.sampled_from(PIECES[20:34]), max_size=6), st.sampled_from([" ", "\n", "=", '"', "(", ",", "/", ">"]))
def test_a_token_of_a_known_vendor_is_gone_from_any_text(pieces: list[str], edge: str) -> None:
    assert TOKEN not in redact("".join(pieces) + edge + TOKEN + edge + "".join(pieces))


@given(values, st.integers(1, 30), st.integers(1, 10))
@settings(max_examples=50)
def test_the_limits_hold_for_any_value(value: Any, nodes: int, depth: int) -> None:
    redactor = Redactor(limits=Limits(nodes=nodes, depth=depth))

    def count(plain: Any) -> int:
        items = list(plain.values()) if isinstance(plain, dict) else plain if isinstance(plain, list) else []
        return len(items) + sum(map(count, items))

    def height(plain: Any) -> int:
        items = list(plain.values()) if isinstance(plain, dict) else plain if isinstance(plain, list) else None
        return 0 if items is None else 1 + max(map(height, items), default=0)

    masked = redactor.redact(value)
    assert count(masked) <= nodes + depth + 1
    assert height(masked) <= depth
    assert redactor.redact(masked) == masked
