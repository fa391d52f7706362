"""Settle: what one try came to, written into the row and beside it. Evidence that comes late.

An outcome names its attempt (row, claim, number of the try). When the row is
no longer SENDING under that attempt, because somebody thought its sender dead,
a late answer still counts as evidence on an IN_DOUBT row, and on nothing else.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import assert_never

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery import ladder
from newsletter.delivery.ledger import claims, recovery, swift
from newsletter.delivery.ledger.lanes import Job
from newsletter.delivery.ledger.whereabouts import Life
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State
from newsletter.store.tables import attempts, issues

BEFORE_RCPT = frozenset(
    {Stage.CONNECT, Stage.GREETING, Stage.HELLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL}
)


def state_after(kind: Kind) -> State:
    """Where a SENDING row goes."""
    match kind:
        case Kind.ACCEPTED:
            return State.ACCEPTED
        case Kind.DEFERRED:
            return State.DEFERRED
        case Kind.REJECTED:
            return State.REJECTED
        case Kind.OUR_FAULT:
            return State.QUEUED
        case Kind.IN_DOUBT:
            return State.IN_DOUBT
        case _:
            assert_never(kind)


def due_after(outcome: Outcome, job: Job, now: dt.datetime) -> dt.datetime:
    """When the row may be tried again; for ended rows the moment itself."""
    if outcome.kind is not Kind.DEFERRED:
        return now
    wait = ladder.before_reader if outcome.stage in BEFORE_RCPT else ladder.next_try
    return wait(now, job.attempt, job.id)


def exchange(
    tx: Connection,
    done: Sequence[tuple[Job, Outcome]],
    following: Sequence[Job],
    sender: str,
    now: dt.datetime,
) -> tuple[list[State | None], list[bool]]:
    """One commit's work: record what came of `done`, begin `following`.

    Returns the new state of each of `done` (None: too late for the row), and
    for each of `following` whether it was begun; who was not is fenced off.
    """
    moment = swift.milliseconds(now)
    statements = [_settling(job, outcome, sender, now) for job, outcome in done]
    statements += [claims.beginning(job, sender, moment) for job in following]
    if following:
        statements.append((_BEGUN, (len(following), sender)))
    changed = swift.run(tx, statements)
    telling = [
        _attempt(job, outcome, sender, moment)
        for at, (job, outcome) in enumerate(done)
        if (_telling(job, outcome) if changed[at] else not _is_told(tx, job, outcome, sender))
    ]
    if telling:
        swift.run(tx, telling)
    states = [
        state_after(outcome.kind) if changed[at] else _late(tx, job, outcome, sender, now)
        for at, (job, outcome) in enumerate(done)
    ]
    if State.IN_DOUBT in states:
        recovery.remember(tx, sender, Life.ALIVE, now)
    return states, [each == 1 for each in changed[len(done) : len(done) + len(following)]]


def settle(
    tx: Connection, job: Job, outcome: Outcome, sender: str, now: dt.datetime
) -> State | None:
    """Record what the attempt came to; the row's new state, or None when the answer came too late for it."""
    return exchange(tx, [(job, outcome)], [], sender, now)[0][0]


def _settling(job: Job, outcome: Outcome, sender: str, now: dt.datetime) -> swift.Statement:
    """The row's guarded UPDATE."""
    moment = swift.milliseconds(now)
    if outcome.kind is Kind.ACCEPTED:
        text = _ACCEPT_ISSUE if job.lane.period is not None else _ACCEPT_NOTICE
        return text, (moment, job.id, sender, job.attempt)
    after = state_after(outcome.kind)
    values = (
        after.value,
        _reason(outcome),
        swift.milliseconds(due_after(outcome, job, now)),
        sender if after is State.IN_DOUBT else None,
        None if after in (State.DEFERRED, State.QUEUED) else moment,
    )
    text = _SETTLE_ISSUE if job.lane.period is not None else _SETTLE_NOTICE
    return text, (*values, job.id, sender, job.attempt)


