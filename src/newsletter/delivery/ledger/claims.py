"""Claim, begin, fence: how a row comes to be sent by one sender and by nobody else.

    claim    QUEUED, DEFERRED -> CLAIMED    a small batch, durable before the network
    begin    CLAIMED -> SENDING             one guarded UPDATE, committed before MAIL FROM
    fence    CLAIMED -> EXCLUDED            the guard said no: the person is gone
    return_  CLAIMED -> QUEUED              the sender ends well and has not begun it

`begin` reads consent again inside the UPDATE itself: still this sender's
claim, still the same consent, still not suppressed. Zero rows is an answer.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import swift
from newsletter.delivery.ledger.lanes import Job, Lane
from newsletter.delivery.states import State
from newsletter.store.tables import deliveries, issues, notices, subscribers, suppressions


def claim(tx: Connection, lane: Lane, sender: str, limit: int, now: dt.datetime) -> list[Job]:
    """Take up to `limit` due rows of `lane` for `sender`. Commit durably before using them."""
    claimed: list[str] = []
    for state in (State.QUEUED, State.DEFERRED):  # one state at a time walks the index in order
        if len(claimed) < limit:
            claimed += _take(tx, lane, state, sender, limit - len(claimed), now)
    return _jobs(tx, lane, claimed) if claimed else []


def _take(
    tx: Connection, lane: Lane, state: State, sender: str, limit: int, now: dt.datetime
) -> list[str]:
    table = lane.table
    due = sa.select(table.c.id).where(table.c.state == state.value, table.c.due_at <= now)
    if lane.period is None:
        due = due.where(table.c.closes_at > now)
    else:
        still_open = sa.exists().where(
            issues.c.period == lane.period, issues.c.state == "open", issues.c.closes_at > now
        )
        due = due.where(table.c.period == lane.period, still_open)
    chosen = due.order_by(table.c.due_at).limit(limit).with_for_update(skip_locked=True)
    return list(
        tx.scalars(
            sa.update(table)
            .where(table.c.id.in_(chosen), table.c.state == state.value)
            .values(state=State.CLAIMED.value, claim_id=sender)
            .returning(table.c.id)
        )
    )


def _jobs(tx: Connection, lane: Lane, ids: Sequence[str]) -> list[Job]:
    table = lane.table
    own = [table.c.kind, table.c.confirmation_id] if lane.period is None else []
    rows = tx.execute(
        sa.select(
            table.c.id,
            table.c.language,
            table.c.message_id,
            table.c.attempts,
            table.c.subscriber_id,
            subscribers.c.address,
            subscribers.c.link_id,
            *own,
        )
        .select_from(table.outerjoin(subscribers, subscribers.c.id == table.c.subscriber_id))
        .where(table.c.id.in_(ids))
        .order_by(table.c.due_at, table.c.id)
    )
    return [_job(lane, row) for row in rows]


def _job(lane: Lane, row: Any) -> Job:
    return Job(
        lane=lane,
        id=row.id,
        kind="issue" if lane.period is not None else row.kind,
        language=row.language,
        message_id=row.message_id,
        attempt=row.attempts + 1,
        subscriber_id=row.subscriber_id,
        address=row.address,
        link_id=row.link_id,
        confirmation_id=None if lane.period is not None else row.confirmation_id,
    )


def begin(tx: Connection, job: Job, sender: str, now: dt.datetime | None = None) -> bool:
    """CLAIMED -> SENDING under the guard. False: fenced off; the caller asks `fence` for the reason."""
    return swift.run(tx, [beginning(job, sender, now)]) == [1]


def beginning(job: Job, sender: str, now: dt.datetime | None) -> swift.Statement:
    """The guarded UPDATE of `begin`; it changes one row or none."""
    statement = _BEGIN_ISSUE if job.lane.period is not None else _BEGIN_NOTICE
    return statement, {"job": job.id, "sender": sender, "now": swift.milliseconds(now)}


_BEGIN_ISSUE = """
UPDATE deliveries SET state = 'sending', attempts = attempts + 1, begun_at = :now
WHERE id = :job AND state = 'claimed' AND claim_id = :sender AND EXISTS (
    SELECT 1 FROM subscribers
    WHERE subscribers.id = deliveries.subscriber_id
    AND subscribers.state = 'confirmed'
    AND subscribers.consent_epoch = deliveries.consent_epoch
    AND NOT EXISTS (
        SELECT 1 FROM suppressions WHERE suppressions.key = subscribers.suppression_key))
