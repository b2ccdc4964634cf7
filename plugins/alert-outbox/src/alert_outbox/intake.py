"""What comes with a transaction of the application's: noted there, and planned once that has committed.

So such a transaction reads nothing of the outbox, and locks nothing that others wait for, however long it takes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from alert_core import Alert, DeliveryReport
from alert_core.queues import Desk, Dispatch, Part
from alert_outbox.schema import INTAKE
from alert_outbox.state import Plan, State
from alert_outbox.statements import Connection, Statements, param

AT_ONCE: Final = 1_000
"""Alerts that are planned in one transaction, at most."""
_I: Final = INTAKE.c
_UNREADABLE: Final = Alert("an alert that cannot be read", "it came with a transaction")
_CLAUSES: Final[Mapping[str, Any]] = {
    "insert": lambda: sa.insert(INTAKE).values(
        **{name: param(f"{name}_", _I[name].type) for name in ("dispatch", "body", "stored")}
    ),
    # Whoever comes second waits for the first, and goes on with what that has planned.
    "committed": lambda: (
        sa.select(_I.id, _I.dispatch, _I.body, _I.stored)
        .order_by(_I.id)
        .limit(param("most", sa.Integer))
        .with_for_update()
    ),
    "delete": lambda: sa.delete(INTAKE).where(_I.id == param("id_")),
}
_log = logging.getLogger(__name__)
Planned = tuple[Dispatch, Plan]


class Intake:
    """Each method but `tell()` is a unit of work on one connection, in the transaction of its caller."""

    def __init__(self, dialect: Dialect, state: State) -> None:
        self._sql = Statements(dialect, _CLAUSES)
        self._state = state

    def put(self, connection: Connection, dispatches: Iterable[Dispatch], now: float) -> None:
        """Note alerts in the application's transaction."""
        self._sql.insert.run_many(
            connection, ({"dispatch_": one.id, "body_": _body(one), "stored_": now} for one in dispatches)
        )

    def plan(self, connection: Connection, desk: Desk) -> list[Planned]:
        """Plan what has committed meanwhile, in its order; the caller tells of it once this is committed too."""
        planned, now = [], desk.clock.time()
        for row, dispatch_id, body, stored in self._sql.committed.rows(connection, most=AT_ONCE):
            self._sql.delete.run(connection, id_=row)
            try:
                dispatch = _dispatch(dispatch_id, json.loads(body), desk)
            except (ValueError, TypeError, KeyError):
                _log.error("alert %d of the intake cannot be read; it is dropped", row)
                unreadable = Dispatch(id=dispatch_id, alert=_UNREADABLE, parts=())
                planned.append((unreadable, Plan(dropped=[("unreadable", "intake")])))
                continue
            planned.append((dispatch, self._state.put(connection, dispatch, now, desk, stored=stored)))
        return planned


def tell_drops(desk: Desk, dispatch: Dispatch, plan: Plan) -> str | None:
    """Tell the observers of what a plan drops; where nothing is left, why, for the report."""
    if not (plan.placed or plan.dropped):
        plan.dropped.append(("not_firing", ", ".join(str(route.name) for route in dispatch.routes)))
    for reason, by in plan.dropped:
        desk.drop(dispatch.alert, reason, by)
    return None if plan.placed else ", ".join(dict.fromkeys(f"{reason}: {by}" for reason, by in plan.dropped))


def tell(desk: Desk, planned: Sequence[Planned]) -> None:
    """Tell of what `Intake.plan()` has dropped: the caller of `enqueue()` heard no more than `queued`."""
    for dispatch, plan in planned:
        dropped = tell_drops(desk, dispatch, plan)
        if dropped is not None:
            report = DeliveryReport(alert_id=dispatch.alert.id, dropped=dropped)
            desk.finish(dispatch.id, dispatch.alert, report)


def _body(dispatch: Dispatch) -> str:
    parts = [[part.target, part.recipient] for part in dispatch.parts]
    routes = [str(route.name) for route in dispatch.routes]
    return json.dumps({"alert": dispatch.alert.to_dict(), "parts": parts, "routes": routes}, separators=(",", ":"))


def _dispatch(dispatch_id: str, body: Mapping[str, Any], desk: Desk) -> Dispatch:
    """As it was enqueued; of its routes those that are still configured."""
    return Dispatch(
        id=dispatch_id,
        alert=Alert.from_dict(body["alert"]),
        parts=tuple(Part(target, recipient) for target, recipient in body["parts"]),
        routes=tuple(route for route in desk.routes if str(route.name) in body["routes"]),
    )
