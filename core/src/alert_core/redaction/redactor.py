"""The masking policy."""

from __future__ import annotations

import bisect
import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import attrs

from alert_core.errors import ConfigError
from alert_core.redaction import keys, literals
from alert_core.redaction.assignments import KEYWORDS, cookies
from alert_core.redaction.engine import Rule, Text, lowered, matching
from alert_core.redaction.gates import searcher
from alert_core.redaction.markers import REDACTED, mark, marker_pattern
from alert_core.redaction.walk import Limits, Verdict, Walk, clean

_TOKEN: Final = 16  # of a single word that may hold one
_ROUNDS: Final = 4
_SHORT: Final = 512  # of a text for which one pattern of all gates is cheaper than each of them
_CACHED: Final = 4096  # decisions that are kept, of each kind
_CACHED_LENGTH: Final = 256  # of the texts that they are on
_Plugin = tuple[str, Callable[[str], str]]


class Match(NamedTuple):
    """A span of a text that would be masked, and the rule that found it."""

    start: int
    end: int
    rule: str


def _detectors(given: Any) -> tuple[tuple[str, str], ...]:
    """Named patterns, from a mapping of name to pattern or from patterns alone; every fault at once."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise ConfigError(
            [("redaction.extra_detectors", "must be a list of patterns, or a table of names and patterns")]
        )
    named = isinstance(given, Mapping)
    pairs = list(given.items()) if isinstance(given, Mapping) else []
    for index, one in enumerate([] if named else given):
        pairs.append(
            one if isinstance(one, tuple) and len(one) == len(("name", "pattern")) else (f"extra-{index + 1}", one)
        )
    faults = []
    for index, (name, source) in enumerate(pairs):
        path = f"redaction.extra_detectors.{name}" if named else f"redaction.extra_detectors[{index}]"
        if not isinstance(source, str) or not source:
            faults.append((path, "must be a regular expression, as a string"))
            continue
        try:
            if re.compile(source).match(""):
                faults.append((path, "matches the empty text; let it require at least one character"))
        except (re.error, RecursionError, OverflowError) as error:
            faults.append((path, f"is not a regular expression: {error}"))
        if not re.fullmatch(r"[A-Za-z0-9_. -]{1,64}", str(name)):
            faults.append((path, "a detector's name has letters, digits, `_`, `.` and `-`, 64 at most"))
    if faults:
        raise ConfigError(faults)
    return tuple((str(name), source) for name, source in pairs)


def _strings(given: Any) -> Any:
    return tuple(given) if isinstance(given, Iterable) and not isinstance(given, (str, Mapping)) else given


def _limits(given: Any) -> Limits:
    """Limits, or a mapping of their names."""
    if isinstance(given, Limits):
        return given
    if not isinstance(given, Mapping):
        raise ConfigError([("redaction.limits", "must be a table of depth, nodes and text")])
    limits, faults = Limits(), []
    for name, value in given.items():
        try:
            limits = attrs.evolve(limits, **{name: value})
        except (TypeError, ValueError):
            faults.append(
                (f"redaction.limits.{name}", "must be depth (1 to 100), nodes (1 and up) or text (10000 and up)")
            )
    if faults:
        raise ConfigError(faults)
    return limits


class _Policy:
    """Judges names by the built-in rules and the policy's own, each name once."""

    def __init__(self, extra: Iterable[str], safe: Iterable[str]) -> None:
        extras = [tuple(keys.words(key)) or (key,) for key in extra]
        safes = {tuple(keys.words(key)) for key in safe}

        def sensitive(name: str) -> bool:
            parts = tuple(keys.words(name))
            if parts in safes:
                return False
            for wanted in extras:
                if any(parts[at : at + len(wanted)] == wanted for at in range(len(parts) - len(wanted) + 1)):
                    return True
            return keys.is_sensitive(name)

        self.sensitive = functools.lru_cache(maxsize=4096)(sensitive) if extras or safes else keys.is_sensitive
        self.keywords = KEYWORDS + tuple({words[0].lower() for words in extras}.difference(KEYWORDS))


class _Memory:
    """Decisions that hold until another literal is registered: on keys, and on short texts that had nothing to mask.

    What was masked is never kept.
    """

    def __init__(self) -> None:
        self.generation = -1
        self.forget()

    def forget(self) -> None:
        generation = literals.generation()
        self.keys: dict[str, tuple[str, Verdict]] = {}
        self.clean: dict[str, None] = {}
        self.generation = generation  # last: whoever sees it must not see what was known before


