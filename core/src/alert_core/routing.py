"""Which targets get an alert: routes, tried in their order."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import attrs

from alert_core.errors import ConfigError, Fault
from alert_core.matchers import Condition, compile_match, field_name
from alert_core.schedule import DailyTime, TimeWindow, parse_duration
from alert_core.values import plain, structure, structure_fields

if TYPE_CHECKING:
    from alert_core.alert import Alert


def _match(value: Any) -> Mapping[str, Any]:
    compile_match(value)
    return plain(value)  # type: ignore[no-any-return]  # a mapping: it was compiled


def _name(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text")
    return str(value)


def _windows(value: Any) -> tuple[TimeWindow, ...]:
    if not isinstance(value, list | tuple):
        return (TimeWindow.parse(value),)
    windows, faults = structure(value, tuple[Annotated[TimeWindow, TimeWindow.parse], ...])
    if faults:
        raise ConfigError(faults)
    return windows  # type: ignore[no-any-return]  # as structure() was told


_DURATION: Final = Annotated[float, parse_duration]
_WINDOWS: Final = Annotated[tuple[TimeWindow, ...], _windows]
STATE_FIELDS: Final[Mapping[str, Any]] = {
    "repeat_every": _DURATION,
    "group_by": tuple[Annotated[str, field_name], ...],
    "group_wait": _DURATION,
    "group_interval": _DURATION,
    "digest": Annotated[DailyTime, DailyTime.parse],
}
"""What a route can ask of a queue that keeps state."""
FIELDS: Final[Mapping[str, Any]] = {
    "name": Annotated[str, _name],
    "match": Annotated[Mapping[str, Any], _match],
    "targets": tuple[Annotated[str, _name], ...],
    "continue": bool,
    "active": _WINDOWS,
    "mute": _WINDOWS,
    **STATE_FIELDS,
}
"""The keys of a route in a configuration, and their types."""


@attrs.frozen(init=False)
class Route:
    """Matchers on an alert, and the targets that get it.

    Args:
        targets: names of targets; none is a deliberate silence.
        match: what the alert must be, all of it: `severity` (`"critical"`, `">=error"`), `source`, `tags`
            (all of them), `status`, `metadata.x`; each equal, one of a list, or a regular expression (`"re:…"`)
            matched in full against the first 10,000 characters. Nothing: every alert.
        name: for reports and for state that is kept; default: `route-1` and so on.
        continue_: go on to the next route too; else the first route that matches is the last.
        active: time windows (or their tables) outside which the route does not match.
        mute: time windows within which it does not match.
        repeat_every: a duration (`"4h"`, or seconds) after which what still fires is told again; dedup.
        group_by: fields whose values make a group.
        group_wait: a duration for which a new group waits.
        group_interval: a duration between two messages of a group.
        digest: a time and zone (`"08:00 Africa/Luanda"`) at which one summary is sent instead.

    Raises:
        ConfigError: every fault, each with its path (`match.severity`).
    """

    targets: tuple[str, ...]
    match: Mapping[str, Any] = attrs.field(factory=dict)
    name: str | None = None
    continue_: bool = False
    active: tuple[TimeWindow, ...] = ()
    mute: tuple[TimeWindow, ...] = ()
    repeat_every: float | None = None
    group_by: tuple[str, ...] = ()
    group_wait: float | None = None
    group_interval: float | None = None
    digest: DailyTime | None = None
    _conditions: tuple[Condition, ...] = attrs.field(init=False, eq=False, repr=False)

    def __init__(  # noqa: PLR0913, PLR0917 - a route's fields
        self,
        targets: Sequence[str],
        match: Mapping[str, Any] | None = None,
        name: str | None = None,
        continue_: bool = False,
        active: Any = None,
        mute: Any = None,
        repeat_every: float | str | None = None,
        group_by: Sequence[str] = (),
        group_wait: float | str | None = None,
        group_interval: float | str | None = None,
        digest: str | DailyTime | None = None,
    ) -> None:
        given = {"match": match, "name": name, "continue": continue_, "active": active, "mute": mute}
        given |= {"repeat_every": repeat_every, "group_by": group_by, "group_wait": group_wait}
        given |= {"group_interval": group_interval, "digest": digest}
        given = {key: value for key, value in given.items() if value is not None}
        fields, faults = structure_fields({"targets": targets, **given}, FIELDS)
        if faults:
            raise ConfigError(faults)
        self.__attrs_init__(continue_=fields.pop("continue"), **fields)
        object.__setattr__(self, "_conditions", compile_match(self.match))

    @property
    def is_catch_all(self) -> bool:
        """Whether it matches every alert at every time."""
        return not (self._conditions or self.active or self.mute)

    def matches(self, alert: Alert, now: datetime | None = None) -> bool:
        """Whether the alert takes this route at the moment `now` (aware; default: now)."""
        if not all(condition.holds(alert) for condition in self._conditions):
            return False
        if not self.active and not self.mute:
            return True
        now = now or datetime.now(UTC)
        is_active = not self.active or any(now in window for window in self.active)
        return is_active and not any(now in window for window in self.mute)

    def explain(self, alert: Alert, now: datetime | None = None) -> str:
        """Whether the alert takes this route, and below it, indented, a line for each condition."""
        matches, now = self.matches(alert, now), now or datetime.now(UTC)
        lines = [f"{self.name or 'route'}: {'matches' if matches else 'does not match'}"]
        lines += [f"  {condition.explain(alert)}" for condition in self._conditions]
        lines += [f"  {'yes' if now in window else 'no'}: active {window}" for window in self.active]
        lines += [f"  {'no' if now in window else 'yes'}: not mute {window}" for window in self.mute]
        lines += ["  yes: every alert"] if self.is_catch_all else []
        return "\n".join(lines)


def select(routes: Iterable[Route], alert: Alert, now: datetime | None = None) -> list[Route]:
    """The routes that an alert takes: the first that matches and, where that says `continue`, the next."""
    taken = []
    for route in routes:
        if route.matches(alert, now):
            taken.append(route)
            if not route.continue_:
                break
    return taken


def named_routes(routes: Iterable[Route]) -> tuple[Route, ...]:
    """The routes, those without a name called `route-1` and so on, by their place."""
    return tuple(
        route if route.name else attrs.evolve(route, name=f"route-{place}")
        for place, route in enumerate(routes, start=1)
    )


def route_faults(routes: Sequence[Route], target_names: Collection[str], keeps_state: bool = False) -> list[Fault]:
    """What is wrong with the routes taken together, and with the targets they name.

    Args:
        routes: in their order, before `named_routes()`.
        target_names: of every target there is.
        keeps_state: the queue does (alert-outbox).
    """
    faults: list[Fault] = []
    names: dict[str, int] = {}
    for index, route in enumerate(routes):
        path = f"routes[{index}]"
        for place, target in enumerate(route.targets):
            if target not in target_names:
                faults.append(Fault(f"{path}.targets[{place}]", unknown_name(target, target_names)))
        if route.name is None and keeps_state:
            faults.append(Fault(f"{path}.name", "required option missing: the queue keeps state by the route's name"))
        if route.name is not None and names.setdefault(route.name, index) != index:
            faults.append(Fault(f"{path}.name", f"routes[{names[route.name]}] has the same name"))
        if keeps_state:
            faults += [fault.under(path) for fault in _gathering_faults(route)]
        else:
            faults += [
                Fault(
                    f"{path}.{field}",
                    'needs a queue that keeps state: [queue] type = "outbox" (pip install alert-outbox)',
                )
                for field in STATE_FIELDS
                if getattr(route, field) not in (None, ())
            ]
    if routes and not routes[-1].is_catch_all:
        faults.append(Fault("routes", "the last route must match every alert: add one without match, active and mute"))
    return faults


def _gathering_faults(route: Route) -> list[Fault]:
    faults = [
        Fault(field, "needs group_by: it is of a group")
        for field in ("group_wait", "group_interval")
        if getattr(route, field) is not None and not route.group_by
    ]
    if route.digest is not None and route.group_by:
        faults.append(Fault("group_by", "a digest gathers everything into one message: leave out this or digest"))
    return faults


def unknown_name(name: object, known: Iterable[str]) -> str:
    """The message for a target that does not exist, with the nearest that does, or all of them."""
    if not isinstance(name, str):
        return f"a target's name is a text, not {type(name).__name__}"
    names = sorted(known)
    if near := difflib.get_close_matches(name, names, n=1):
        return f'no target is called "{name}"; did you mean "{near[0]}"?'
    return f'no target is called "{name}"; the targets are: {", ".join(names) or "none"}'
