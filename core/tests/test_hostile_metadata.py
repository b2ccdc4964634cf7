"""Whatever an application puts into metadata, an alert is made of it, in bounded time, as JSON, without a secret."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import functools
import json
import time
import types
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_core import Alert

SECRET = "hunter2-hostile-canary"
BOUND = 5.0  # seconds, generously


class Failing:
    """Raises whatever it is asked."""

    def fail(self, *_: object) -> Any:
        raise RuntimeError(SECRET)

    __str__ = __repr__ = __iter__ = __len__ = __bool__ = __eq__ = __hash__ = __getattr__ = fail


class FailingHard(Failing):
    def fail(self, *_: object) -> Any:
        raise RecursionError

    __str__ = __repr__ = fail


class FailingMapping(Mapping[str, Any]):
    """Fails in one of its methods."""

    def __init__(self, method: str) -> None:
        self.method = method

    def _or_fail(self, method: str) -> None:
        if method == self.method:
            raise RuntimeError(SECRET)

    def __getitem__(self, key: str) -> Any:
        self._or_fail("getitem")
        return 1

    def __iter__(self) -> Iterator[str]:
        self._or_fail("iter")
        return iter(["a"])

    def __len__(self) -> int:
        self._or_fail("len")
        return 1

    def items(self) -> Any:
        self._or_fail("items")
        return super().items()

    def keys(self) -> Any:
        self._or_fail("keys")
        return super().keys()


class FailingIterator(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        yield 1
        raise RuntimeError(SECRET)


class Endless(collections.abc.Sequence[int]):
    """Says that it is short, and never ends."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return index


class EndlessMapping(FailingMapping):
    def __iter__(self) -> Iterator[str]:
        number = 0
        while True:
            number += 1
            yield str(number)


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(SECRET)

    __repr__ = __str__


class Colour(enum.Enum):
    RED = "password=" + SECRET


class Point(NamedTuple):
    x: int
    password: str


@attrs.define
class Order:
    number: int
    api_key: str


@dataclasses.dataclass
class Half:
    number: int
    missing: int = dataclasses.field(init=False)


class Lying:
    """Pretends to be of another class."""

    __class__ = dict  # type: ignore[assignment]  # the point of it


def cycle() -> Any:
    loop: dict[str, Any] = {"password": SECRET}
    inner: list[Any] = [loop]
    inner.append(inner)
    loop["loop"] = inner
    return loop


def deep(depth: int) -> Any:
    value: Any = {"password": SECRET}
    for _ in range(depth):
        value = [value] if depth % 2 else {"a": value}
    return value


def raised() -> BaseException:
    inner, outer = KeyError(f"password={SECRET}"), ValueError("outer")
    outer.__cause__ = inner
    inner.__context__ = outer
    return outer


METHODS = ["getitem", "iter", "len", "items", "keys"]
HOSTILE: dict[str, Callable[[], Any]] = {
    "cycle": cycle,
    "depth": lambda: deep(100_000),
    "depth of lists": lambda: deep(99_999),
    "failing": Failing,
    "failing hard": FailingHard,
    "failing in a list": lambda: [1, Failing(), 2],
    "failing iterator": FailingIterator,
    **{f"failing {method}": functools.partial(FailingMapping, method) for method in METHODS},
    "endless": Endless,
    "endless mapping": lambda: EndlessMapping(""),
    "infinite generator": lambda: iter(int, 1),
    "failing text": lambda: Text(f"password={SECRET}"),
    "bytes": f"password={SECRET}".encode,
    "no utf-8": lambda: b"\xff\xfe" + SECRET.encode("utf-16-le"),
    "bytearray": lambda: bytearray(b"abc"),
    "memoryview": lambda: memoryview(b"abc"),
    "mixed set": lambda: {1, "a", None, 2.5, (1, 2), frozenset({3})},
    "mixed keys": lambda: {1: "a", None: "b", (1, 2): "c", b"d": "e", 2.5: "f", "1": "g"},
    "not a number": lambda: [float("nan"), float("inf"), -float("inf")],
    "lone surrogate": lambda: {"\ud800key": "value\udfff"},
    "huge int": lambda: 10**100_000,
    "huge negative int": lambda: -(1 << 1_000_000),
    "huge text": lambda: "A" * 8_000_000,
    "decimal": lambda: [decimal.Decimal("1E+1000000"), decimal.Decimal("NaN")],
    "date": lambda: [dt.date(2026, 1, 2), dt.time(3), dt.timedelta(1), dt.datetime(1, 1, 1, tzinfo=dt.UTC)],
    "uuid and path": lambda: [uuid.uuid4(), Path("/var")],
    "enum": lambda: Colour.RED,
    "named tuple": lambda: Point(1, SECRET),
    "attrs": lambda: Order(1, SECRET),
    "dataclass half made": lambda: Half(1),
    "exception": raised,
    "class": lambda: Failing,
    "function": lambda: raised,
    "module": lambda: json,
    "read-only mapping": lambda: types.MappingProxyType({"password": SECRET}),
    "deque and range": lambda: [collections.deque([1]), range(3), {"a": 1}.values(), {"a": 1}.keys()],
    "lying": Lying,
    "control characters": lambda: "a\0b\x1b[2J\u202e",
}


