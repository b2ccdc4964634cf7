"""documents: any bytes give a document or a BodyError that quotes nothing; values are found under any spelling."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_gateway.documents import MAX_DEPTH, MAX_FORM_FIELDS, MAX_SPELLINGS, BodyError, document, first, items, value

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


BODIES = {
    "an object": (b'{"a": 1}', {"a": 1}),
    "blanks around it": (b' \r\n{"a": 1}\n', {"a": 1}),
    "a byte order mark": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    "UTF-16": ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), {"a": "é"}),
    "a text": (b'"text"', "text"),
    "null": (b"null", None),
    "equal keys: the last counts": (b'{"a": 1, "a": 2}', {"a": 2}),
    "a line break in a text": (b'{"a": "1\n2\t3"}', {"a": "1\n2\t3"}),
    "no numbers": (b'{"a": NaN, "b": -Infinity}', {"a": "NaN", "b": "-Infinity"}),
    "a number beyond floats": (b'{"a": 1e999}', {"a": "1e999"}),
    "a number beyond Python's digits": (b'{"a": ' + b"9" * 5000 + b"}", {"a": "9" * 5000}),
    "nanoseconds": (b'{"a": 1502709956288000110}', {"a": 1502709956288000110}),
    "as deep as it may be": (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)),
}


@pytest.mark.parametrize(("body", "expected"), BODIES.values(), ids=BODIES)
def test_a_body_is_read_as_senders_write_it(body: bytes, expected: object) -> None:
    assert document(body, {}) == expected


@pytest.mark.parametrize("content_type", ["", "application/json", "text/plain; charset=UTF-8", *FORM.values()])
def test_what_begins_like_json_is_json_whatever_the_content_type_says(content_type: str) -> None:
    assert document(b'{"a": "b=c"}', {"content-type": content_type}) == {"a": "b=c"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"a=1&b=two+words&c=%C3%A9", {"a": "1", "b": "two words", "c": "é"}),
        (b"a=1&a=2&b=", {"a": "2", "b": ""}),
        (b"payload=%7B%22a%22%3A+1%7D", {"a": 1}),
        (b"payload=x&b=1", {"payload": "x", "b": "1"}),
    ],
)
def test_a_form_has_a_text_for_each_key_and_githubs_holds_json(body: bytes, expected: object) -> None:
    assert document(body, FORM) == expected


@pytest.mark.parametrize(
    ("body", "headers", "message"),
    [
        (b"", {}, "the body is empty"),
        (b" \n", FORM, "the body is empty"),
        (b'{"a":\n canary}', {}, "the body is not JSON (line 2, column 2)"),
        (b"canary=1", {}, "the body is not JSON (line 1, column 1)"),
        (b"payload=canary", FORM, "the body is not JSON (line 1, column 1)"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), {}, f"the body is nested more than {MAX_DEPTH} deep"),
        (b'{"canary":' * 50_000, {}, f"the body is nested more than {MAX_DEPTH} deep"),
        (b"canary=1&" * (MAX_FORM_FIELDS + 1), FORM, f"the form has more than {MAX_FORM_FIELDS} fields"),
    ],
    ids=range(8),
)
def test_what_cannot_be_read_is_a_body_error_that_quotes_nothing(
    body: bytes, headers: dict[str, str], message: str
) -> None:
    with pytest.raises(BodyError) as raised:
        document(body, headers)
    assert str(raised.value) == message
    assert raised.value.__context__ is None or raised.value.__suppress_context__


@given(st.binary(), st.sampled_from([{}, FORM]))
def test_any_bytes_give_a_document_or_a_body_error(body: bytes, headers: dict[str, str]) -> None:
    try:
        document(body, headers)
    except BodyError:
        return


@settings(max_examples=30)
@given(JSON)
def test_json_is_read_as_python_reads_it(found: Any) -> None:
    body = json.dumps(found)
    assert document(body.encode(), {}) == json.loads(body, parse_int=_read_whole)


def _read_whole(digits: str) -> int | str:
    return int(digits) if len(digits) <= 40 else digits


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("title", "CPU high"),
        ("org.id", "7"),
        ("monitorFriendlyName", "Web"),
        ("MonitorFriendlyName", "Web"),
        ("monitor-friendly-name", "Web"),
        ("labels.error.type", "NetworkError"),
        ("alerts.1.name", "second"),
        ("yes", "true"),
        ("share", "0.5"),
        ("alerts", None),
        ("alerts.7.name", None),
        ("alerts.-1.name", None),
        ("org", None),
        ("blank", None),
        ("null", None),
        ("title.more", None),
        ("", None),
    ],
)
def test_a_path_finds_a_text_under_any_spelling_of_its_keys(path: str, expected: str | None) -> None:
    found = {
        "title": " CPU high ",
        "org": {"ID": 7},
        "monitor_friendly_name": "Web",
        "labels": {"error.type": "NetworkError"},
        "alerts": [{"name": "first"}, {"name": "second"}],
        "yes": True,
        "share": 0.5,
        "blank": " \n",
        "null": None,
    }
    assert first(found, path) == expected


def test_a_mapping_of_more_entries_than_any_senders_is_read_by_its_own_spelling_alone() -> None:
    many = {f"k{number}": number for number in range(MAX_SPELLINGS)} | {"orgId": 7}
    assert (first(many, "orgId"), first(many, "org_id")) == ("7", None)


def test_the_first_path_that_says_something_counts() -> None:
    assert first({"a": " ", "b": None, "c": 0, "d": "d"}, "a", "b", "c", "d") == "0"
    assert value({"a": None, "b": {"c": []}}, "a", "b.c") == []
    assert items({"a": "no list", "b": [{"c": 1}, 2, None, {"d": 3}]}, "a", "b") == [{"c": 1}, {"d": 3}]
    assert items([{"c": 1}], "alerts", "") == [{"c": 1}]
    assert items({"a": {}}, "a", "b") == []


@given(JSON, st.lists(st.text(alphabet="ab0.1_- ", max_size=8), max_size=3))
def test_any_path_into_any_document_says_something_or_nothing(found: Any, paths: list[str]) -> None:
    assert isinstance(first(found, *paths), str | None)
    assert all(isinstance(item, dict) for item in items(found, *paths))
    value(found, *paths)
