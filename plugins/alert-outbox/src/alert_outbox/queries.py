"""The statements about alerts, their deliveries, buckets and rates, in SQLAlchemy Core."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from alert_outbox.schema import ALERTS, BUCKETS, DEAD, DELIVERED, DELIVERIES, GATHERED, HELD, RATES, WAITING, is_state
from alert_outbox.statements import insert_once, param

_A: Final = ALERTS.c
_D: Final = DELIVERIES.c
_B: Final = BUCKETS.c
_OPEN: Final = is_state(WAITING, HELD)


def _insert_delivery() -> Any:
    """Behind the last open delivery of its key, whose row is locked: who ends that sees this one, and lets it go."""
    earlier = DELIVERIES.alias("earlier")
    last = (
        sa.select(earlier.c.id)
        .where(
            earlier.c.order_key == param("order_key_"),
            earlier.c.state.in_([sa.literal_column(f"'{state}'") for state in (WAITING, HELD)]),
        )
        .order_by(earlier.c.id.desc())
        .limit(sa.literal_column("1"))
        .with_for_update(read=True)
        .scalar_subquery()
    )
    state = sa.case(
        (param("bucket_", sa.Text).is_not(None), sa.literal_column(f"'{GATHERED}'")),
        (last.is_(None), sa.literal_column(f"'{WAITING}'")),
        else_=sa.literal_column(f"'{HELD}'"),
    )
    given = ("dispatch", "position", "target", "recipient", "order_key", "bucket", "rank", "due", "stored")
    values = {name: param(f"{name}_", _D[name].type) for name in given}
    return sa.insert(DELIVERIES).values(**values, state=state, attempts=sa.literal_column("0"))


def _last() -> Any:
    return (
        sa.select(_D.id, _D.state, _D.bucket, _A.status)
        .join(ALERTS, _A.id == _D.dispatch)
        .where(_D.order_key == param("order_key_"))
        .order_by(_D.id.desc())
        .limit(sa.literal_column("1"))
    )


def _all_dead() -> Any:
    """1 where every firing of a key since then is a dead letter, and none may have arrived; NULL: there is none."""
    is_lost = sa.and_(is_state(DEAD), _D.result.not_like(param("uncertain", sa.Text)))
    return (
        sa.select(sa.func.min(sa.case((is_lost, sa.literal_column("1")), else_=sa.literal_column("0"))))
        .join_from(DELIVERIES, ALERTS, _A.id == _D.dispatch)
        .where(
            _D.order_key == param("order_key_"),
            _A.status != sa.literal_column("'resolved'"),
            sa.or_(_D.ended.is_(None), _D.ended >= param("since")),
        )
    )


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


def _due() -> Any:
    return (
        _taken()
        .where(is_state(WAITING), _D.target == param("target_"), _D.due <= param("now"))
        .order_by(_D.due, _D.id)
        .limit(param("most", sa.Integer))
        .with_for_update(of=DELIVERIES, skip_locked=True)
    )


def _lock_key() -> Any:
    """What may be under way of a delivery's key: two hosts that end at once would each leave the next to the other."""
    one = DELIVERIES.alias("one")
    key = sa.select(one.c.order_key).where(one.c.id == param("id_")).scalar_subquery()
    here = sa.select(_D.id).where(_D.order_key == key, is_state(WAITING), _OPEN)  # the last for an index
    return here.order_by(_D.id).with_for_update(of=DELIVERIES)


def _free_next() -> Any:
    first = sa.select(sa.func.min(_D.id)).where(_D.order_key == param("order_key_"), _OPEN)
    return sa.update(DELIVERIES).values(state=WAITING).where(_D.id == first.scalar_subquery(), is_state(HELD))


def _free_heads() -> Any:
    earlier = DELIVERIES.alias("earlier")
    waits = earlier.c.state.in_([sa.literal_column(f"'{state}'") for state in (WAITING, HELD)])
    behind = sa.exists().where(earlier.c.order_key == _D.order_key, earlier.c.id < _D.id, waits)
    target = param("target_", sa.Text)
    here = (is_state(HELD), _OPEN, sa.or_(target.is_(None), _D.target == target))  # _OPEN is for an index
    return sa.update(DELIVERIES).values(state=WAITING).where(*here, ~behind)


def _gather() -> Any:
    """But nothing behind one that was attempted: a summary would overtake that."""
    other = DELIVERIES.alias("other")
    begun = sa.or_(other.c.lease.is_not(None), other.c.attempts > sa.literal_column("0"))
    waits = other.c.state == sa.literal_column(f"'{WAITING}'")
    under_way = sa.select(other.c.order_key).where(waits, other.c.target == param("target_"), begun)
    return (
        sa.update(DELIVERIES)
        .values(state=GATHERED, bucket=param("bucket_"))
        .where(
            _OPEN,
            _D.target == param("target_"),
            _D.lease.is_(None),
            _D.attempts == sa.literal_column("0"),
            _D.rank <= param("most_rank"),
            _D.order_key.not_in(under_way),
        )
    )