@attrs.frozen(slots=False)
class Redactor:
    """What is masked, and how. Immutable; `extended()` gives another one.

    Args:
        extra_keys: names that are sensitive too, compared by their words: `iban` also covers `customerIban`.
        safe_keys: names that are not, compared by their words, in full.
        extra_detectors: regular expressions of further secrets, as a mapping of rule name to pattern, or a list of
            patterns (called `extra-1`, …). The first group is masked where a pattern has one, else the whole match.
        disabled_rules: names of built-in rules to leave out.
        enabled_rules: names of optional built-in rules to use: `card-number`, `email`.
        limits: how much of a value is looked at.
        on_match: called with a rule's name for each span or value masked, to count them. What it raises is dropped.

    Raises:
        ConfigError: for a rule that does not exist, a pattern that does not compile, a list that is none.
    """

    extra_keys: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    safe_keys: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    extra_detectors: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_detectors)
    disabled_rules: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    enabled_rules: tuple[str, ...] = attrs.field(default=(), converter=_strings)
    limits: Limits = attrs.field(factory=Limits, converter=_limits)
    on_match: Callable[[str], object] | None = None
    _plugins: tuple[_Plugin, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Refuse what is no string, and the names of rules that do not exist."""
        fields = ("extra_keys", "safe_keys", "disabled_rules", "enabled_rules")
        faults = [
            (f"redaction.{field}", "must be a list of strings")
            for field in fields
            if not isinstance(getattr(self, field), tuple)
        ] or [
            (f"redaction.{field}[{index}]", "must be a string that is not empty")
            for field in fields
            for index, item in enumerate(getattr(self, field))
            if not isinstance(item, str) or not item
        ]
        if not faults and (self.disabled_rules or self.enabled_rules):
            from alert_core.redaction.table import RULES

            names = [rule.name for rule in RULES]
            faults = [
                (f"redaction.{field}[{index}]", f"no rule is called {name!r}; there are {', '.join(names)}")
                for field in ("disabled_rules", "enabled_rules")
                for index, name in enumerate(getattr(self, field))
                if name not in names
            ]
        if faults:
            raise ConfigError(faults)

    @functools.cached_property
    def _names(self) -> _Policy:
        return _Policy(self.extra_keys, self.safe_keys)

    @functools.cached_property
    def _rules(self) -> tuple[Rule, ...]:
        from alert_core.redaction.table import RULES

        extra = (Rule(name, (), matching(source)) for name, source in self.extra_detectors)
        used = (
            rule._replace(gates=self._names.keywords) if rule.name == "assignment" else rule
            for rule in RULES
            if (rule.default or rule.name in self.enabled_rules) and rule.name not in self.disabled_rules
        )
        return (*used, *extra)

    @functools.cached_property
    def _ungated(self) -> tuple[Rule, ...]:
        return tuple(rule for rule in self._rules if not rule.gates)

    @functools.cached_property
    def _gate(self) -> re.Pattern[str]:
        """Whether any rule with gates need look at a lower-case text: one pattern, for short texts alone."""
        return re.compile("|".join(map(re.escape, sorted({gate for rule in self._rules for gate in rule.gates}))))

    @functools.cached_property
    def _gates_of(self) -> Callable[[str], frozenset[str]]:
        return searcher(gate for rule in self._rules for gate in rule.gates)

    @functools.cached_property
    def _memory(self) -> _Memory:
        return _Memory()

    def extended(self, specs: Iterable[Any]) -> Redactor:
        """The same policy and the plugins' redactors: each spec's `redact` is applied to every string, in order."""
        added = tuple((str(spec.name), spec.redact) for spec in specs)
        return attrs.evolve(self, plugins=(*self._plugins, *added)) if added else self

    def redact(self, value: Any) -> Any:
        """The JSON form of `value`, masked. Never raises."""
        try:
            memory = self._recall()
            return Walk(self.text, self._key, self._whole, self.limits, memory.keys, memory.clean).value(value)
        except Exception:  # noqa: BLE001 - no fault in here may stop an alert, or let the value pass
            return mark("fault")

    def text(self, text: str) -> str:
        """One string, masked. Never raises."""
        try:
            known = self._recall().clean
            if text in known:
                return text
            short = len(text) <= _CACHED_LENGTH and text.isascii() and text[:1] != "["  # a marker is no text of its own
            if short and not self._plugins and not self.matches(text):
                if len(known) >= _CACHED:
                    known.clear()
                known[text] = None
                return text
            return self._text(clean(text, self.limits.text))
        except Exception:  # noqa: BLE001 - as above
            return mark("fault")

    def _text(self, text: str) -> str:
        for name, plugin in self._plugins:
            try:
                out = plugin(text)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001 - a plugin may fail in any way; what it did not mask must not pass
                return mark(name)
            if not isinstance(out, str):
                return mark(name)
            text = clean(str.__str__(out), self.limits.text)
        for _ in range(_ROUNDS):
            found = self.matches(text)
            if not found:
                return text
            text = self._masked(text, found)
        return mark("unstable")  # every round uncovered another: nothing of it is passed on

    def matches(self, text: str) -> tuple[Match, ...]:
        """What would be masked in `text`, in its order and without overlaps; the plugins' redactors say no spans."""
        spans = [Match(*span, literals.RULE) for span in literals.find(text)] if literals.generation() else []
        if len(text) >= _TOKEN or _may_assign().search(text) or self.extra_detectors:
            low = lowered(text)
            gates = self._gates_of(low) if len(text) > _SHORT or self._gate.search(low) else frozenset[str]()
            examined = Text(text, low, gates)
            for rule in self._rules if gates else self._ungated:
                if not rule.gates or not gates.isdisjoint(rule.gates):
                    spans += [Match(*span, rule.name) for span in rule.find(examined, self._names)]
        return _merged(text, spans) if spans else ()

    def _masked(self, text: str, found: Iterable[Match]) -> str:
        parts, at = [], 0
        for match in found:
            parts += [text[at : match.start], mark(match.rule)]
            at = match.end
            self._tell(match.rule)
        return "".join([*parts, text[at:]])

    def _tell(self, rule: str) -> None:
        if self.on_match is not None:
            with contextlib.suppress(Exception):  # a counter's fault must not stop an alert
                self.on_match(rule)

    def _key(self, name: str) -> tuple[str, Verdict]:
        """A key's own text, masked, and what becomes of its value; each name once."""
        known = self._recall().keys
        out, verdict = self.text(name), Verdict.KEEP
        plain = marker_pattern().sub("", out)  # so that a masked key is judged alike
        if self._names.sensitive(plain):
            verdict = Verdict.COOKIES if keys.words(plain)[-1:] == ["cookies"] else Verdict.MASK
        if len(name) <= _CACHED_LENGTH:
            if len(known) >= _CACHED:
                known.clear()
            known[name] = (out, verdict)
        return out, verdict

    def _recall(self) -> _Memory:
        memory = self._memory
        if memory.generation != literals.generation():
            memory.forget()
        return memory

    def _whole(self, value: Any, verdict: Verdict) -> Any:
        """What stands for the value of a sensitive key."""
        self._tell("key")
        if verdict is Verdict.COOKIES and isinstance(value, str) and "=" in value:
            text = clean(value, self.limits.text)
            return self.text(self._masked(text, [Match(*span, "cookie") for span in cookies(text, 0, len(text))]))
        return REDACTED


@functools.cache
def _may_assign() -> re.Pattern[str]:
    return re.compile(r"[=:\s,>@]")


def _merged(text: str, spans: list[Match]) -> tuple[Match, ...]:
    """The spans in order, overlapping ones joined, and none within a marker or cutting one."""
    marks = [found.span() for found in marker_pattern().finditer(text)] if REDACTED[:-1] in text else []
    starts = [start for start, _ in marks]
    out: list[Match] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        start, end = span.start, span.end
        first, last = bisect.bisect_right(starts, start) - 1, bisect.bisect_left(starts, end) - 1
        if first >= 0 and marks[first][1] > start:
            start = marks[first][0]
        if last >= 0 and marks[last][1] > end:
            end = marks[last][1]
        if span.end <= span.start or (first >= 0 and (start, end) == marks[first]):
            continue
        if out and start < out[-1].end:
            out[-1] = out[-1]._replace(end=max(out[-1].end, end))
        else:
            out.append(Match(start, end, span.rule))
    return tuple(out)
