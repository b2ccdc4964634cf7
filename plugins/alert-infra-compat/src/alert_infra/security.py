"""Masking of metadata: all that alert-infra masked, by its keywords in keys, and all that alert-core masks.

Values keep the types that alert-infra gave them: tuples stay tuples, what is no JSON type becomes its `str()`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import zip_longest
from typing import Any, Final, TypeVar

from alert_core import REDACTED, redact

SENSITIVE_KEYWORDS: Final = frozenset(
    "password token secret api_key authorization cookie session csrf access refresh private_key".split()
)
"""A key with one of these in it, in any case and with `-` for `_`, is masked."""

_CYCLE, _TOO_DEEP, _UNREADABLE = (f"[REDACTED:{why}]" for why in ("cycle", "depth", "unreadable"))  # as alert-core's
_DEPTH: Final = 32
_NODES: Final = 10_001  # one more than alert-core looks at, so that it says where it stopped
_T = TypeVar("_T")

__all__ = ["REDACTED", "SENSITIVE_KEYWORDS", "is_sensitive_key", "redact_metadata", "redact_value"]


def is_sensitive_key(key: object) -> bool:
    """Whether a value under this key is masked: by a keyword of alert-infra, or by alert-core."""
    return _has_keyword(str(key)) or REDACTED in redact({str(key): 1}).values()


def redact_value(value: Any) -> Any:
    """A copy of `value`, masked; never raises. What is a cycle, too deep or unreadable becomes a marker."""
    plain = _Walk().value(value)
    return _retyped(plain, redact(plain))


def redact_metadata(metadata: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of the metadata, masked; empty for None.

    Raises:
        TypeError: it is no mapping.
    """
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise TypeError("metadata must be a mapping")
    masked = redact_value(metadata)
    return masked if isinstance(masked, dict) else {masked: masked}


@functools.lru_cache(maxsize=4096)
def _has_keyword(key: str) -> bool:
    name = key.lower().replace("-", "_")
    return any(keyword in name for keyword in SENSITIVE_KEYWORDS)


class _Walk:
    """One walk over a value, which gives what alert-infra gave: the types, and the keywords' values masked."""

    def __init__(self) -> None:
        self._left = _NODES
        self._path: set[int] = set()

    def value(self, value: Any) -> Any:
        if value is None or isinstance(value, str | int | float):
            return value
        if id(value) in self._path:
            return _CYCLE
        if len(self._path) > _DEPTH:
            return _TOO_DEEP
        self._path.add(id(value))
        try:
            return self._nested(value)
        except Exception:  # noqa: BLE001 - a value may fail in any way, and must not take the alert with it
            return _UNREADABLE
        finally:
            self._path.discard(id(value))

    def _nested(self, value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [field.name for field in dataclasses.fields(value)]
            value = {name: getattr(value, name) for name in names if hasattr(value, name)}
        if isinstance(value, Mapping):
            named = ((str(key), item) for key, item in self._counted(value.items()))
            return {name: REDACTED if _has_keyword(name) else self.value(item) for name, item in named}
        if isinstance(value, tuple):
            fields = zip_longest(value, getattr(type(value), "_fields", ())[: len(value)], fillvalue="")
            return tuple(
                REDACTED if name and is_sensitive_key(name) else self.value(item)
                for item, name in self._counted(fields)
            )
        if isinstance(value, AbstractSet):
            return _sorted([self.value(item) for item in self._counted(value)])
        if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
            return [self.value(item) for item in self._counted(value)]
        return str(value)

    def _counted(self, items: Iterable[_T]) -> Iterator[_T]:
        for item in items:
            self._left -= 1
            if self._left < 0:
                return
            yield item


def _sorted(items: list[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:  # of several types
        return sorted(items, key=repr)


def _retyped(plain: Any, masked: Any) -> Any:
    """What alert-core masked, which is JSON, with the tuples of what it was given."""
    if isinstance(plain, dict) and isinstance(masked, dict):
        return {key: _retyped(item, masked[key]) for item, key in zip(plain.values(), masked, strict=False)}
    if isinstance(plain, list | tuple) and isinstance(masked, list):
        items = [_retyped(*pair) for pair in zip(plain, masked, strict=False)]
        return tuple(items) if isinstance(plain, tuple) else items
    return masked
