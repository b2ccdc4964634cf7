"""What becomes of an alert before it is handed over: defaults, processors, masking, routes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from alert_core.alert import Alert
from alert_core.lanes import Lane
from alert_core.queues import Desk
from alert_core.redaction import Redactor
from alert_core.routing import Route, select
from alert_core.specs import ProcessorSpec

_PLAIN_FIELDS: Final = ("source", "tags", "url", "request_id")
_log = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Ready:
    """An alert on its way out of the pipeline.

    Attributes:
        alert: as its targets get it.
        told: as observers and a durable queue see it: masked.
        names: the targets.
        explicit: whether the caller named them.
        dropped: why it goes to no target at all, which was told, or None.
    """

    alert: Alert
    told: Alert
    names: Sequence[str]
    explicit: bool
    dropped: str | None


@attrs.frozen(kw_only=True, eq=False)
class Pipeline:
    """The steps from an alert as it was given to the targets that get it.

    Attributes:
        redactor: the masking policy.
        defaults: as of `Dispatcher`.
        processors: in their order.
        routes: which alerts go where; none: every alert goes to everyone.
        everyone: the targets that stand for themselves: not those behind a failover.
        lanes: the targets, with the least severity that each takes.
        allow_unmasked: as of `Dispatcher`.
        drop: `drop(alert, reason, dropped_by)`: counts and tells it.
        unrouted: what a queue that keeps state remembers an alert by, where no route is configured.
    """

    redactor: Redactor
    defaults: Mapping[str, Any]
    processors: Sequence[ProcessorSpec]
    routes: Sequence[Route]
    everyone: Sequence[str]
    lanes: Mapping[str, Lane]
    allow_unmasked: bool
    drop: Callable[[Alert, str, str], None]
    unrouted: tuple[Route, ...] = attrs.field(init=False)

    @unrouted.default
    def _one_route(self) -> tuple[Route, ...]:
        return (Route(self.everyone, name="all"),)

    def ready(self, alert: Alert, explicit: Sequence[str] | None, desk: Desk | None) -> Ready:
        """The alert, processed, masked and routed; what is dropped on the way is told.

        Args:
            alert: as it was given.
            explicit: the targets that the caller named; None: the routes decide.
            desk: of the durable queue, which may hear of an alert that goes to no target.
        """
        prepared, dropped = self._prepared(alert)
        told = prepared.masked(self.redactor)
        names: Sequence[str] = ()
        if dropped is None and explicit is not None:
            names = explicit
            if not names:
                dropped = "no_target"
                self.drop(told, dropped, "")
        elif dropped is None and desk is not None and desk.hears_of(prepared):
            names = self.route(prepared)[1]
        elif dropped is None:
            names, dropped = self.routed(prepared)
        return Ready(prepared, told, names, explicit is not None, dropped)

    def with_defaults(self, alert: Alert) -> Alert:
        """The alert, with the defaults for what it has none of."""
        missing = {n: self.defaults[n] for n in _PLAIN_FIELDS if self.defaults.get(n) and not getattr(alert, n)}
        metadata = self.defaults.get("metadata") or {}
        if any(key not in alert.metadata for key in metadata):
            missing["metadata"] = {**metadata, **alert.metadata}
        return alert.evolve(**missing) if missing else alert

    def route(self, alert: Alert) -> tuple[list[Route], list[str]]:
        """The routes that an alert as it is takes now, and the targets that it would go to."""
        routes = select(self.routes, alert, datetime.now(UTC))
        wanted: Iterable[str] = dict.fromkeys(name for route in routes for name in route.targets)
        if not self.routes:
            wanted = self.everyone
        return routes, [name for name in wanted if alert.severity >= self.lanes[name].settings.min_severity]

    def taken(self, alert: Alert) -> tuple[Route, ...]:
        """The routes that it takes, as a queue remembers them."""
        return tuple(self.route(alert)[0]) if self.routes else self.unrouted

    def routed(self, alert: Alert) -> tuple[Sequence[str], str | None]:
        """The targets of an alert, or why it has none, which is told."""
        routes, names = self.route(alert)
        if names:
            return names, None
        by = ", ".join(filter(None, (route.name for route in routes)))
        meant = any(route.targets for route in routes) if self.routes else bool(self.everyone)
        reason = "min_severity" if meant else "silenced" if self.routes else "no_target"
        self.drop(alert, reason, by)
        return (), f"{reason}: {by}" if by else reason

    def _prepared(self, alert: Alert) -> tuple[Alert, str | None]:
        """The alert with defaults, processed and masked; or as far as it came, and why it was dropped."""
        current = self.with_defaults(alert)
        for spec in self.processors:
            try:
                result = spec.process(current)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - a processor's fault does not cost the alert
                _log.warning("processor %s raised %s and is skipped", spec.name, type(error).__name__)
                continue
            if result is None:
                dropped = self._masked(current)
                self.drop(dropped, "processor", spec.name)
                return dropped, f"processor: {spec.name}"
            if isinstance(result, Alert):
                current = result
            else:
                _log.warning("processor %s gave no Alert and is skipped", spec.name)
        return self._masked(current), None

    def _masked(self, alert: Alert) -> Alert:
        return alert if self.allow_unmasked and not alert.is_masked else alert.masked(self.redactor)


def processor(given: Callable[[Alert], Alert | None] | ProcessorSpec) -> ProcessorSpec:
    """A callable as a spec, by its own name."""
    if isinstance(given, ProcessorSpec):
        return given
    return ProcessorSpec(getattr(given, "__name__", type(given).__name__), given)
