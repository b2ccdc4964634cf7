"""The statements about alerts, their deliveries, buckets and rates, in SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from alert_outbox.schema import ALERTS, BUCKETS, DEAD, DELIVERED, DELIVERIES, GATHERED, HELD, RATES, WAITING, is_state

_A: Final = ALERTS.c
_D: Final = DELIVERIES.c
_B: Final = BUCKETS.c
_OPEN: Final = is_state(WAITING, HELD)


def _param(name: str, kind: Any = None) -> Any:
    return sa.bindparam(name, type_=kind)


def _insert_delivery() -> Any:
    """Behind the last open delivery of its key, whose row is locked: who ends that sees this one, and lets it go."""
    earlier = DELIVERIES.alias("earlier")
    last = (
        sa.select(earlier.c.id)
        .where(
            earlier.c.order_key == _param("order_key_"),
            earlier.c.state.in_([sa.literal_column(f"'{state}'") for state in (WAITING, HELD)]),
        )
        .order_by(earlier.c.id.desc())
        .limit(sa.literal_column("1"))
        .with_for_update(read=True)
        .scalar_subquery()
    )
    state = sa.case(
        (_param("bucket_", sa.Text).is_not(None), sa.literal_column(f"'{GATHERED}'")),
        (last.is_(None), sa.literal_column(f"'{WAITING}'")),
        else_=sa.literal_column(f"'{HELD}'"),
    )
    given = ("dispatch", "position", "target", "recipient", "order_key", "bucket", "rank", "due", "stored")
    values = {name: _param(f"{name}_", _D[name].type) for name in given}
    return sa.insert(DELIVERIES).values(**values, state=state, attempts=sa.literal_column("0"))


def _taken() -> Any:
    columns = (
        _D.id,
        _D.dispatch,
        _D.target,
        _D.recipient,
        _D.attempts,
        _D.stored,
        _D.lease,
        _D.arrived,
        _A.body,
        _D.rank,
    )
    return sa.select(*columns).join(ALERTS, _A.id == _D.dispatch)


def _listed() -> Any:
    names = ("id", "target", "recipient", "state", "attempts", "due", "lease", "stored", "ended", "result")
    return sa.select(*(_D[name] for name in names), _A.body).join(ALERTS, _A.id == _D.dispatch)


def _due() -> Any:
    return (
        _taken()
        .where(is_state(WAITING), _D.target == _param("target_"), _D.due <= _param("now"))
        .order_by(_D.due, _D.id)
        .limit(_param("most", sa.Integer))
        .with_for_update(of=DELIVERIES, skip_locked=True)
    )


def _free_next() -> Any:
    first = sa.select(sa.func.min(_D.id)).where(_D.order_key == _param("order_key_"), _OPEN)
    return sa.update(DELIVERIES).values(state=WAITING).where(_D.id == first.scalar_subquery(), is_state(HELD))


def _free_heads() -> Any:
    earlier = DELIVERIES.alias("earlier")
    waits = earlier.c.state.in_([sa.literal_column(f"'{state}'") for state in (WAITING, HELD)])
    behind = sa.exists().where(earlier.c.order_key == _D.order_key, earlier.c.id < _D.id, waits)
    return sa.update(DELIVERIES).values(state=WAITING).where(is_state(HELD), _D.target == _param("target_"), ~behind)


def _end(*conditions: Any) -> Any:
    given = ("state", "ended", "attempts", "result", "arrived")
    return (
        sa.update(DELIVERIES)
        .values(lease=sa.null(), **{name: _param(f"{name}_", _D[name].type) for name in given})
        .where(_D.id == _param("id_"), _OPEN, *conditions)
        .returning(_D.order_key)
    )


CLAUSES: Final[Mapping[str, Any]] = {
    "insert_alert": lambda: sa.insert(ALERTS).values(
        **{name: _param(f"{name}_", _A[name].type) for name in ("id", "alert_id", "body", "stored", "open")}
    ),
    "insert_delivery": _insert_delivery,
    "alert_exists": lambda: sa.select(_A.id).where(_A.id == _param("id_")),
    "due": _due,
    "next_due": lambda: sa.select(sa.func.min(_D.due)).where(is_state(WAITING), _D.target == _param("target_")),
    "lease": lambda: (
        sa.update(DELIVERIES)
        .values(lease=_param("lease_"), due=_param("due_"), attempts=_param("attempts_"))
        .where(_D.id == _param("id_"))
    ),
    "renew": lambda: (
        sa.update(DELIVERIES)
        .values(due=_param("due_"))
        .where(_D.id == _param("id_"), is_state(WAITING), _D.lease == _param("token"))
    ),
    "release": lambda: (
        sa.update(DELIVERIES)
        .values(lease=sa.null(), due=_param("due_"))
        .where(_D.id == _param("id_"), is_state(WAITING), _D.lease == _param("token"))
    ),
    "retry_later": lambda: (
        sa.update(DELIVERIES)
        .values(
            lease=sa.null(),
            due=_param("due_"),
            attempts=_param("attempts_"),
            result=_param("result_"),
            arrived=_param("arr"),
        )
        .where(_D.id == _param("id_"), is_state(WAITING), _D.lease == _param("token"))
    ),
    "end": _end,
    "end_if_leased": lambda: _end(_D.lease == _param("token")),
    "free_next": _free_next,
    "close_one": lambda: (
        sa.update(ALERTS)
        .values(
            open=_A.open - sa.literal_column("1"),
            closed=sa.case((_A.open == sa.literal_column("1"), _param("now", sa.Double)), else_=sa.null()),
        )
        .where(_A.id == _param("id_"))
        .returning(_A.open)
    ),
    "finish": lambda: (
        sa.update(ALERTS).values(finished=_param("now")).where(_A.id == _param("id_"), _A.finished.is_(None))
    ),
    "report": lambda: (
        sa.select(_D.target, _D.recipient, _D.state, _D.attempts, _D.stored, _D.ended, _D.result)
        .where(_D.dispatch == _param("id_"))
        .order_by(_D.position)
    ),
    "heal": lambda: (
        sa.update(DELIVERIES).values(due=_param("now")).where(is_state(WAITING), _D.due > _param("horizon"))
    ),
    "open_of_target": lambda: (
        _taken()
        .where(_OPEN, _D.target == _param("target_"), _D.stored < _param("before"))
        .limit(_param("most", sa.Integer))
    ),
    "targets": lambda: sa.select(_D.target, sa.func.count()).where(_OPEN).group_by(_D.target),
    "old": lambda: sa.select(_A.id).where(_A.closed < _param("before")).limit(_param("most", sa.Integer)),
    "spent": lambda: sa.select(RATES.c.spent, RATES.c.at).where(RATES.c.target == _param("target_")).with_for_update(),
    "insert_spent": lambda: sa.insert(RATES).values(
        target=_param("target_", sa.Text), spent=sa.literal_column("0"), at=_param("now", sa.Double)
    ),
    "spend": lambda: (
        sa.update(RATES).values(spent=_param("spent_"), at=_param("now")).where(RATES.c.target == _param("target_"))
    ),
    "gather": lambda: (
        sa.update(DELIVERIES)
        .values(state=GATHERED, bucket=_param("bucket_"))
        .where(
            _OPEN,
            _D.target == _param("target_"),
            _D.lease.is_(None),
            _D.attempts == sa.literal_column("0"),
            _D.rank <= _param("most_rank"),
        )
    ),
    "free_heads": _free_heads,
    "bucket": lambda: sa.select(_B.due, _B.told).where(_B.id == _param("id_")).with_for_update(),
    "insert_bucket": lambda: sa.insert(BUCKETS).values(
        **{name: _param(f"{name}_", _B[name].type) for name in ("id", "kind", "name", "label", "due")}
    ),
    "set_bucket": lambda: (
        sa.update(BUCKETS).values(due=_param("due_"), told=_param("told_")).where(_B.id == _param("id_"))
    ),
    "due_buckets": lambda: (
        sa.select(_B.id, _B.kind, _B.name, _B.label, _B.due)
        .where(_B.due <= _param("now"))
        .order_by(_B.due)
        .limit(_param("most", sa.Integer))
        .with_for_update(skip_locked=True)
    ),
    "next_bucket": lambda: sa.select(sa.func.min(_B.due)),
    "buckets": lambda: sa.select(_B.id, _B.kind, _B.name, _B.due).order_by(_B.id),
    "gathered": lambda: (
        _taken()
        .where(is_state(GATHERED), _D.bucket == _param("bucket_"))
        .order_by(_D.id)
        .with_for_update(of=DELIVERIES)
    ),
    "gathered_now": lambda: _taken().where(is_state(GATHERED), _D.bucket == _param("bucket_")).order_by(_D.id),
    "tell_alone": lambda: (
        sa.update(DELIVERIES)
        .values(state=HELD, due=_param("now"), bucket=sa.null())
        .where(_D.id == _param("id_"), is_state(GATHERED))
        .returning(_D.order_key)
    ),
    "summarised": lambda: (
        sa.update(DELIVERIES)
        .values(state=DELIVERED, ended=_param("now"), result=_param("result_"))
        .where(_D.id == _param("id_"), is_state(GATHERED))
    ),
    "overview": lambda: (
        sa.select(_D.target, _D.state, sa.func.count(), sa.func.min(_D.stored), sa.func.max(_D.attempts))
        .group_by(_D.target, _D.state)
        .order_by(_D.target, _D.state)
    ),
    "listed": lambda: (
        _listed()
        .where(
            sa.or_(_param("state_", sa.Text).is_(None), _D.state == _param("state_", sa.Text)),
            sa.or_(_param("target_", sa.Text).is_(None), _D.target == _param("target_", sa.Text)),
        )
        .order_by(_D.id.desc())
        .limit(_param("most", sa.Integer))
    ),
    "shown": lambda: (
        _listed()
        .where(sa.or_(_A.alert_id == _param("alert", sa.Text), _D.id == _param("number", sa.BigInteger)))
        .order_by(_D.id)
    ),
    "dead": lambda: (
        sa.select(_D.id, _D.dispatch, _D.order_key)
        .where(
            is_state(DEAD),
            sa.or_(_param("number", sa.BigInteger).is_(None), _D.id == _param("number", sa.BigInteger)),
            sa.or_(_param("target_", sa.Text).is_(None), _D.target == _param("target_", sa.Text)),
        )
        .order_by(_D.id)
        .with_for_update()
    ),
    "revive": lambda: (
        sa.update(DELIVERIES)
        .values(state=HELD, ended=sa.null(), lease=sa.null(), attempts=0, due=_param("now"), stored=_param("now"))
        .where(_D.id == _param("id_"), is_state(DEAD))
    ),
    "open_one": lambda: (
        sa.update(ALERTS).values(open=_A.open + sa.literal_column("1"), closed=sa.null()).where(_A.id == _param("id_"))
    ),
    "delete_deliveries": lambda: sa.delete(DELIVERIES).where(_D.dispatch == _param("id_")),
    "delete_alert": lambda: sa.delete(ALERTS).where(_A.id == _param("id_")),
}
