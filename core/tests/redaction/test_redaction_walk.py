"""The walk over any Python value: total, bounded, idempotent, JSON types out."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import pathlib
import sys
import time
import uuid
from collections import OrderedDict, deque
from typing import Any, NamedTuple

import attrs
import pytest

from alert_core.redaction import REDACTED, Limits, Redactor, json_safe, redact

SECRET = "hunter2-canary"


@attrs.frozen
class Login:
    user: str
    password: str


@dataclasses.dataclass
class Server:
    host: str
    api_key: str


class Pair(NamedTuple):
    host: str
    secret: str


class Colour(enum.StrEnum):
    RED = "red"


class Failing:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __str__(self) -> str:
        raise self.error


class FailingList(list[int]):
    def __iter__(self) -> Any:
        raise OSError(SECRET)


class FailingDict(dict[str, int]):
    def items(self) -> Any:
        raise OSError(SECRET)


class Odd:
    def __eq__(self, other: object) -> bool:
        raise ValueError(SECRET)

    def __hash__(self) -> int:
        raise ValueError(SECRET)


class Subclass(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise AssertionError("never asked")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Login("bob", SECRET), {"user": "bob", "password": REDACTED}),
        (Server("h", SECRET), {"host": "h", "api_key": REDACTED}),
        (Pair("h", SECRET), {"host": "h", "secret": REDACTED}),
        (OrderedDict(host="h"), {"host": "h"}),
        ({1: "a", None: "b", (2, 3): "c"}, {"1": "a", "None": "b", "(2, 3)": "c"}),
        (("a", 1, None, True), ["a", 1, None, True]),
        ({3, 1}, [1, 3]),
        (frozenset({"b"}), ["b"]),
        (deque(["a"]), ["a"]),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        ({"a": 1}.values(), [1]),
        (Colour.RED, "red"),
        (Subclass("text"), "text"),
        (b"caf\xc3\xa9 \xff", "café \ufffd"),
        (bytearray(b"x"), "x"),
        (memoryview(b"x"), "x"),
        (decimal.Decimal("1.50"), "1.50"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (1.5, 1.5),
        (dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), "2026-01-02T03:04:00+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.timedelta(seconds=5), "0:00:05"),
        (uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (pathlib.PurePosixPath("/a/b"), "/a/b"),
        (Login, f"{__name__}.Login"),
        ("lone \ud800 and a pair \ud83d\ude00", "lone \ufffd and a pair 😀"),
    ],
)
def test_each_kind_of_value_becomes_json_types(value: object, plain: object) -> None:
    assert redact(value) == plain
    assert type(redact(value)) is type(plain)
    json.dumps(redact(value), allow_nan=False).encode()


@pytest.mark.parametrize(
    "error",
    [ValueError(SECRET), RecursionError(), MemoryError(), GeneratorExit(), type("Strange", (BaseException,), {})()],
)
def test_a_value_that_fails_leaves_a_marker_and_its_neighbours(error: BaseException) -> None:
    assert redact({"bad": Failing(error), "good": 1}) == {"bad": "[REDACTED:unreadable]", "good": 1}


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_swallowed(error: type[BaseException]) -> None:
    with pytest.raises(error):
        redact({"bad": Failing(error())})


def test_failing_containers_leave_a_marker_each() -> None:
    assert redact([FailingList([1]), FailingDict(a=1), 5]) == ["[REDACTED:unreadable]", "[REDACTED:unreadable]", 5]


def test_a_value_that_cannot_be_compared_or_hashed_is_told_as_text() -> None:
    assert ".Odd object at " in redact({"x": Odd()})["x"]
    assert redact({"password": Odd()}) == {"password": REDACTED}


def test_a_cycle_leaves_a_marker_and_a_shared_value_does_not() -> None:
    cycle: dict[str, Any] = {"a": 1}
    cycle["self"] = cycle
    shared = [1]
    assert redact(cycle) == {"a": 1, "self": "[REDACTED:cycle]"}
    assert redact([shared, shared]) == [[1], [1]]


def test_depth_over_32_leaves_a_marker() -> None:
    deep: list[Any] = []
    for _ in range(5_000):
        deep = [deep]
    masked = redact(deep)
    for _ in range(32):
        masked = masked[0]
    assert masked == "[REDACTED:depth]"


def test_nodes_over_ten_thousand_leave_a_marker_and_a_million_take_bounded_time() -> None:
    begun = time.process_time()
    masked = redact([{"n": [1, 2]}] * 1_000_000)
    assert time.process_time() - begun < 5
    assert masked[-1] == "[REDACTED:nodes]"
    assert redact(masked) == masked


def test_a_text_over_the_limit_is_cut_before_a_word_and_says_so() -> None:
    redactor = Redactor(limits=Limits(text=10_000))
    cut = redactor.text("word " * 5_000)
    assert len(cut) <= 10_000
    assert cut.endswith("word [REDACTED:length]")
    assert redactor.text(cut) == cut
    assert redactor.text("a" * 20_000).endswith("a [REDACTED:length]")


def test_an_exception_is_told_with_its_whole_chain_and_without_locals() -> None:
    def fail() -> None:
        local = "local-canary"
        raise RuntimeError(f"dsn postgres://u:{SECRET}@h/db {len(local)}")

    try:
        try:
            fail()
        except RuntimeError as error:
            error.add_note(f"token={SECRET}")
            raise ValueError("outer") from error
    except ValueError as error:
        told = redact(error)
    assert SECRET not in told
    assert "ValueError: outer" in told
    assert "RuntimeError: dsn postgres://u:[REDACTED:userinfo]@h/db" in told
    assert "in fail" in told
    assert "= 'local-canary'" not in told


def test_a_key_that_cannot_be_told_is_a_marker_and_its_value_stays() -> None:
    class Key:
        def __str__(self) -> str:
            raise OSError(SECRET)

    assert redact({Key(): 1, "b": 2}) == {"[REDACTED:unreadable]": 1, "b": 2}


def test_groups_of_exceptions_and_failing_ones_are_told_too() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise OSError(SECRET)

    told = redact(ExceptionGroup("two", [MuteError(), ValueError(f"password={SECRET}")]))
    assert "ExceptionGroup: two" in told
    assert SECRET not in told


def test_it_works_near_the_end_of_the_stack() -> None:
    def descend() -> Any:
        try:
            return descend()
        except RecursionError:
            return redact({"password": SECRET, "list": [[1]]})

    assert SECRET not in str(descend())
    assert sys.getrecursionlimit() > 0


def test_an_integer_too_long_to_print_is_told_by_its_size() -> None:
    assert redact({"n": 1 << 20_000}) == {"n": "(an integer of 20001 bits)"}
    assert redact(2**64) == 2**64


def test_json_safe_walks_alike_and_masks_nothing() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    assert json_safe({"password": b"x", "c": cycle, "n": math.inf}) == {
        "password": "x",
        "c": ["[REDACTED:cycle]"],
        "n": "inf",
    }


def test_a_string_gives_a_string() -> None:
    assert redact("plain") == "plain"
    assert redact("") == ""
    assert redact(None) is None
