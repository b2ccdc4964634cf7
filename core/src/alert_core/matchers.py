"""What an alert must be: the `match` of a route (and of a silence), compiled once."""

from __future__ import annotations

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import attrs

from alert_core.alert import Alert, Severity, Status
from alert_core.errors import AlertValidationError, ConfigError, Fault
from alert_core.text import one_line

REGEX_INPUT: Final = 10_000
"""Characters of a value that a regular expression is matched against."""
FIELDS: Final = ("severity", "source", "tags", "status", "dedup_key", "metadata")
_MAX_DEPTH: Final = 32

_COMPARISON = re.compile(r"(>=|<=|>|<)\s*(\w+)")
_OPERATORS: Final = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}
_SEVERITIES: Final = 'must be info, warning, error or critical, or a comparison as ">=error"'
_NOT_REPEATED = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_INNERMOST = re.compile(r"\(([^()]*)\)([*+]|\{\d*,\})?")
_UNBOUNDED = re.compile(r"[*+]|\{\d*,\}")

Test = Callable[[Any], bool]


@attrs.frozen
class Condition:
    """One field of an alert, what it must be (for people), and the test."""

    field: str
    wanted: str
    test: Test = attrs.field(eq=False, repr=False)

    def holds(self, alert: Alert) -> bool:
        """Whether the alert's field is so."""
        return self.test(field_of(alert, self.field))

    def explain(self, alert: Alert) -> str:
        """One line: whether it holds, what the field must be, and what it is."""
        found = field_of(alert, self.field)
        shown = ", ".join(found) if isinstance(found, tuple) else _text(found) if found is not None else ""
        shown = "something else" if shown is None else f"{shown:.80}" or "not set"
        return one_line(f"{'yes' if self.holds(alert) else 'no'}: {self.field} {self.wanted} ({shown})")