"""

# Who asked is no confirmed reader yet; who left may still see their data; a
# word goes to the publisher.
_BEGIN_NOTICE = """
UPDATE notices SET state = 'sending', attempts = attempts + 1, begun_at = :now
WHERE id = :job AND state = 'claimed' AND claim_id = :sender AND (kind = 'word' OR EXISTS (
    SELECT 1 FROM subscribers
    WHERE subscribers.id = notices.subscriber_id
    AND (notices.kind = 'data' OR subscribers.consent_epoch = notices.consent_epoch)))
"""


def fence(tx: Connection, job: Job, sender: str, now: dt.datetime) -> str | None:
    """EXCLUDE a job whose guard said no, and say why; None when the row is no longer this sender's."""
    table = job.lane.table
    changed = tx.execute(
        sa.update(table)
        .where(
            table.c.id == job.id,
            table.c.state == State.CLAIMED.value,
            table.c.claim_id == sender,
        )
        .values(
            state=State.EXCLUDED.value,
            reason=(reason := _why_not(tx, job.subscriber_id)),
            claim_id=None,
            settled_at=now,
        )
    )
    return reason if changed.rowcount else None


def _why_not(tx: Connection, subscriber_id: str) -> str:
    """left, erased, or the reason of the suppression."""
    person = tx.execute(
        sa.select(subscribers.c.state, suppressions.c.reason)
        .outerjoin(suppressions, suppressions.c.key == subscribers.c.suppression_key)
        .where(subscribers.c.id == subscriber_id)
        .limit(1)
    ).first()
    if person is None:
        return "erased"
    return person.reason or "left"  # confirmed again since, under a new consent, is a leave too


def return_(tx: Connection, sender: str) -> int:
    """Give back what `sender` claimed and has not begun."""
    changed = 0
    for table in (deliveries, notices):
        changed += tx.execute(
            sa.update(table)
            .where(table.c.claim_id == sender, table.c.state == State.CLAIMED.value)
            .values(state=State.QUEUED.value, claim_id=None)
        ).rowcount
    return changed


def exclude(tx: Connection, subscriber_id: str, reason: str, now: dt.datetime) -> int:
    """Take a person who left or was erased out of whatever has not begun; how many rows that was.

    Done by the leave itself, in its transaction. Coming back does not undo it.
    A mail of their own data is still sent to whoever is here, not to somebody erased.
    """
    kinds = ("confirm", "data") if reason == "erased" else ("confirm",)
    values = {"who": subscriber_id, "why": reason, "now": now}
    changed = tx.execute(_EXCLUDE_DELIVERIES, values).rowcount
    return changed + tx.execute(_EXCLUDE_NOTICES, {**values, "kinds": kinds}).rowcount


def _excluding(table: sa.Table) -> sa.Update:
    return (
        sa.update(table)
        .where(
            table.c.subscriber_id == sa.bindparam("who"),
            table.c.state.in_([State.QUEUED.value, State.DEFERRED.value, State.CLAIMED.value]),
        )
        .values(
            state=State.EXCLUDED.value,
            reason=sa.bindparam("why"),
            claim_id=None,
            settled_at=sa.bindparam("now"),
        )
    )


# Built once: every one-click waits for them.
_EXCLUDE_DELIVERIES = _excluding(deliveries)
_EXCLUDE_NOTICES = _excluding(notices).where(
    notices.c.kind.in_(sa.bindparam("kinds", expanding=True))
)


def waiting(tx: Connection, lane: Lane, now: dt.datetime) -> int:
    """How many rows of `lane` are due: what `claim` would find, one batch after another."""
    table = lane.table
    due = [table.c.state.in_([State.QUEUED.value, State.DEFERRED.value]), table.c.due_at <= now]
    if lane.period is None:
        due.append(table.c.closes_at > now)
    else:
        due += [
            table.c.period == lane.period,
            sa.exists().where(
                issues.c.period == lane.period, issues.c.state == "open", issues.c.closes_at > now
            ),
        ]
    return tx.scalar(sa.select(sa.func.count()).select_from(table).where(*due)) or 0