def _telling(job: Job, outcome: Outcome) -> bool:
    """Whether a try that the delivery took gets a row of its own: a plain 250 at the first says nothing more."""
    return outcome.kind is not Kind.ACCEPTED or job.attempt > 1


def _is_told(tx: Connection, job: Job, outcome: Outcome, sender: str) -> bool:
    """Whether this very try stands there: the commit that wrote it down came to its end, and its answer did not."""
    row = job.lane.table
    return bool(
        tx.scalar(
            sa.select(sa.literal(1))
            .join_from(attempts, row, row.c.id == attempts.c.delivery_id)
            .where(
                attempts.c.delivery_id == job.id,
                attempts.c.claim_id == sender,
                attempts.c.outcome == outcome.kind.value,
                attempts.c.ended_at >= row.c.begun_at,
                row.c.attempts == job.attempt,
            )
            .limit(1)
        )
    )


def _attempt(job: Job, outcome: Outcome, sender: str, moment: int | None) -> swift.Statement:
    said = (outcome.kind.value, outcome.stage.value, outcome.code, outcome.enhanced, outcome.reply)
    return _ATTEMPT, (job.id, sender, moment, *said)


_ACCEPT_ISSUE = """
UPDATE deliveries SET state = 'accepted', reason = NULL, claim_id = NULL, settled_at = ?
WHERE id = ? AND state = 'sending' AND claim_id = ? AND attempts = ?
"""
_ACCEPT_NOTICE = _ACCEPT_ISSUE.replace("deliveries", "notices")
_SETTLE_ISSUE = """
UPDATE deliveries SET state = ?, reason = ?, due_at = ?, claim_id = ?, settled_at = ?
WHERE id = ? AND state = 'sending' AND claim_id = ? AND attempts = ?
"""
_SETTLE_NOTICE = _SETTLE_ISSUE.replace("deliveries", "notices")
_BEGUN = "UPDATE senders SET begun = begun + ? WHERE claim_id = ?"
_ATTEMPT = """
INSERT INTO attempts (delivery_id, claim_id, ended_at, outcome, stage, code, enhanced, reply)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""


def _reason(outcome: Outcome) -> str:
    """A few words for the row: "rcpt 550 5.1.1"."""
    parts = (outcome.stage.value, outcome.code, outcome.enhanced)
    return " ".join(str(part) for part in parts if part is not None)


def _late(
    tx: Connection, job: Job, outcome: Outcome, sender: str, now: dt.datetime
) -> State | None:
    """The sender's own answer, after its row was put IN_DOUBT by somebody else."""
    match outcome.kind:
        case Kind.ACCEPTED | Kind.REJECTED:
            after = state_after(outcome.kind)
        case Kind.DEFERRED | Kind.OUR_FAULT:
            after = State.QUEUED  # certainly not taken
        case Kind.IN_DOUBT:
            return None
        case _:
            assert_never(outcome.kind)
    why = "late answer" if after is not State.ACCEPTED else None
    if after is State.QUEUED and _is_closed(tx, job):
        after, why = State.REJECTED, "expired"  # it would wait for ever, and the sum lack it
    table = job.lane.table
    changed = tx.execute(
        sa.update(table)
        .where(
            table.c.id == job.id,
            table.c.state == State.IN_DOUBT.value,
            table.c.claim_id == sender,
            table.c.attempts == job.attempt,
        )
        .values(
            state=after.value,
            reason=why,
            due_at=due_after(outcome, job, now),
            claim_id=None,
            settled_at=None if after is State.QUEUED else now,
        )
    )
    return after if changed.rowcount else None


def _is_closed(tx: Connection, job: Job) -> bool:
    """Whether the job's issue is, so that nobody is sent it any more; a notice has none."""
    ended = sa.select(issues.c.closed_at).where(issues.c.period == job.lane.period)
    return tx.scalar(ended) is not None
