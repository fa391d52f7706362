"""Claim, begin, fence: how a row comes to be sent by one sender and by nobody else.

    claim    QUEUED, DEFERRED -> CLAIMED    a small batch, durable before the network
    begin    CLAIMED -> SENDING             one guarded UPDATE, committed before its message
    fence    CLAIMED -> EXCLUDED            the guard said no: the person is gone
    return_  CLAIMED -> QUEUED              the sender ends well and has not begun it

`begin` reads consent again inside the UPDATE itself: still this sender's
claim, still the same consent, still not suppressed. Zero rows is an answer.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import recovery, swift
from newsletter.delivery.ledger.lanes import Job, Lane
from newsletter.delivery.states import State
from newsletter.store.tables import (
    HELD,
    WAITING,
    deliveries,
    issues,
    notices,
    subscribers,
    suppressions,
)


def claim(tx: Connection, lane: Lane, sender: str, limit: int, now: dt.datetime) -> list[Job]:
    """Take up to `limit` due rows of `lane` for `sender`. Commit durably before using them."""
    moment = swift.milliseconds(now)
    if lane.period is None:
        text, values = _DUE_NOTICES, (moment, moment, limit)
    else:
        text, values = _DUE, (lane.period, moment, lane.period, moment, limit)  # type: ignore[assignment]
    if tx.dialect.name == "postgresql":
        text += " FOR UPDATE OF d SKIP LOCKED"  # another sender is taking those
    jobs = [_job(lane, row) for row in swift.rows(tx, text, values)]
    if jobs:
        one_of = _LISTED[tx.dialect.name]
        ids = [job.id for job in jobs]
        listed = json.dumps(ids) if tx.dialect.name == "sqlite" else ids
        taking = _TAKE.format(table=lane.table.name, one_of=one_of)
        changed = swift.run(tx, [(taking, (sender, listed))])
        assert changed == [len(jobs)], "a row changed under the writers' lock"
    return jobs


_DUE = """
SELECT 'issue', NULL, d.id, d.language, d.message_id, d.attempts, d.subscriber_id, p.address, p.link_id
FROM deliveries AS d LEFT JOIN subscribers AS p ON p.id = d.subscriber_id
WHERE d.period = ? AND d.state IN ('queued', 'deferred') AND d.due_at <= ? AND EXISTS (
    SELECT 1 FROM issues WHERE period = ? AND issues.state = 'open' AND closes_at > ?)
ORDER BY d.due_at LIMIT ?
"""
_DUE_NOTICES = """
SELECT d.kind, d.confirmation_id, d.id, d.language, d.message_id, d.attempts, d.subscriber_id,
    p.address, p.link_id
FROM notices AS d LEFT JOIN subscribers AS p ON p.id = d.subscriber_id
WHERE d.state IN ('queued', 'deferred') AND d.due_at <= ? AND d.closes_at > ?
ORDER BY d.due_at LIMIT ?
"""
_TAKE = "UPDATE {table} SET state = 'claimed', claim_id = ? WHERE id {one_of}"
_LISTED = {"sqlite": "IN (SELECT value FROM json_each(?))", "postgresql": "= ANY(?)"}


def _job(lane: Lane, row: tuple[Any, ...]) -> Job:
    kind, confirmation, name, language, message_id, attempts, reader, address, link = row
    return Job(
        lane, name, kind, language, message_id, attempts + 1, reader, address, link, confirmation
    )


def begin(tx: Connection, job: Job, sender: str, now: dt.datetime | None = None) -> bool:
    """CLAIMED -> SENDING under the guard. False: fenced off; the caller asks `fence` for the reason."""
    return swift.run(tx, [beginning(job, sender, swift.milliseconds(now))]) == [1]


def beginning(job: Job, sender: str, moment: int | None) -> swift.Statement:
    """The guarded UPDATE of `begin`; it changes one row or none."""
    statement = _BEGIN_ISSUE if job.lane.period is not None else _BEGIN_NOTICE
    return statement, (moment, job.id, sender)


GUARD = """state = 'claimed' AND claim_id = ? AND EXISTS (
    SELECT 1 FROM subscribers
    WHERE subscribers.id = deliveries.subscriber_id
    AND subscribers.state = 'confirmed'
    AND subscribers.consent_epoch = deliveries.consent_epoch
    AND NOT EXISTS (
        SELECT 1 FROM suppressions WHERE suppressions.key = subscribers.suppression_key))
"""
"""Still this sender's, the same consent, and nothing that suppresses."""
_BEGIN_ISSUE = """
UPDATE deliveries SET state = 'sending', attempts = attempts + 1, begun_at = ?
WHERE id = ? AND GUARD
""".replace("GUARD", GUARD)
_STILL = "SELECT 1 FROM deliveries WHERE id = ? AND GUARD".replace("GUARD", GUARD)

# Who asked is no confirmed reader yet; who left may still see their data; a
# word goes to the publisher.
_BEGIN_NOTICE = """
UPDATE notices SET state = 'sending', attempts = attempts + 1, begun_at = ?
WHERE id = ? AND state = 'claimed' AND claim_id = ? AND (kind = 'word' OR EXISTS (
    SELECT 1 FROM subscribers
    WHERE subscribers.id = notices.subscriber_id
    AND (notices.kind = 'data' OR subscribers.consent_epoch = notices.consent_epoch)))
"""


def still(tx: Connection, job: Job, sender: str) -> bool:
    """Whether `begin` would say yes to an issue's `job` now: who is announced to a relay is asked about before."""
    return bool(swift.rows(tx, _STILL, (job.id, sender)))


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
            .where(table.c.claim_id == sender, HELD, table.c.state == State.CLAIMED.value)
            .values(state=State.QUEUED.value, claim_id=None)
        ).rowcount
    return changed


def exclude(
    tx: Connection,
    subscriber_id: str,
    reason: str,
    now: dt.datetime,
    recover: Callable[[Connection, dt.datetime], object] = recovery.recover_here,
) -> int:
    """Take a person who left or was erased out of whatever has not begun; how many rows that was.

    Done by the leave itself, in its transaction. Coming back does not undo it.
    A mail of their own data is still sent to whoever is here, not to somebody erased.
    What a sender had claimed whose machine lost power may have arrived: `recover` puts it in doubt.
    """
    if tx.scalar(_CLAIMED_OF, {"who": subscriber_id}):
        recover(tx, now)
    kinds = ("confirm", "data") if reason == "erased" else ("confirm",)
    values = {"who": subscriber_id, "why": reason, "now": now}
    changed = tx.execute(_EXCLUDE_DELIVERIES, values).rowcount
    return changed + tx.execute(_EXCLUDE_NOTICES, {**values, "kinds": kinds}).rowcount


_CLAIMED_OF = (
    sa.select(sa.literal(1))
    .where(
        deliveries.c.subscriber_id == sa.bindparam("who"),
        deliveries.c.state == State.CLAIMED.value,
    )
    .limit(1)
)


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
    due: list[sa.ColumnElement[bool] | sa.TextClause] = [WAITING, table.c.due_at <= now]
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
