"""Telling many alerts in one: groups, digests, and what a target's rate did not let pass."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from alert_core import Alert, Delivery, Receipt, Route, Severity, Status
from alert_core.queues import Desk, Dispatch, Outcome, Part
from alert_core.text import one_line
from alert_outbox.reports import report_of
from alert_outbox.state import next_time
from alert_outbox.statements import Connection, Row
from alert_outbox.store import Store, Taken

LISTED: Final = 20
"""Kinds of alerts that a summary lists; the rest is "and N more"."""


@attrs.define
class Told:
    """What telling the due buckets brought about."""

    targets: set[str] = attrs.field(factory=set)
    dispatches: list[str] = attrs.field(factory=list)
    finished: list[tuple[str, Alert, tuple[Row, ...]]] = attrs.field(factory=list)


class Buckets:
    """Tells what was gathered: in one transaction with the claim of the bucket, so once, whatever ends when."""

    def __init__(self, store: Store, desk: Desk, *, empty_digests: bool) -> None:
        self._store = store
        self._desk = desk
        self._routes: Mapping[str, Route] = {str(route.name): route for route in desk.routes}
        self._empty_digests = empty_digests

    def tell(self, connection: Connection, now: float, only: str | None = None) -> Told:
        """Tell every bucket that is due, or the one digest of this route at once."""
        told = Told()
        sql = self._store.sql
        if only is None:
            due_buckets = sql.due_buckets.rows(connection, now=now, most=20)
        else:
            due_buckets = sql.digest_bucket.rows(connection, id_=f"digest:{only}")
        for bucket, kind, name, label, _ in due_buckets:
            members = self._store.gathered(connection, bucket)
            digest = self._routes[name].digest if kind == "digest" and name in self._routes else None
            due = next_time(digest, now) if digest is not None else None
            sql.set_bucket.run(connection, id_=bucket, due_=due, told_=now)
            for part in dict.fromkeys(self._parts(kind, name, members)):
                mine = [one for one in members if one.part == part]
                if len(mine) == 1 and kind != "digest" and not self._store.is_overtaken(connection, mine[0]):
                    self._store.tell_alone(connection, mine[0], now)
                else:
                    self._tell_together(connection, mine, summary(kind, label, mine, now), part, now, told)
                told.targets.add(part.target)
        return told

    def finish(self, told: Told) -> None:
        """Tell of the dispatches that have ended with this; once it is committed."""
        for dispatch_id, alert, rows in told.finished:
            self._desk.finish(dispatch_id, alert, report_of(alert, rows))

    def _parts(self, kind: str, name: str, members: Sequence[Taken]) -> list[Part]:
        parts = [one.part for one in members]
        if kind == "digest" and self._empty_digests and not parts and name in self._routes:
            parts = list(self._desk.parts(self._routes[name].targets))
        return parts

    def _tell_together(
        self, connection: Connection, members: Sequence[Taken], alert: Alert, part: Part, now: float, told: Told
    ) -> None:
        dispatch = Dispatch(id=uuid.uuid4().hex, alert=alert, parts=(part,))
        told.dispatches.append(dispatch.id)
        self._store.put(connection, dispatch, [(part, None)], now, is_summary=True)
        result = Delivery(
            target=part.target,
            kind="",
            recipient=part.recipient,
            outcome=Outcome.DELIVERED,
            receipt=Receipt(recipient=part.recipient, detail={"summarised": alert.id}),
        )
        text = json.dumps(result.to_dict())
        self._store.sql.summarised.run_many(
            connection, ({"id_": one.row, "now": now, "result_": text} for one in members)
        )
        for one in members:
            (left,) = self._store.sql.close_one.one(connection, id_=one.dispatch.id, now=now) or (1,)
            if not left and self._store.sql.finish.run(connection, id_=one.dispatch.id, now=now):
                rows = tuple(self._store.sql.report.rows(connection, id_=one.dispatch.id))
                told.finished.append((one.dispatch.id, one.dispatch.alert, rows))


def summary(kind: str, label: str, members: Sequence[Taken], now: float) -> Alert:
    """One alert that tells of many: how many, how severe, from where, and which."""
    alerts = [one.dispatch.alert for one in members]
    last = {alert.dedup_key: alert for alert in alerts}
    fired = sum(alert.status is Status.FIRING for alert in alerts)
    resolved = sum(alert.status is Status.RESOLVED for alert in alerts)
    still = sum(alert.status is not Status.RESOLVED for alert in last.values())
    severities = Counter(alert.severity.value for alert in alerts)
    sources = Counter(alert.source or "-" for alert in alerts)
    word = "alert" if len(alerts) == 1 else "alerts"
    titles = {
        "group": f"{len(alerts)} {word}: {label}",
        "rate": f"{len(alerts)} more {word}, over the rate of {label}",
        "digest": f"Digest {label}: {fired} fired, {resolved} resolved, {still} still open",
    }
    counts: dict[str, Any] = {"alerts": len(alerts), "fired": fired, "resolved": resolved, "still_open": still}
    counts |= {"by_severity": dict(severities), "by_source": dict(sources)}
    same = {alert.source for alert in alerts}
    return Alert(
        one_line(titles[kind]),
        "\n".join([_counts("severity", severities), _counts("source", sources), *_lines(alerts)]),
        severity=max((alert.severity for alert in alerts), default=Severity.INFO),
        source=same.pop() if len(same) == 1 else None,
        tags=sorted(set.intersection(*(set(alert.tags) for alert in alerts))) if alerts else (),
        metadata=counts,
        status=Status.RESOLVED if alerts and not still else Status.FIRING,
        dedup_key=f"{kind}:{label}:{now:.0f}",
        created_at=datetime.fromtimestamp(now, UTC),
    )


def _counts(what: str, counted: Counter[str]) -> str:
    return f"by {what}: {', '.join(f'{name} {count}' for name, count in counted.most_common(10)) or 'none'}"


def _lines(alerts: Sequence[Alert]) -> list[str]:
    kinds = Counter((alert.severity, alert.status, alert.title) for alert in alerts)
    ordered = sorted(kinds.items(), key=lambda one: (-one[0][0].rank, -one[1], one[0][2]))
    lines = [
        f"- [{severity.value}{'' if status is Status.FIRING else f', {status.value}'}] {one_line(title)}"
        f"{f' (x{count})' if count > 1 else ''}"
        for (severity, status, title), count in ordered[:LISTED]
    ]
    rest = sum(count for _, count in ordered[LISTED:])
    return [*lines, f"and {rest} more"] if rest else lines
