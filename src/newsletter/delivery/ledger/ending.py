"""How an issue ends: expired, halted, resolved by evidence, closed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import recovery
from newsletter.delivery.ledger.sums import sums
from newsletter.delivery.states import State, may
from newsletter.store.tables import WAITING, attempts, deliveries, issues, notices, senders


def expire(tx: Connection, now: dt.datetime) -> int:
    """REJECT whoever still waits after `closes_at`; how many rows that was."""
    over = sa.select(issues.c.period).where(issues.c.closes_at <= now)
    changed = 0
    for table, which in (
        (deliveries, deliveries.c.period.in_(over)),
        (notices, notices.c.closes_at <= now),
    ):
        changed += tx.execute(
            sa.update(table)
            .where(WAITING, which)
            .values(state=State.REJECTED.value, reason="expired", settled_at=now)
        ).rowcount
    return changed


def halt(
    tx: Connection,
    period: str,
    now: dt.datetime,
    recover: Callable[[Connection, dt.datetime], object] = recovery.recover_here,
) -> int | None:
    """Stop an issue that must not go on: EXCLUDE whatever has not begun.

    How many readers will not get it; None when the issue is not open. `recover`
    comes first: what a sender had claimed whose machine lost power may have arrived.
    """
    recover(tx, now)
    stopped = tx.execute(
        sa.update(issues)
        .where(issues.c.period == period, issues.c.state == "open")
        .values(state="halted")
    )
    if not stopped.rowcount:
        return None
    return tx.execute(
        sa.update(deliveries)
        .where(
            deliveries.c.period == period,
            deliveries.c.state.in_([State.QUEUED.value, State.DEFERRED.value, State.CLAIMED.value]),
        )
        .values(state=State.EXCLUDED.value, reason="halted", claim_id=None, settled_at=now)
    ).rowcount


def close(tx: Connection, period: str, now: dt.datetime) -> bool:
    """Close the issue when everybody has ended and nobody can change any more.

    Somebody in doubt keeps it open until `closes_at`, so that the operator can
    still decide. A halted issue is called halted for ever; whoever was under way
    as it was halted and was put off since is excluded like the others. False when
    it is not time, or was closed before.
    """
    halted = sa.select(issues.c.period).where(
        issues.c.period == period, issues.c.state == "halted", issues.c.closed_at.is_(None)
    )
    tx.execute(
        sa.update(deliveries)
        .where(deliveries.c.period.in_(halted), WAITING)
        .values(state=State.EXCLUDED.value, reason="halted", settled_at=now)
    )
    account = sums(tx, period)
    if account is None or account.closed_at is not None or account.pending:
        return False
    if account.in_doubt and now < account.closes_at and account.state == "open":
        return False
    tx.execute(
        sa.update(issues)
        .where(issues.c.period == period)
        .values(state="halted" if account.state == "halted" else "closed", closed_at=now)
    )
    return True


class Resolved(StrEnum):
    DONE = "done"
    UNKNOWN = "there is no such delivery in doubt"
    SENDER_ALIVE = "its sender may still answer; wait until its lease has run out"
    TOO_LATE = "the issue is closed, so nobody is sent it any more"


OPERATOR = "operator"
MAIL_LOG = "mail log"
"""Who may speak beside a sender: the `claim_id` of their lines among the attempts."""


def resolve(
    tx: Connection,
    period: str,
    delivery_id: str,
    after: State,
    now: dt.datetime,
    *,
    by: str = OPERATOR,
    words: str = "",
) -> Resolved:
    """The operator's word, or a mail log's: IN_DOUBT -> `after`. What was said stands among the attempts.

    Raises:
        ValueError: `after` is not ACCEPTED, REJECTED or QUEUED.
    """
    if after not in (State.ACCEPTED, State.REJECTED, State.QUEUED):
        raise ValueError(f"nobody can resolve a delivery to {after}")
    assert may(State.IN_DOUBT, after)
    row = tx.execute(
        sa.select(deliveries.c.claim_id, issues.c.closes_at, issues.c.state)
        .join(issues, issues.c.period == deliveries.c.period)
        .where(
            deliveries.c.id == delivery_id,
            deliveries.c.period == period,
            deliveries.c.state == State.IN_DOUBT.value,
        )
    ).first()
    if row is None:
        return Resolved.UNKNOWN
    if tx.scalar(sa.select(senders.c.pid).where(senders.c.claim_id == row.claim_id)) is not None:
        return Resolved.SENDER_ALIVE
    if after is State.QUEUED and (now >= row.closes_at or row.state != "open"):
        return Resolved.TOO_LATE
    tx.execute(
        sa.update(deliveries)
        .where(deliveries.c.id == delivery_id, deliveries.c.state == State.IN_DOUBT.value)
        .values(
            state=after.value,
            reason=f"resolved by the {by}",
            claim_id=None,
            due_at=now,
            settled_at=None if after is State.QUEUED else now,
        )
    )
    testify(
        tx, delivery_id, by, "resolved", f"{words}: {after.value}" if words else after.value, now
    )
    return Resolved.DONE


def testify(
    tx: Connection, delivery_id: str, by: str, outcome: str, words: str, now: dt.datetime
) -> None:
    """Write what was said of a delivery beside its tries. `words` name nobody."""
    tx.execute(
        sa.insert(attempts).values(
            delivery_id=delivery_id,
            claim_id=by,
            ended_at=now,
            outcome=outcome,
            stage="evidence",
            reply=words,
        )
    )