def checked(made: Callable[[], Alert]) -> Alert:
    """Made within the bound, and JSON of any kind, without the secret."""
    began = time.monotonic()
    alert = made()
    text = json.dumps(alert.to_dict(), ensure_ascii=False, allow_nan=False)
    assert time.monotonic() - began < BOUND
    text.encode("utf-8")
    assert SECRET not in text
    assert Alert.from_dict(json.loads(text)).to_dict() == alert.to_dict()
    assert repr(alert)
    return alert


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_value_never_raises_and_what_stands_before_it_is_kept(value: Callable[[], Any]) -> None:
    hostile = value()
    alert = checked(lambda: Alert("t", "m", metadata={"before": "here", "value": hostile}))
    assert alert.metadata["before"] == "here"
    assert "value" in alert.metadata


@pytest.mark.parametrize(
    "value", [name for name, make in HOSTILE.items() if name != "lying" and isinstance(make(), Mapping)]
)
def test_a_hostile_mapping_itself_never_raises_and_gives_a_mapping(value: str) -> None:
    hostile = HOSTILE[value]()
    alert = checked(lambda: Alert("t", "m", metadata=hostile))
    assert isinstance(alert.metadata, dict)
    assert alert.metadata


@pytest.mark.parametrize("method", METHODS)
def test_a_failing_mapping_does_not_raise_without_masking_either(method: str) -> None:
    alert = Alert("t", "m", metadata=FailingMapping(method), redact=False)
    assert json.dumps(alert.to_dict())
    assert SECRET not in json.dumps(alert.evolve(redact=True).to_dict())


@pytest.mark.parametrize(
    "many",
    [
        lambda: {str(number): number for number in range(1_000_000)},
        lambda: {"a": list(range(1_000_000))},
        lambda: {"a": set(range(1_000_000))},
        lambda: {"a": [[[number] * 10] * 100 for number in range(1_000)]},
        lambda: {"a": {f"password{number}": SECRET for number in range(1_000_000)}},
    ],
    ids=["keys", "items", "set", "nested", "sensitive keys"],
)
def test_a_million_nodes_take_bounded_time_and_say_that_more_were_there(many: Callable[[], Any]) -> None:
    metadata = many()
    alert = checked(lambda: Alert("t", "m", metadata=metadata))
    assert "REDACTED:nodes" in json.dumps(alert.to_dict())


def test_strings_that_are_too_long_together_leave_a_marker_in_bounded_time() -> None:
    metadata = {"few": "here", "many": ["long " * 100_000] * 9_000}  # 4.5 GB of text, as a walk sees it
    alert = checked(lambda: Alert("t", "m", metadata=metadata))
    assert alert.metadata["few"] == "here"
    assert alert.metadata["many"][0].startswith("long long")
    assert alert.metadata["many"][-1] == "[REDACTED:length]"


def test_a_cycle_and_too_great_a_depth_leave_their_markers() -> None:
    alert = Alert("t", "m", metadata={"loop": cycle(), "deep": deep(1000)})
    text = json.dumps(alert.to_dict())
    assert "[REDACTED:cycle]" in text
    assert "[REDACTED:depth]" in text


def test_one_object_in_two_places_is_no_cycle() -> None:
    shared = {"a": 1}
    assert Alert("t", "m", metadata={"x": shared, "y": [shared, shared]}).metadata == {"x": shared, "y": [shared] * 2}


SCALARS = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.complex_numbers(), st.decimals(), st.fractions()),
    *(st.text(), st.binary(), st.dates(), st.times(), st.timedeltas(), st.uuids()),
)
KEYS = st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.sampled_from(["password", "name", "value"]))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.tuples(inner, inner), st.dictionaries(KEYS, inner, max_size=4)
    ),
    max_leaves=10,
)


@settings(max_examples=60)
@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_metadata_of_any_values_is_json(metadata: dict[Any, Any]) -> None:
    checked(lambda: Alert("t", "m", metadata=metadata))
