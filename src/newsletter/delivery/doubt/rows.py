"""The doubts of an issue, each with everything that is known of it. No field names a person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.states import State
from newsletter.store.tables import (
    attempts,
    deliveries,
    issues,
    past_senders,
    senders,
    subscribers,
)


@dataclass(frozen=True, slots=True)
class Sender:
    """Who sent it. `ended`: alive (it said so itself), died, power lost, put back, out of sight."""

    host: str
    boot_id: str
    pid: int
    ended: str
    lease_until: dt.datetime
    here: bool
    """It is registered as sending at this moment: its own answer may still come."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """One delivery in doubt. `message_id` has no brackets; no field names a person.

    It was begun at `begun_at`, or after it where the machine lost power; None
    when no beginning is known. `since` is when it was put in doubt.
    """

    id: str
    message_id: str
    language: str
    tries: int
    begun_at: dt.datetime | None
    since: dt.datetime | None
    why: str
    stage: str | None
    code: int | None
    enhanced: str | None
    reply: str | None
    evidence: tuple[str, ...]
    sender: Sender | None


@dataclass(frozen=True, slots=True)
class Case:
    """An issue's doubts and what can still be done: again until `closes_at`, unless `halted` or closed."""

    period: str
    state: str
    opened_at: dt.datetime
    closes_at: dt.datetime
    doubts: tuple[Doubt, ...]
    under_way: int
    """Rows that somebody holds: a dead sender's are put in doubt by the next `send`."""

    def may_send_again(self, now: dt.datetime) -> bool:
        return self.state == "open" and now < self.closes_at


def case(tx: Connection, period: str) -> Case | None:
    """The doubts of `period`; None when it was never opened."""
    issue = tx.execute(
        sa.select(issues.c.state, issues.c.opened_at, issues.c.closes_at).where(
            issues.c.period == period
        )
    ).first()
    if issue is None:
        return None
    held = tx.scalar(
        sa.select(sa.func.count())
        .select_from(deliveries)
        .where(
            deliveries.c.period == period,
            deliveries.c.state.in_([State.CLAIMED.value, State.SENDING.value]),
        )
    )
    return Case(
        period, issue.state, issue.opened_at, issue.closes_at, doubts(tx, period), held or 0
    )


def doubts(tx: Connection, period: str) -> tuple[Doubt, ...]:
    """Every delivery of `period` that is in doubt, in the order in which they were begun."""
    row = deliveries.c
    found = tx.execute(
        sa.select(row.id, row.message_id, row.language, row.attempts, row.begun_at,
                  row.settled_at, row.reason, row.claim_id)
        .where(row.period == period, row.state == State.IN_DOUBT.value)
        .order_by(row.begun_at, row.id)
    ).all()  # fmt: skip
    who = _senders(tx, {each.claim_id for each in found if each.claim_id})
    tries = _tries(tx, period)
    return tuple(
        Doubt(
            id=each.id,
            message_id=each.message_id.strip("<>"),
            language=each.language,
            tries=each.attempts,
            begun_at=each.begun_at,
            since=each.settled_at,
            why=each.reason or "",
            sender=who.get(each.claim_id),
            **_said(tries.get(each.id, []), each.claim_id),
        )
        for each in found
    )


def _tries(tx: Connection, period: str) -> dict[str, list[Any]]:
    """Delivery id -> what stands among the attempts of each delivery in doubt, oldest first."""
    held: dict[str, list[Any]] = {}
    for each in tx.execute(
        sa.select(attempts)
        .join(deliveries, deliveries.c.id == attempts.c.delivery_id)
        .where(deliveries.c.period == period, deliveries.c.state == State.IN_DOUBT.value)
        .order_by(attempts.c.id)
    ):
        held.setdefault(each.delivery_id, []).append(each)
    return held


def _said(rows: Sequence[Any], claim_id: str | None) -> dict[str, Any]:
    """What the server said to the try that is in doubt, and what was testified since."""
    last = next((each for each in reversed(rows) if each.claim_id == claim_id), None)
    return {
        "stage": last.stage if last else None,
        "code": last.code if last else None,
        "enhanced": last.enhanced if last else None,
        "reply": last.reply if last else None,
        "evidence": tuple(
            f"{each.claim_id}: {each.reply}" for each in rows if each.stage == "evidence"
        ),
    }


def _senders(tx: Connection, ids: set[str]) -> dict[str, Sender]:
    found: dict[str, Sender] = {}
    for each in tx.execute(sa.select(past_senders)):
        if each.claim_id in ids:
            found[each.claim_id] = Sender(
                each.host, each.boot_id, each.pid, each.ended, each.lease_until, False
            )
    for each in tx.execute(sa.select(senders)):
        if each.claim_id in ids:
            found[each.claim_id] = Sender(
                each.host, each.boot_id, each.pid, "alive", each.lease_until, True
            )
    return found


def addresses(tx: Connection, ids: Sequence[str]) -> Iterator[tuple[str, str, bytes]]:
    """(delivery id, subscriber id, sealed address) of those whose reader is still there."""
    for start in range(0, len(ids), 500):
        for each in tx.execute(
            sa.select(deliveries.c.id, subscribers.c.id, subscribers.c.address)
            .join(subscribers, subscribers.c.id == deliveries.c.subscriber_id)
            .where(deliveries.c.id.in_(ids[start : start + 500]))
        ):
            yield (each[0], each[1], each[2])