def _gather_resolves() -> Any:
    """Of any severity, behind what they resolve."""
    earlier = DELIVERIES.alias("earlier")
    gathered = earlier.c.state == sa.literal_column(f"'{GATHERED}'")
    behind = sa.exists().where(earlier.c.order_key == _D.order_key, earlier.c.id < _D.id, gathered)
    resolves = sa.exists().where(_A.id == _D.dispatch, _A.status == sa.literal_column("'resolved'"))
    return (
        sa.update(DELIVERIES)
        .values(state=GATHERED, bucket=param("bucket_"))
        .where(is_state(HELD), _D.target == param("target_"), behind, resolves)
    )


def _end(*conditions: Any) -> Any:
    given = ("state", "ended", "attempts", "due", "result", "arrived")
    return (
        sa.update(DELIVERIES)
        .values(lease=sa.null(), **{name: param(f"{name}_", _D[name].type) for name in given})
        .where(_D.id == param("id_"), _OPEN, *conditions)
        .returning(_D.order_key)
    )


CLAUSES: Final[Mapping[str, Any]] = {
    "insert_alert": lambda: sa.insert(ALERTS).values(
        **{
            column.name: param(f"{column.name}_", column.type)
            for column in _A
            if column.name not in {"closed", "finished"}
        }
    ),
    "insert_delivery": _insert_delivery,
    "last": _last,
    "last_locked": lambda: _last().with_for_update(read=True, of=DELIVERIES),
    "later": lambda: (
        sa.select(_D.state, _A.status)
        .join(ALERTS, _A.id == _D.dispatch)
        .where(_D.order_key == param("order_key_"), _D.id > param("id_"), _D.state != sa.literal_column(f"'{DEAD}'"))
        .order_by(_D.id.desc())
        .limit(sa.literal_column("1"))
    ),
    "all_dead": _all_dead,
    "due": _due,
    "next_due": lambda: sa.select(sa.func.min(_D.due)).where(is_state(WAITING), _D.target == param("target_")),
    "lease": lambda: (
        sa.update(DELIVERIES)
        .values(lease=param("lease_"), due=param("due_"), attempts=param("attempts_"))
        .where(_D.id == param("id_"))
    ),
    "renew": lambda: (
        sa.update(DELIVERIES)
        .values(due=param("due_"))
        .where(_D.id == param("id_"), is_state(WAITING), _D.lease == param("token"))
    ),
    "release": lambda: (
        sa.update(DELIVERIES)
        .values(lease=sa.null(), due=param("due_"))
        .where(_D.id == param("id_"), is_state(WAITING), _D.lease == param("token"))
    ),
    "retry_later": lambda: (
        sa.update(DELIVERIES)
        .values(
            lease=sa.null(),
            due=param("due_"),
            attempts=param("attempts_"),
            result=param("result_"),
            arrived=param("arr"),
        )
        .where(_D.id == param("id_"), is_state(WAITING), _D.lease == param("token"))
    ),
    "end": _end,
    "end_if_leased": lambda: _end(_D.lease == param("token")),
    "lock_key": _lock_key,
    "free_next": _free_next,
    "hold": lambda: (
        sa.update(DELIVERIES)
        .values(state=HELD)
        .where(_D.order_key == param("order_key_"), is_state(WAITING), _D.lease.is_(None))
    ),
    "close_one": lambda: (
        sa.update(ALERTS)
        .values(
            open=_A.open - sa.literal_column("1"),
            closed=sa.case((_A.open == sa.literal_column("1"), param("now", sa.Double)), else_=sa.null()),
        )
        .where(_A.id == param("id_"))
        .returning(_A.open)
    ),
    "finish": lambda: (
        sa.update(ALERTS).values(finished=param("now")).where(_A.id == param("id_"), _A.finished.is_(None))
    ),
    "report": lambda: (
        sa.select(_D.target, _D.recipient, _D.state, _D.attempts, _D.stored, _D.ended, _D.result)
        .where(_D.dispatch == param("id_"))
        .order_by(_D.position)
    ),
    "heal": lambda: sa.update(DELIVERIES).values(due=param("now")).where(is_state(WAITING), _D.due > param("horizon")),
    "open_of_target": lambda: (
        _taken()
        .where(
            _OPEN,
            _D.target == param("target_"),
            _D.stored < param("before"),
            sa.or_(_D.lease.is_(None), _D.due <= param("now")),  # a host that has the target may have it under way
        )
        .order_by(_D.id)
        .limit(param("most", sa.Integer))
        .with_for_update(of=DELIVERIES, skip_locked=True)
    ),
    "quiet": lambda: (
        sa.select(_A.id, sa.func.max(_B.due))
        .select_from(
            sa.join(ALERTS, DELIVERIES, _D.dispatch == _A.id).outerjoin(
                BUCKETS, sa.and_(_B.id == _D.bucket, is_state(GATHERED))
            )
        )
        .where(_A.id == param("id_"))
        .group_by(_A.id)
        .having(sa.func.count(sa.case((_OPEN, sa.literal_column("1")))) == sa.literal_column("0"))
    ),
    "untold": lambda: (
        _taken()
        .where(is_state(DEAD), _D.told.is_(None), _D.due <= param("now"))
        .order_by(_D.due)
        .limit(param("most", sa.Integer))
        .with_for_update(of=DELIVERIES, skip_locked=True)
    ),
    "put_off": lambda: sa.update(DELIVERIES).values(due=param("due_")).where(_D.id == param("id_"), is_state(DEAD)),
    "tell": lambda: sa.update(DELIVERIES).values(told=param("now")).where(_D.id == param("id_"), is_state(DEAD)),
    "targets": lambda: sa.select(_D.target, sa.func.count()).where(_OPEN).group_by(_D.target),
    "old": lambda: (  # what is brought back just now is closed no more
        sa.select(_A.id)
        .where(_A.closed < param("before"))
        .limit(param("most", sa.Integer))
        .with_for_update(skip_locked=True)
    ),
    "spent": lambda: sa.select(RATES.c.spent, RATES.c.at).where(RATES.c.target == param("target_")).with_for_update(),
    "insert_spent": lambda: insert_once(
        RATES, target=param("target_", sa.Text), spent=sa.literal_column("0"), at=param("now", sa.Double)
    ),
    "spend": lambda: (
        sa.update(RATES).values(spent=param("spent_"), at=param("now")).where(RATES.c.target == param("target_"))
    ),
    "gather": _gather,
    "gather_resolves": _gather_resolves,
    "free_heads": _free_heads,
    "bucket": lambda: sa.select(_B.due, _B.told).where(_B.id == param("id_")).with_for_update(),
    "insert_bucket": lambda: insert_once(
        BUCKETS, **{name: param(f"{name}_", _B[name].type) for name in ("id", "kind", "name", "label", "due")}
    ),
    "set_bucket": lambda: (
        sa.update(BUCKETS).values(due=param("due_"), told=param("told_")).where(_B.id == param("id_"))
    ),
    "due_buckets": lambda: (
        sa.select(_B.id, _B.kind, _B.name, _B.label, _B.due)
        .where(_B.due <= param("now"))
        .order_by(_B.due)
        .limit(param("most", sa.Integer))
        .with_for_update(skip_locked=True)
    ),
    "digest_bucket": lambda: (
        sa.select(_B.id, _B.kind, _B.name, _B.label, _B.due)
        .where(_B.id == param("id_"), _B.due.is_not(None))
        .with_for_update()
    ),
    "forget_buckets": lambda: sa.delete(BUCKETS).where(_B.due.is_(None), _B.told < param("before")),
    "next_bucket": lambda: sa.select(sa.func.min(_B.due)),
    "gathered": lambda: (
        _taken().where(is_state(GATHERED), _D.bucket == param("bucket_")).order_by(_D.id).with_for_update(of=DELIVERIES)
    ),
    "gathered_now": lambda: _taken().where(is_state(GATHERED), _D.bucket == param("bucket_")).order_by(_D.id),
    "tell_alone": lambda: (
        sa.update(DELIVERIES)
        .values(state=HELD, due=param("now"), bucket=sa.null())
        .where(_D.id == param("id_"), is_state(GATHERED))
        .returning(_D.order_key)
    ),
    "summarised": lambda: (
        sa.update(DELIVERIES)
        .values(state=DELIVERED, ended=param("now"), result=param("result_"))
        .where(_D.id == param("id_"), is_state(GATHERED))
    ),
    "dead": lambda: (
        sa.select(_D.id, _D.dispatch, _D.order_key, _A.status)
        .join(ALERTS, _A.id == _D.dispatch)
        .where(
            is_state(DEAD),
            sa.or_(param("number", sa.BigInteger).is_(None), _D.id == param("number", sa.BigInteger)),
            sa.or_(param("target_", sa.Text).is_(None), _D.target == param("target_", sa.Text)),
        )
        .order_by(_D.id)
        .with_for_update(of=DELIVERIES)
    ),
    "revive": lambda: (
        sa.update(DELIVERIES)
        .values(
            state=HELD,
            ended=sa.null(),
            told=sa.null(),
            lease=sa.null(),
            attempts=0,
            due=param("now"),
            stored=param("now"),
        )
        .where(_D.id == param("id_"), is_state(DEAD))
    ),
    "open_one": lambda: (
        sa.update(ALERTS).values(open=_A.open + sa.literal_column("1"), closed=sa.null()).where(_A.id == param("id_"))
    ),
    "delete_deliveries": lambda: sa.delete(DELIVERIES).where(_D.dispatch == param("id_")),
    "delete_alert": lambda: sa.delete(ALERTS).where(_A.id == param("id_")),
}
