"""After a crash: what becomes of the rows a dead sender held. A live sender is never robbed.

its life       CLAIMED    SENDING
alive          -          -
died           QUEUED     IN_DOUBT
power lost     IN_DOUBT   IN_DOUBT    its SENDING may have been lost unsynced
put back       IN_DOUBT   IN_DOUBT    this is a copy from before its last mails (tally.py)
out of sight   IN_DOUBT   IN_DOUBT    and only when its lease has run out

A confirmation that would be in doubt is tried once more instead.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import tally, whereabouts
from newsletter.delivery.ledger.whereabouts import Life, Whereabouts, life_of
from newsletter.delivery.outcome import Stage
from newsletter.delivery.states import PENDING, State
from newsletter.store.tables import HELD, attempts, deliveries, notices, past_senders, senders

LEASE = dt.timedelta(minutes=20)
"""Longer than one message can take: 3 min for the data, 10 for the last answer (RFC 5321 §4.5.3.2)."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """`back` rows wait again; `in_doubt` rows nobody can say anything about."""

    back: int = 0
    in_doubt: int = 0


def register(tx: Connection, sender: str, ours: Whereabouts, now: dt.datetime) -> None:
    """Write down who is sending, before the first claim."""
    tally.start(tx, sender)
    tx.execute(
        sa.insert(senders).values(
            claim_id=sender,
            host=ours.host,
            boot_id=ours.boot_id,
            pid=ours.pid,
            process_started=ours.process_started,
            lease_until=now + LEASE,
        )
    )


def renew(tx: Connection, sender: str, now: dt.datetime) -> bool:
    """Still here. False when somebody took this sender for dead: it must stop."""
    changed = tx.execute(
        sa.update(senders).where(senders.c.claim_id == sender).values(lease_until=now + LEASE)
    )
    return changed.rowcount == 1


def crowd(tx: Connection, sender: str) -> tuple[int, int]:
    """The place of `sender`'s process, from 0, among those that send, and how many these are.

    Who has begun more stands in front. A dead one counts until it is recovered.
    """
    begun: Counter[tuple[Any, ...]] = Counter()
    ours = None
    for row in tx.execute(sa.select(senders)):
        process = (row.host, row.boot_id, row.pid, row.process_started)
        begun[process] += row.begun
        if row.claim_id == sender:
            ours = process
    if ours is None:
        return 0, 1  # taken for dead: its next claim says so
    before = sum((-count, process) < (-begun[ours], ours) for process, count in begun.items())
    return before, len(begun)


def sign_off(tx: Connection, sender: str) -> None:
    """The sender ended well and holds nothing."""
    tx.execute(sa.delete(senders).where(senders.c.claim_id == sender))


def remember(tx: Connection, sender: str, life: Life, now: dt.datetime) -> None:
    """Keep who `sender` was: it leaves somebody in doubt, and its own row goes when it ends."""
    known = sa.exists().where(past_senders.c.claim_id == sender)
    who = sa.select(
        senders.c.claim_id,
        senders.c.host,
        senders.c.boot_id,
        senders.c.pid,
        senders.c.lease_until,
        sa.literal(life.value),
        sa.literal(now, past_senders.c.noted_at.type),
    ).where(senders.c.claim_id == sender, ~known)
    names = ["claim_id", "host", "boot_id", "pid", "lease_until", "ended", "noted_at"]
    tx.execute(sa.insert(past_senders).from_select(names, who))


_GIVEN_UP: set[str] = set()
"""Senders of this very process that ended without signing off, because the database refused."""


def give_up(sender: str) -> None:
    """The sender ended and could not say so in the database; its process lives on."""
    _GIVEN_UP.add(sender)


def recover(
    tx: Connection,
    ours: Whereabouts,
    now: dt.datetime,
    started: Callable[[int], str | None] = whereabouts.started,
) -> Recovered:
    """Settle what dead senders left behind. Safe to run beside live ones, and again."""
    back = in_doubt = 0
    for row in tx.execute(sa.select(senders)).all():
        other = Whereabouts(row.host, row.boot_id, row.pid, row.process_started)
        life = life_of(other, ours, started)
        if row.claim_id in _GIVEN_UP:
            life = Life.DIED
        if life is Life.ALIVE or (life is Life.OUT_OF_SIGHT and row.lease_until > now):
            continue
        if life is Life.DIED and tally.is_put_back(tx, row.claim_id):
            life = Life.PUT_BACK
        doubts = in_doubt
        for table in (deliveries, notices):
            if life is Life.DIED:
                back += _move(tx, table, row.claim_id, State.CLAIMED, State.QUEUED, None, now)
            if table is notices:
                back += _once_more(tx, row.claim_id, life, now)
            if life is not Life.DIED:
                in_doubt += _move(
                    tx, table, row.claim_id, State.CLAIMED, State.IN_DOUBT, life.value, now
                )
            in_doubt += _move(
                tx, table, row.claim_id, State.SENDING, State.IN_DOUBT, life.value, now
            )
        if in_doubt > doubts:
            remember(tx, row.claim_id, life, now)
        sign_off(tx, row.claim_id)
    return Recovered(back, in_doubt)


def recover_here(tx: Connection, now: dt.datetime) -> Recovered:
    """`recover`, as this process sees the others."""
    return recover(tx, whereabouts.here(), now)


def is_overtaken(
    tx: Connection,
    ours: Whereabouts,
    told: Mapping[str, int],
    started: Callable[[int], str | None] = whereabouts.started,
) -> bool:
    """Whether a living sender has begun more tries than this database knows: it writes to another copy of it.

    `told` (`tally.told_in`) was read before `tx` began.
    """
    for row in tx.execute(sa.select(senders)).all():
        if row.claim_id not in _GIVEN_UP and told.get(row.claim_id, 0) > row.begun:
            other = Whereabouts(row.host, row.boot_id, row.pid, row.process_started)
            if life_of(other, ours, started) is Life.ALIVE:
                return True
    return False


def _once_more(tx: Connection, sender: str, life: Life, now: dt.datetime) -> int:
    """Queue each confirmation that would be in doubt for one more try; how many.

    An issue that comes twice breaks the promise. A second "is this you?" does
    little harm, and without the first the reader has no way in: asking again
    within the day is answered with silence. Once: the doubt is written down as
    an attempt, and whoever has one stays in doubt.
    """
    had_one = sa.exists().where(
        attempts.c.delivery_id == notices.c.id, attempts.c.outcome == State.IN_DOUBT.value
    )
    chosen = list(
        tx.scalars(
            sa.select(notices.c.id).where(
                notices.c.claim_id == sender,
                notices.c.state.in_([State.CLAIMED.value, State.SENDING.value]),
                notices.c.kind == "confirm",
                ~had_one,
            )
        )
    )
    for notice_id in chosen:
        tx.execute(
            sa.insert(attempts).values(
                delivery_id=notice_id,
                claim_id=sender,
                ended_at=now,
                outcome=State.IN_DOUBT.value,
                stage=Stage.TERMINATOR.value,
                reply=f"sender {life.value}",
            )
        )
        tx.execute(
            sa.update(notices)
            .where(notices.c.id == notice_id)
            .values(state=State.QUEUED.value, reason="once more", claim_id=None, due_at=now)
        )
    return len(chosen)


def _move(
    tx: Connection,
    table: sa.Table,
    sender: str,
    before: State,
    after: State,
    why: str | None,
    now: dt.datetime,
) -> int:
    kept = {"claim_id": None, "settled_at": None}
    if (
        after is State.IN_DOUBT
    ):  # the claim stays, so that the sender's late answer is known as its own
        kept = {"settled_at": now}  # type: ignore[dict-item]
    return tx.execute(
        sa.update(table)
        .where(table.c.claim_id == sender, HELD, table.c.state == before.value)
        .values(state=after.value, reason=f"sender {why}" if why else None, **kept)
    ).rowcount


def doubt_everything(tx: Connection, now: dt.datetime) -> int:
    """The database was restored and is behind its witness: whoever still waits may have been served."""
    return tx.execute(
        sa.update(deliveries)
        .where(deliveries.c.state.in_([state.value for state in PENDING]))
        .values(state=State.IN_DOUBT.value, reason="restored", settled_at=now)
    ).rowcount