def compile_match(match: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a `match` table, all of which must hold. `metadata.x` may be a table in a table, too.

    Raises:
        ConfigError: every fault, each with its path (`severity`, `metadata.team`).
    """
    if not isinstance(match, Mapping):
        raise ConfigError("must be a table")
    faults: list[Fault] = []
    conditions = []
    for field, wanted in _flat(match):
        try:
            test = _TESTS.get(field_name(field), _any_of(_scalar))(wanted)
            conditions.append(Condition(field, _shown(wanted, "all" if field == "tags" else "one"), test))
        except ValueError as error:
            faults.append(Fault(field, str(error)))
    if faults:
        raise ConfigError(faults)
    return tuple(conditions)


def field_of(alert: Alert, field: str) -> Any:
    """The value of `severity`, `source`, `tags`, `status`, `dedup_key` or `metadata.x`; None where there is none."""
    if not field.startswith("metadata."):
        return getattr(alert, field)
    return _at(alert.metadata, field.removeprefix("metadata.").split("."))


def field_name(field: object) -> str:
    """The name of a field that can be looked at, or a ValueError."""
    name = str(field)
    if name in FIELDS[:-1] or (name.startswith("metadata.") and all(name.split("."))):
        return name
    near = [one for one in difflib.get_close_matches(name, FIELDS, n=1) if one != name]
    raise ValueError(
        f'unknown field; did you mean "{near[0]}"?'
        if near
        else "unknown field; there are severity, source, tags, status, dedup_key and metadata.x"
    )


def _flat(table: Mapping[Any, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """The fields and what they must be; a table of metadata, and one in it, by dotted names."""
    for key, wanted in table.items():
        field = f"{prefix}{key}"
        if isinstance(wanted, Mapping) and wanted and f"{field}.".startswith("metadata.") and depth <= _MAX_DEPTH:
            yield from _flat(wanted, f"{field}.", depth + 1)
        else:
            yield field, wanted


def _at(value: Any, parts: list[str]) -> Any:
    """What a dotted path leads to; a key may have dots of its own."""
    if not parts:
        return value
    if not isinstance(value, Mapping):
        return None
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in value and (found := _at(value[key], parts[length:])) is not None:
            return found
    return None


def _any_of(one: Callable[[Any], Test]) -> Callable[[Any], Test]:
    def build(wanted: Any) -> Test:
        tests = [one(item) for item in _items(wanted)]
        return tests[0] if len(tests) == 1 else lambda found: any(test(found) for test in tests)

    return build


def _items(wanted: Any) -> Iterable[Any]:
    items = list(wanted) if isinstance(wanted, list | tuple | set | frozenset) else [wanted]
    if not items:
        raise ValueError("is an empty list, which nothing matches")
    return items


def _scalar(wanted: Any) -> Test:
    if isinstance(wanted, str) and wanted.startswith("re:"):
        pattern = _regex(wanted.removeprefix("re:"))
        return lambda found: (text := _text(found)) is not None and bool(pattern.fullmatch(text, 0, REGEX_INPUT))
    if not isinstance(wanted, str | int | float):
        raise ValueError('must be a text, a number, true or false, a list of such, or "re:…"')  # noqa: TRY004 - a fault of a value
    return lambda found: (
        isinstance(found, str | int | float) and isinstance(found, bool) == isinstance(wanted, bool) and found == wanted
    )


def _string(wanted: Any) -> Test:
    if not isinstance(wanted, str) or not wanted:
        raise ValueError('must be a text, a list of texts, or "re:…"')
    return _scalar(wanted)


def _severity(wanted: Any) -> Test:
    if not isinstance(wanted, str):
        raise ValueError(_SEVERITIES)  # noqa: TRY004 - a fault of a value
    if wanted.startswith("re:"):
        return _scalar(wanted)
    compared = _COMPARISON.fullmatch(wanted.strip())
    try:
        level = Severity(compared[2] if compared else wanted)
    except AlertValidationError:
        raise ValueError(_SEVERITIES) from None
    compare = _OPERATORS[compared[1]] if compared else operator.eq
    return lambda found: bool(compare(found, level))


def _status(wanted: Any) -> Test:
    if isinstance(wanted, str) and wanted.startswith("re:"):
        return _scalar(wanted)
    try:
        return _scalar(Status(wanted).value)
    except AlertValidationError:
        raise ValueError("must be firing, acknowledged or resolved") from None


def _tags(wanted: Any) -> Test:
    tests = [_string(item) for item in _items(wanted)]
    return lambda tags: all(any(test(tag) for tag in tags) for test in tests)


_TESTS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "severity": _any_of(_severity),
    "source": _any_of(_string),
    "status": _any_of(_status),
    "tags": _tags,
    "dedup_key": _any_of(_string),
}


def _regex(source: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(source)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {getattr(error, 'msg', 'too large')}") from None
    if _repeats_a_repeat(source):
        raise ValueError("repeats a group that holds a repeat, as (a+)+, which can take for ever; write it without one")
    return pattern


def _repeats_a_repeat(source: str) -> bool:
    """Whether an unbounded repeat holds another: such a pattern can take time exponential in its input."""
    bare = _NOT_REPEATED.sub("x", source)
    while group := _INNERMOST.search(bare):
        inner = _UNBOUNDED.search(group[1])
        if inner and group[2]:
            return True
        bare = f"{bare[: group.start()]}{'x*' if inner or group[2] else 'x'}{bare[group.end() :]}"
    return False


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and value.bit_length() > 256:  # noqa: PLR2004 - Python refuses to print the longest
        return None
    return str(value) if isinstance(value, str | int | float) else None


def _shown(wanted: Any, several: str) -> str:
    words = [item if isinstance(item, str) else _text(item) or type(item).__name__ for item in _items(wanted)]
    return words[0] if len(words) < 2 else f"{several} of {', '.join(words)}"  # noqa: PLR2004 - one or several
