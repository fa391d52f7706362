"""What is kept no longer, deleted every day by the tick; a dry run counts it.

    asked, never confirmed            -> gone after [retention] unconfirmed_hours
    left                              -> the address goes after left_address_days;
                                         the keyed hash and the evidence stay
    evidence of a withdrawn consent   -> gone after withdrawn_evidence_days
    links that no longer work         -> gone

Source: GDPR Art. 5(1)(e); CAN-SPAM §5(a)(3)(A): a leave link works at least 30
days after the mail, so a row is kept that long for its second click.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import Store, tables
from newsletter.subscribers import consent, people
from newsletter.subscribers.states import State

BATCH = 500
"""Rows deleted in one write."""

T = TypeVar("T")

subscribers = tables.subscribers
confirmations = tables.confirmations
payloads = tables.consent_payloads


@dataclass(frozen=True, slots=True)
class Terms:
    """How long each thing is kept."""

    unconfirmed: dt.timedelta = dt.timedelta(hours=48)
    left_address: dt.timedelta = dt.timedelta(days=30)
    withdrawn_evidence: dt.timedelta = dt.timedelta(days=1095)


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many of each were deleted, or would be."""

    unconfirmed: int
    left: int
    evidence: int
    links: int


def tidy(store: Store, terms: Terms, now: dt.datetime, *, dry_run: bool = False) -> Tidied:
    """Delete what is due, in small writes; `dry_run` counts it and deletes nothing."""
    with store.read() as tx:
        due = (
            _unconfirmed(tx, now - terms.unconfirmed, now),
            _left(tx, now - terms.left_address, now),
            _withdrawn(tx, now - terms.withdrawn_evidence),
        )
        links = tx.execute(
            sa.select(sa.func.count()).select_from(confirmations).where(_dead(now))
        ).scalar_one()
    if dry_run:
        return Tidied(len(due[0]), len(due[1]), len(due[2]), links)
    # Each write looks again: somebody may have confirmed since.
    unconfirmed = left = evidence = 0
    for ids in _parts(due[0]):
        with store.write() as tx:
            still = _unconfirmed(tx, now - terms.unconfirmed, now, ids)
            unconfirmed += _remove(tx, still)
    for ids in _parts(due[1]):
        with store.write() as tx:
            left += _remove(tx, _left(tx, now - terms.left_address, now, ids))
    for keys in _parts(due[2]):
        with store.write() as tx:
            for key in _withdrawn(tx, now - terms.withdrawn_evidence, keys):
                evidence += consent.forget(tx, key) > 0
    with store.write() as tx:
        links = tx.execute(confirmations.delete().where(_dead(now))).rowcount
    return Tidied(unconfirmed, left, evidence, links)


def _unconfirmed(
    tx: Connection, before: dt.datetime, now: dt.datetime, among: Sequence[str] | None = None
) -> list[str]:
    """Who asked before `before`, never confirmed, and holds no link that still works."""
    return _people(tx, State.PENDING, subscribers.c.requested_at <= before, now, among)


def _left(
    tx: Connection, before: dt.datetime, now: dt.datetime, among: Sequence[str] | None = None
) -> list[str]:
    """Who left before `before` and has not asked again."""
    return _people(tx, State.UNSUBSCRIBED, subscribers.c.left_at <= before, now, among)


def _people(
    tx: Connection,
    state: State,
    old_enough: sa.ColumnElement[bool],
    now: dt.datetime,
    among: Sequence[str] | None,
) -> list[str]:
    # A link to one's own data keeps nobody: a stranger can have it sent.
    live = sa.exists().where(
        confirmations.c.subscriber_id == subscribers.c.id,
        confirmations.c.purpose == "confirm",
        confirmations.c.used_at.is_(None),
        confirmations.c.expires_at > now,
    )
    query = sa.select(subscribers.c.id).where(subscribers.c.state == state.value, old_enough, ~live)
    if among is not None:
        query = query.where(subscribers.c.id.in_(among))
    return list(tx.execute(query).scalars())


def _withdrawn(
    tx: Connection, before: dt.datetime, among: Sequence[bytes] | None = None
) -> list[bytes]:
    """Whose last word, before `before`, was that they withdraw."""
    newer = payloads.alias()
    query = sa.select(payloads.c.evidence_key).where(
        payloads.c.recorded_at <= before,
        # The payload is canonical JSON: a quote inside a value is escaped.
        payloads.c.payload.contains(f'"happened":"{consent.Happened.WITHDRAWN}"'),
        ~sa.exists().where(
            newer.c.evidence_key == payloads.c.evidence_key, newer.c.seq > payloads.c.seq
        ),
    )
    if among is not None:
        query = query.where(payloads.c.evidence_key.in_(among))
    return [bytes(key) for key in tx.execute(query).scalars()]


def _dead(now: dt.datetime) -> sa.ColumnElement[bool]:
    """A link that nobody can use any more; a used one stays a month, to answer "already done"."""
    return sa.or_(
        sa.and_(confirmations.c.used_at.is_(None), confirmations.c.expires_at <= now),
        confirmations.c.expires_at <= now - dt.timedelta(days=30),
    )


def _remove(tx: Connection, ids: list[str]) -> int:
    for subscriber_id in ids:
        people.remove(tx, subscriber_id)
    return len(ids)


def _parts(keys: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(keys), BATCH):
        yield keys[start : start + BATCH]
