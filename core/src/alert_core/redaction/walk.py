"""From any Python value to JSON types, masked on the way: total and bounded."""

from __future__ import annotations

import collections
import datetime as dt
import enum
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, Final, cast

import attrs

from alert_core.redaction.markers import REDACTED, mark

CYCLE: Final = mark("cycle")
TOO_DEEP: Final = mark("depth")
TOO_MANY: Final = mark("nodes")
TOO_LONG: Final = mark("length")
UNREADABLE: Final = mark("unreadable")
_LABELS: Final = ("name", "key", "Name", "Key", "field", "header", "variable")
_VALUES: Final = ("value", "Value", "val")
_JWK: Final = ("d", "p", "q", "dp", "dq", "qi", "k")
_BIGGEST: Final = 1 << 1024
_PAIR: Final = 2
_WORD: Final = 4096  # the longest word that a cut may fall into; it is dropped


@attrs.frozen
class Limits:
    """How much of a value is looked at; the rest becomes markers.

    Args:
        depth: of containers within containers.
        nodes: items of all containers together.
        text: characters of one string, which is cut before the last word that does not fit; and of all together, where
            a string that does not fit becomes a marker.
    """

    depth: int = attrs.field(default=32, validator=attrs.validators.in_(range(1, 101)))
    nodes: int = attrs.field(default=10_000, validator=attrs.validators.ge(1))
    text: int = attrs.field(default=4_000_000, validator=attrs.validators.ge(10_000))


class Verdict(enum.Enum):
    """What becomes of the value under a key."""

    KEEP = enum.auto()
    MASK = enum.auto()
    COOKIES = enum.auto()


_KEEP: Final = Verdict.KEEP
KeyJudge = Callable[[str], tuple[str, Verdict]]


