"""Single values: what each type takes, what it refuses, and that no message quotes a value."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alert_core import RetryPolicy, Secret, Severity
from alert_core.values import Text, key_path, plain, structure


class Region(enum.Enum):
    EUROPE = "eu"
    AMERICA = "us"


@attrs.frozen
class Inner:
    port: int
    hosts: tuple[str, ...] = ()


@attrs.frozen
class Outer:
    inner: Inner
    many: dict[str, Inner] = attrs.field(factory=dict)


class Plain:
    """A class that no configuration can write."""


@pytest.mark.parametrize(
    ("value", "wanted", "expected"),
    [
        ("a", str, "a"),
        ("", str, ""),
        (5, int, 5),
        (5, float, 5.0),
        (0.5, float, 0.5),
        (True, bool, True),
        (["a", "b"], tuple[str, ...], ("a", "b")),
        (("a", "b"), tuple[str, ...], ("a", "b")),
        (["a"], list[str], ["a"]),
        (["a", "a"], frozenset[str], frozenset({"a"})),
        (["a", 1], list, ["a", 1]),
        ({"a": 1}, dict[str, int], {"a": 1}),
        ({"a": [1]}, Mapping[str, Any], {"a": [1]}),
        ("stderr", Literal["stderr", "stdout"], "stderr"),
        ("STDOUT", Literal["stderr", "stdout"], "stdout"),
        (2, Literal[1, 2], 2),
        ("ERROR", Severity, Severity.ERROR),
        (Severity.INFO, Severity, Severity.INFO),
        ("us", Region, Region.AMERICA),
        ("Europe", Region, Region.EUROPE),
        (None, int | None, None),
        (5, int | None, 5),
        ("5", int | str, "5"),
        (5, int | str, 5),
        ("/etc/x", Path, Path("/etc/x")),
        (Path("/etc/x"), Path, Path("/etc/x")),
        ("2026-01-02T03:04:05+00:00", datetime, datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        (datetime(2026, 1, 2, tzinfo=UTC), datetime, datetime(2026, 1, 2, tzinfo=UTC)),
        (date(2026, 1, 2), date, date(2026, 1, 2)),
        ("08:00", time, time(8)),
        ({"attempts": 5}, RetryPolicy, RetryPolicy(attempts=5)),
        (RetryPolicy(attempts=5), RetryPolicy | None, RetryPolicy(attempts=5)),
        ({"inner": {"port": 5, "hosts": ["a"]}}, Outer, Outer(Inner(5, ("a",)))),
        ({"inner": {"port": 5}, "many": {"x": {"port": 6}}}, Outer, Outer(Inner(5), {"x": Inner(6)})),
        ("abcdef", Secret, Secret("abcdef")),
        (Secret("abcdef"), Secret, Secret("abcdef")),
        (["abcdef"], tuple[Secret, ...], (Secret("abcdef"),)),
        (5, Any, 5),
    ],
)
def test_a_value_of_the_right_type_is_taken(value: Any, wanted: Any, expected: Any) -> None:
    found, faults = structure(value, wanted)
    assert (found, faults) == (expected, [])
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "wanted", "fault"),
    [
        (1, str, "must be a text, not an integer"),
        ("12", int, "must be an integer, not a text"),
        (True, int, "must be an integer, not true or false"),
        (1.0, int, "must be an integer, not a number"),
        (True, float, "must be a finite number, not true or false"),
        (float("nan"), float, "must be a finite number, not a number"),
        (float("inf"), float, "must be a finite number, not a number"),
        (10**400, float, "must be a finite number, not an integer"),
        ("false", bool, "must be true or false, not a text"),
        (0, bool, "must be true or false, not an integer"),
        ("+244923000000", tuple[str, ...], "must be a list, not a text"),
        ({"a": 1}, list[str], "must be a list, not a table"),
        (["a", 1], tuple[str, ...], "[1]: must be a text, not an integer"),
        (["a", 1], tuple[str, int], "a tuple in a configuration is of one type: tuple[str, ...]"),
        ([], dict[str, int], "must be a table, not a list"),
        ({5: 1}, dict[str, int], "must be a table whose keys are texts"),
        ({"a": "x"}, dict[str, int], "a: must be an integer, not a text"),
        ("x", Literal["stderr", "stdout"], "must be one of stderr, stdout"),
        (True, Literal[1, 2], "must be one of 1, 2"),
        ("high", Severity, "must be one of info, warning, error, critical"),
        (5, Region, "must be one of eu, us"),
        ("x", int | None, "must be an integer, not a text"),
        (None, int, "must be an integer, not nothing"),
        ([], int | str, "must be of one of the types that it may have, not a list"),
        ("", Path, "must be a path, not a text"),
        ("a\0b", Path, "must be a path, not a text"),
        ("soon", datetime, "must be a datetime in ISO 8601, not a text"),
        (5, time, "must be a time in ISO 8601, not an integer"),
        ("", Secret, "must be a text that is not empty"),
        (["abcdef"], Secret, "must be a text, not a list"),
        ([Plain()], Plain, "must be a Plain, not a list"),
        ("x", RetryPolicy, "must be a table, not a text"),
        ({"attempts": 0}, RetryPolicy, "attempts: must be more than 0"),
        ({"atempts": 5}, RetryPolicy, 'atempts: unknown option; did you mean "attempts"?'),
        ({"inner": {}}, Outer, "inner.port: required option missing"),
        (
            {"inner": {"port": 5}, "many": {"a b": {"port": "x"}}},
            Outer,
            'many."a b".port: must be an integer, not a text',
        ),
    ],
)
def test_a_value_of_a_wrong_type_is_a_fault(value: Any, wanted: Any, fault: str) -> None:
    found, faults = structure(value, wanted)
    assert found is None
    assert [str(one) for one in faults] == [fault]


def test_every_fault_in_a_table_is_told_at_once() -> None:
    _, faults = structure({"inner": {"port": "x", "host": []}, "many": [], "other": 1}, Outer)
    assert [fault.path for fault in faults] == ["inner.port", "inner.host", "many", "other"]


@pytest.mark.parametrize(
    ("text", "wanted", "expected"),
    [
        ("a", str, "a"),
        (" 12 ", int, 12),
        ("-3", int, -3),
        ("0.5", float, 0.5),
        *((word, bool, True) for word in ("true", "True", "1", "yes", "ON")),
        *((word, bool, False) for word in ("false", "FALSE", "0", "no", "off")),
        ("a, b,,c ", tuple[str, ...], ("a", "b", "c")),
        ("1,2", list[int], [1, 2]),
        ("a,b", list[Any], ["a", "b"]),
        ("+244923000000", tuple[str, ...], ("+244923000000",)),
        ("Critical", Severity, Severity.CRITICAL),
        ("2", Literal[1, 2], 2),
        ("7", int | None, 7),
        ("7", int | str, 7),
        ("x7", int | str, "x7"),
        ("/etc/x", Path, Path("/etc/x")),
        ("abcdef", Secret, Secret("abcdef")),
    ],
)
def test_a_text_of_the_environment_is_read_as_the_type(text: str, wanted: Any, expected: Any) -> None:
    found, faults = structure(Text(text), wanted)
    assert (found, faults) == (expected, [])
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("maybe", bool),
        ("2", bool),
        ("1.5", int),
        ("1_000", int),
        ("٣", int),
        ("9" * 5000, int),
        ("nan", float),
        ("high", Severity),
        ("attempts=5", RetryPolicy),
        ("a=b", dict[str, str]),
    ],
)
def test_a_text_that_is_none_of_the_type_is_a_fault_that_does_not_quote_it(text: str, wanted: Any) -> None:
    found, (fault,) = structure(Text(text), wanted)
    assert found is None
    assert text not in fault.message


def test_a_text_within_a_value_of_any_type_becomes_an_ordinary_one() -> None:
    found, _ = structure({"a": Text("x"), "b": [Text("y")]}, dict[str, Any])
    assert [type(text) for text in (found["a"], found["b"][0])] == [str, str]
    assert type(structure([Text("x")], list)[0][0]) is str


def test_a_text_of_the_environment_does_not_show_itself() -> None:
    assert "hunter2" not in repr({"password": Text("hunter2")})


def test_what_is_made_plain_has_ordinary_texts_alone() -> None:
    made = plain({"a": [Text("x"), {"b": Text("y")}], "c": 5})
    assert made == {"a": ["x", {"b": "y"}], "c": 5}
    assert type(made["a"][0]) is str


def test_a_key_in_a_path_is_quoted_and_masked_where_it_is_odd() -> None:
    assert key_path("ops-slack_2") == "ops-slack_2"
    assert key_path("two\nlines") == '"two lines"'
    assert key_path(5) == "<int>"
    assert "abcdefghijk" not in key_path("https://user:abcdefghijk@host/")


class Explosive:
    """Raises its own value, whatever one does with it."""

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("hunter2")

    __hash__ = None  # type: ignore[assignment]  # as Python does for a class with __eq__ alone


@pytest.mark.parametrize("wanted", [str, int, Severity, Literal["a"], Region, dict[str, int], RetryPolicy | None])
def test_whatever_a_value_raises_becomes_a_fault(wanted: Any) -> None:
    found, faults = structure(Explosive(), wanted)
    assert found is None
    assert faults
    assert "hunter2" not in str(faults)


TYPES: list[Any] = [
    *(str, int, float, bool, Secret, Path, Severity, Region, RetryPolicy, Outer, datetime, time, Any),
    *(tuple[str, ...], list[int], dict[str, bool], Literal["a", 1], int | None, int | str, tuple[Secret, ...]),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.text().map(Text)
    | st.binary()
    | st.dates(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.tuples(inner),
    max_leaves=8,
)


@given(VALUES, st.sampled_from(TYPES))
def test_any_value_is_taken_or_refused(value: Any, wanted: Any) -> None:
    found, faults = structure(value, wanted)
    assert found is None or not faults
    assert all(fault.message for fault in faults)


@given(VALUES, st.sampled_from([t for t in TYPES if t is not Any]))
def test_what_was_read_once_is_read_again_as_it_is(value: Any, wanted: Any) -> None:
    found, faults = structure(value, wanted)
    if not faults:
        assert structure(found, wanted) == (found, [])
