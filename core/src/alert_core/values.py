"""Single values of a configuration, read strictly as a type: nothing is guessed, and no value is quoted."""

from __future__ import annotations

import difflib
import math
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import attrs
from cattrs import Converter
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import ClassValidationError, IterableValidationError
from cattrs.gen import make_dict_structure_fn

from alert_core.errors import ConfigError, Fault
from alert_core.redaction import redact
from alert_core.text import one_line
from alert_core.transport import Secret

_WORDS: Final = {**dict.fromkeys(("true", "1", "yes", "on"), True), **dict.fromkeys(("false", "0", "no", "off"), False)}
_LISTS: Final = (tuple, list, set, frozenset)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}")


class Text(str):
    """A text from the environment or a file: read as whatever type is asked for, as no text of TOML is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Text(…)"


def structure(value: Any, wanted: Any) -> tuple[Any, list[Fault]]:
    """Read `value` as the type `wanted`.

    Args:
        value: of TOML's types, or the right type already; a `Text` is parsed (a list at its commas).
        wanted: str, int, float, bool, Secret, Path, an Enum, a Literal, a date or time; a tuple, list, set or
            mapping of such; `X | None`, a union; an attrs class (from a table); a class that `value` is of;
            `Annotated[X, read]`, where `read` makes an X of the value, or raises ValueError or ConfigError.

    Returns:
        What was read, and the faults, with paths below this value; on a fault the first is None.
    """
    try:
        return _CONVERTER.structure(value, wanted), []
    except Exception as error:  # noqa: BLE001 - a class of a plugin may raise anything, its value included
        return None, _faults(error)


def structure_fields(
    table: object, wanted: Mapping[str, Any], required: Iterable[str] = ()
) -> tuple[dict[str, Any], list[Fault]]:
    """Read a table key by key: what could be read, and every fault, unknown and missing keys included."""
    if not isinstance(table, Mapping):
        return {}, list(_wrong("a table", table).faults)
    faults: list[Fault] = []
    fields: dict[str, Any] = {}
    for key, value in table.items():
        if key not in wanted:
            faults.append(Fault(key_path(key), unknown_key(key, wanted)))
            continue
        fields[key], wrong = structure(value, wanted[key])
        if wrong:
            del fields[key]
            faults += [fault.under(key) for fault in wrong]
    return fields, [*faults, *(Fault(name, _MISSING) for name in required if name not in table)]


def build(make: Callable[..., Any], given: Mapping[str, Any]) -> tuple[Any, list[Fault]]:
    """Call a class with these options; what it raises becomes faults, masked. Nothing is raised."""
    try:
        return make(**given), []
    except Exception as error:  # noqa: BLE001 - a plugin's class may raise anything, its options' values included
        return None, _said(error, given, "cannot be made")


def plain(value: Any) -> Any:
    """The same value, made of plain str, dict and list alone."""
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def key_path(key: object) -> str:
    """A key as it stands in a path: quoted where it is not a bare key of TOML, and masked."""
    if not isinstance(key, str):
        return f"<{type(key).__name__}>"
    masked = one_line(str(redact(key)))
    return masked if _BARE_KEY.fullmatch(masked) else f'"{masked:.80}"'


def unknown_key(key: object, known: Iterable[str]) -> str:
    """The message for a key that does not exist, with the nearest that does, or all of them."""
    names = list(known)
    if isinstance(key, str) and (near := difflib.get_close_matches(key[:200], names, n=1, cutoff=0.55)):
        return f'unknown option; did you mean "{near[0]}"?'
    return f"unknown option; there are: {', '.join(names) or 'none'}"


_MISSING: Final = "required option missing"


def _faults(error: Exception) -> list[Fault]:
    """What cattrs or a hook raised, as faults with paths."""
    if isinstance(error, IterableValidationError):
        noted, _ = error.group_exceptions()
        places = [f"[{note.index}]" if isinstance(note.index, int) else key_path(note.index) for _, note in noted]
        return [fault.under(place) for place, (one, _) in zip(places, noted, strict=True) for fault in _faults(one)]
    if isinstance(error, ClassValidationError):
        fields, others = error.group_exceptions()
        return [
            *(fault.under(field.name) for one, field in fields for fault in _field_faults(one, field.name)),
            *(fault for one in others for fault in _class_faults(one, error.cl)),
        ]
    return _said(error, (), "cannot be read")


def _field_faults(error: Exception, name: str) -> list[Fault]:
    return [Fault("", _MISSING)] if isinstance(error, KeyError) and error.args == (name,) else _faults(error)


def _class_faults(error: Exception, wanted: Any) -> list[Fault]:
    return _said(error, _names(wanted), "cannot be made")


def _names(wanted: Any) -> list[str]:
    return [field.alias or field.name for field in attrs.fields(wanted) if field.init]


def _said(error: Exception, names: Iterable[str], otherwise: str) -> list[Fault]:
    """The text of a ValueError or TypeError, masked, as a fault of the name it begins with; of others the class."""
    if isinstance(error, ConfigError):
        return list(error.faults)
    if not isinstance(error, ValueError | TypeError):
        return [Fault("", f"{otherwise} ({type(error).__name__})")]
    message = one_line(str(redact(error.args[0]))) if error.args and isinstance(error.args[0], str) else ""
    for name in names:
        if message.startswith(f"{name} "):
            return [Fault(name, message.removeprefix(f"{name} "))]
    return [Fault("", message or f"{otherwise} ({type(error).__name__})")]


def _wrong(expected: str, value: Any) -> ConfigError:
    words = {bool: "true or false", int: "an integer", float: "a number", type(None): "nothing", str: "a text"}
    found = words.get(type(value), type(value).__name__)
    found = "a table" if isinstance(value, Mapping) else "a list" if isinstance(value, _LISTS) else found
    return ConfigError([("", f"must be {expected}{'' if isinstance(value, Text) else f', not {found}'}")])


def _str(value: Any, wanted: Any) -> Any:
    if issubclass(wanted, Enum):  # cattrs takes a StrEnum for a str
        return _choice(value, wanted)
    if not isinstance(value, str):
        raise _wrong("a text", value)
    return str(value)


def _secret(value: Any, _: Any) -> Secret:
    if isinstance(value, Secret):
        return value
    if not _str(value, str).strip():
        raise ConfigError("must be a text that is not empty")
    return Secret(str(value))


def _bool(value: Any, _: Any) -> bool:
    if isinstance(value, Text):
        if (word := value.strip().lower()) not in _WORDS:
            raise ConfigError("must be true or false (1, 0, yes, no, on, off)")
        return _WORDS[word]
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def _int(value: Any, wanted: Any) -> Any:
    if issubclass(wanted, Enum):
        return _choice(value, wanted)
    if isinstance(value, Text) and _WHOLE.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong("an integer", value)
    return value


def _float(value: Any, _: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float | Text) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _wrong("a finite number", value)
    return number


def _path(value: Any, _: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise _wrong("a path", value)
    return Path(value)


def _moment(value: Any, wanted: Any) -> Any:
    """A date, time or datetime of TOML, or in ISO 8601."""
    if type(value) is wanted:
        return value
    try:
        return wanted.fromisoformat(value)
    except (ValueError, TypeError):
        raise _wrong(f"a {wanted.__name__} in ISO 8601", value) from None


def _choice(value: Any, wanted: Any) -> Any:
    """A member of an Enum, by its value or name, or of a Literal; in any case of letters."""
    members = typing.get_args(wanted) or list(wanted)
    for member in members:
        words = (member.value, member.name) if isinstance(member, Enum) else (member,)
        if (type(value) is type(member) and value == member) or any(_same(value, word) for word in words):
            return member
    raise ConfigError(f"must be one of {', '.join(str(getattr(member, 'value', member)) for member in members)}")


def _same(value: Any, word: Any) -> bool:
    comparable = isinstance(value, Text) or (isinstance(value, str) and isinstance(word, str))
    return comparable and value.strip().lower() == str(word).lower()


def _union(value: Any, wanted: Any) -> Any:
    members = [member for member in typing.get_args(wanted) if member is not type(None)]
    if value is None and len(members) < len(typing.get_args(wanted)):
        return None
    faults: list[Fault] = []
    for member in sorted(members, key=lambda member: member is str):  # a text of the environment may be a number
        read, faults = structure(value, member)
        if not faults:
            return read
    raise ConfigError(faults) if len(members) == 1 else _wrong("of one of the types that it may have", value)


def _list(wanted: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    origin, (kind, *more) = typing.get_origin(wanted) or wanted, typing.get_args(wanted) or (Any,)
    if more and more != [...]:
        raise TypeError("a tuple in a configuration is of one type: tuple[str, ...]")
    read: Any = list_structure_factory(types.GenericAlias(list, (kind,)), converter)  # type: ignore[arg-type]  # is one

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, Text):
            value = [Text(part.strip()) for part in value.split(",") if part.strip()]
        if not isinstance(value, _LISTS):
            raise _wrong("a list", value)
        return origin(plain(read(value, wanted)) if kind is Any else read(value, wanted))

    return hook


def _table(wanted: Any, converter: Converter) -> Callable[[Any, Any], Any]:
    """A mapping or an attrs class, from a table."""
    if is_class := attrs.has(wanted):
        read: Any = make_dict_structure_fn(wanted, converter, _cattrs_use_alias=True)
    else:
        arguments = typing.get_args(wanted) or (str, Any)
        read = mapping_structure_factory(types.GenericAlias(dict, arguments), converter)  # type: ignore[arg-type]  # as above

    def hook(value: Any, _: Any) -> Any:
        if is_class and isinstance(value, wanted):
            return value
        if not isinstance(value, Mapping):
            raise _wrong("a table", value)
        if not is_class and not all(isinstance(key, str) for key in value):
            raise ConfigError("must be a table whose keys are texts")
        names = _names(wanted) if is_class else value
        if unknown := [Fault(key_path(key), unknown_key(key, names)) for key in value if key not in names]:
            _, faults = structure({key: item for key, item in value.items() if key in names}, wanted)
            raise ConfigError([*faults, *unknown])
        return read(value, wanted)

    return hook


def _instance(value: Any, wanted: Any) -> Any:
    if not isinstance(value, wanted):
        raise _wrong(f"a {getattr(wanted, '__name__', wanted)}", value)
    return value


def _annotated(value: Any, wanted: Any) -> Any:
    return wanted.__metadata__[0](value)


def _is(*kinds: Any) -> Callable[[Any], bool]:
    return lambda wanted: typing.get_origin(wanted) in kinds


def _is_a(*kinds: type) -> Callable[[Any], bool]:
    return lambda wanted: issubclass(typing.get_origin(wanted) or wanted, kinds)


def _converter() -> Converter:
    converter = Converter(structure_fallback_factory=lambda _: _instance)
    hooks = {str: _str, bool: _bool, int: _int, float: _float, Enum: _choice, Secret: _secret, Path: _path}
    for kind, hook in {**hooks, datetime: _moment, date: _moment, time: _moment}.items():
        converter.register_structure_hook(kind, hook)
    converter.register_structure_hook_factory(_is_a(*_LISTS), _list)
    converter.register_structure_hook_factory(_is_a(Mapping), _table)
    converter.register_structure_hook_factory(attrs.has, _table)
    converter.register_structure_hook_func(_is(Literal), _choice)
    converter.register_structure_hook_func(_is(typing.Union, types.UnionType), _union)
    converter.register_structure_hook_func(_is(Annotated), _annotated)
    converter.register_structure_hook_func(lambda wanted: wanted is Any, lambda value, _: plain(value))
    return converter


_CONVERTER: Final = _converter()