class Walk:
    """One walk over one value."""

    __slots__ = ("_clean", "_judge", "_known", "_left", "_limits", "_path", "_room", "_text", "_whole")

    def __init__(
        self,
        text: Callable[[str], str],
        key: KeyJudge,
        whole: Callable[[Any, Verdict], Any],
        limits: Limits,
        known: Mapping[str, tuple[str, Verdict]] = MappingProxyType({}),
        clean: Container[str] = (),
    ) -> None:
        """Take how a string is masked, how a key is judged, what replaces its value; keys and texts known.

        `clean` has texts in which there is nothing to mask.
        """
        self._text = text
        self._judge = key
        self._known = known
        self._clean = clean
        self._whole = whole
        self._limits = limits
        self._left = limits.nodes
        self._room = limits.text
        self._path: set[int] = set()

    def _key(self, name: str) -> tuple[str, Verdict]:
        return self._known.get(name) or self._judge(name)

    def value(self, value: Any, depth: int = 0) -> Any:  # noqa: PLR0911 - one a kind of value
        """The JSON form of `value`; a marker where it cannot be read."""
        kind = type(value)
        if kind is str:
            return self._string(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return value if -_BIGGEST < value < _BIGGEST else f"(an integer of {value.bit_length()} bits)"
        if kind is float:
            return value if math.isfinite(value) else str(value)
        try:
            if kind is not dict and kind is not list:
                plain = _plain(value, self._limits.text)
                if plain is not value:
                    return self.value(plain, depth)
            return self._nested(value, depth)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - a value may fail in any way, and must not take the alert with it
            return UNREADABLE

    def _string(self, text: str) -> str:
        """Masked, where it fits into the characters that are left, before and after: so it will fit again."""
        if len(text) < self._room and text in self._clean:
            self._room -= len(text)
            return text
        if text == TOO_LONG or min(len(text), self._limits.text) > self._room:
            return TOO_LONG
        masked = self._text(text)
        size = max(min(len(text), self._limits.text), len(masked))
        if size > self._room:
            return TOO_LONG
        self._room -= size
        return masked

    def _nested(self, value: Any, depth: int) -> Any:
        if depth >= self._limits.depth:
            return TOO_DEEP
        if id(value) in self._path:
            return CYCLE
        self._path.add(id(value))
        try:
            fields = _fields(value)
            if fields is not None:
                return self._mapping(fields, depth + 1)
            if isinstance(value, AbstractSet):
                items = self._sequence(value, depth + 1)
                return sorted(items, key=lambda item: (item == TOO_MANY, repr(item)))  # a cut list too ends in it
            if isinstance(value, (Sequence, ValuesView, collections.deque)):
                return self._sequence(value, depth + 1)
            return self._string(str(value))
        finally:
            self._path.discard(id(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, item in value.items():
            self._left -= 1
            if self._left < 0:
                out[TOO_MANY] = TOO_MANY
                break
            key, verdict = self._key(name if type(name) is str else self._name(name))
            if key in out:
                key = _unique(key, out)
            if verdict is _KEEP or _says_nothing(item) or (verdict is Verdict.COOKIES and isinstance(item, Mapping)):
                out[key] = self.value(item, depth)
            else:
                out[key] = self._whole(item, verdict)
        self._records(out)
        return out

    def _records(self, out: dict[str, Any]) -> None:
        """Mask what a mapping as a whole says is secret: `{"name": "password", "value": …}`, a JWK, a kind: Secret."""
        for value in _VALUES:
            if value in out:
                labels = [out[name] for name in _LABELS if type(out.get(name)) is str]
                if any(self._key(label)[1] is Verdict.MASK for label in labels):
                    self._hide(out, (value,))
        if "kty" in out:
            self._hide(out, _JWK)
        if out.get("kind") == "Secret":
            for part in ("data", "stringData"):
                if type(out.get(part)) is dict:
                    self._hide(out[part], tuple(out[part]))

    def _hide(self, out: dict[str, Any], names: Iterable[str]) -> None:
        for name in names:
            if out.get(name) not in (None, "", REDACTED):
                out[name] = self._whole(out[name], Verdict.MASK)

    def _name(self, name: Any) -> str:
        """A key that is no str, as one."""
        try:
            return str.__str__(str(_plain(name, self._limits.text)))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # noqa: BLE001 - as any value
            return UNREADABLE

    def _sequence(self, value: Iterable[Any], depth: int) -> list[Any]:
        out: list[Any] = []
        flag = False  # whether the item before is a flag that takes a secret, as in an argv
        for item in value:
            self._left -= 1
            if self._left < 0:
                out.append(TOO_MANY)
                break
            plain = self.value(item, depth)
            if flag and type(plain) is str and plain and not plain.startswith("-"):
                plain = self._whole(plain, Verdict.MASK)
            flag = type(plain) is str and plain.startswith("-") and self._key(plain.lstrip("-"))[1] is Verdict.MASK
            out.append(plain)
        if out and all(type(item) is list and len(item) == _PAIR and type(item[0]) is str for item in out):
            for pair in out:
                if self._key(pair[0])[1] is Verdict.MASK and pair[1] not in (None, ""):
                    pair[1] = self._whole(pair[1], Verdict.MASK)
        return out


def _says_nothing(item: Any) -> bool:
    """Whether a value under a sensitive key tells no more than whether there was one."""
    return item is None or type(item) is bool or (type(item) is str and not item)


def _plain(value: Any, longest: int) -> Any:  # noqa: PLR0911 - one a kind of value
    """The simpler form of a scalar, or `value` itself where it is none."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value[:longest]).decode("utf-8", "replace")
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, BaseException):
        return format_exception(value)
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return value


def _fields(value: Any) -> Mapping[Any, Any] | None:
    """The named parts of a mapping, a named tuple, an attrs object or a dataclass; None for anything else."""
    kind = type(value)
    if kind is dict or isinstance(value, Mapping):
        return cast("Mapping[Any, Any]", value)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return dict(zip(kind._fields, value, strict=False))
    attributes = getattr(kind, "__attrs_attrs__", None)
    names = [one.name for one in attributes] if attributes is not None else getattr(kind, "__dataclass_fields__", None)
    if names is None:
        return None
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _unique(key: str, taken: Mapping[str, Any]) -> str:
    number = 2
    while f"{key} ({number})" in taken:
        number += 1
    return f"{key} ({number})"


def format_exception(error: BaseException) -> str:
    """The whole chain, with source lines and without locals; of a long traceback the last fifty frames."""
    import traceback

    told = traceback.TracebackException.from_exception(error, limit=-50, capture_locals=False)
    return "".join(told.format())


def clean(text: str, longest: int = 4_000_000) -> str:
    """`text` with each lone surrogate as U+FFFD, so that it encodes as UTF-8, and cut to `longest` at a word's edge."""
    if len(text) > longest:
        cut = text[: longest - len(TOO_LONG) - 1]
        edge = max(cut.rfind(" "), cut.rfind("\n"))
        text = (cut[:edge] if edge > len(cut) - _WORD else cut[:-_WORD]) + " " + TOO_LONG
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
