"""The one door for whatever comes back: stored first, applied when its delivery has settled.

    events -> look up -> journal (leaves, complaints) -> one write:
        store ─┬─ delivery still on its way: waits, `apply_waiting` looks again
               └─ settled: ACCEPTED, IN_DOUBT -> BOUNCED | COMPLAINED
                           IN_DOUBT -> ACCEPTED, where the event says it was taken
               and the reader: suppressed by verdict.py, or taken out like any leave

An event is one by its `unique`: the second copy changes nothing, so whoever
reads a mail again after a crash does no harm. An event without effect is kept
all the same; it is evidence.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery import departure
from newsletter.delivery.feedback import verdict
from newsletter.delivery.feedback.events import Event, Kind
from newsletter.delivery.feedback.readers import condemned, suppress
from newsletter.delivery.states import ALLOWED, PENDING, State
from newsletter.store import Store
from newsletter.store.tables import deliveries, feedback_events, notices
from newsletter.subscribers import people
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.people import Person
from newsletter.subscribers.states import State as Standing

FRESH = dt.timedelta(days=14)
"""A server gives up after five days (RFC 5321 §4.5.4.1), and its report may take as long to reach us.
A bounce later than this is somebody with an old mail at hand, and changes nothing."""


class Effect(StrEnum):
    """What came of an event."""

    REPLAYED = "replayed"
    """It was here before."""
    UNKNOWN = "unknown"
    """It names nothing that is here; not kept."""
    WAITING = "waiting"
    """Stored; its delivery is still on its way."""
    MARKED = "marked"
    """The delivery is bounced or complained now."""
    SUPPRESSED = "suppressed"
    """And its reader is not mailed any more."""
    LEFT = "left"
    """The reader left."""
    EVIDENCE = "evidence"
    """A delivery in doubt is accepted now."""
    STALE = "stale"
    """It came too late to believe it."""
    NOTHING = "nothing"
    """Kept; nothing changed."""


@dataclass(frozen=True, slots=True)
class Applied:
    """`period` is the issue whose account changed, for its public record; None when none did."""

    effect: Effect
    period: str | None = None


def apply(store: Store, journal: Journal, event: Event, now: dt.datetime) -> Applied:
    """Store one event and apply it, durably; when this returns it may be forgotten elsewhere."""
    return apply_all(store, journal, [event], now)[0]


def apply_all(
    store: Store, journal: Journal, events: Sequence[Event], now: dt.datetime
) -> list[Applied]:
    """`apply` for many, with one flush of the journal and one commit."""
    with store.read() as tx:
        leaving = [found for event in events if (found := _leaving(tx, event)) is not None]
    if leaving:
        journal.append_all(
            [departure.entry(who, now, complaint=complaint) for who, complaint in leaving]
        )
    with store.write() as tx:
        return [_take(tx, event, now) for event in events]


def apply_waiting(store: Store, now: dt.datetime, *, most: int = 1000) -> list[Applied]:
    """Apply what waited for its delivery, where that has settled since."""
    with store.read() as tx:
        settled = tx.execute(_WAITING, {"most": most}).all()
    if not settled:
        return []
    with store.write() as tx:
        applied = [_apply(tx, _event(row), bytes(row.key), now) for row in settled]
    return [each for each in applied if each.effect is not Effect.WAITING]


def _on_its_way(table: sa.Table) -> sa.Exists:
    return sa.exists().where(
        table.c.id == feedback_events.c.delivery_id,
        table.c.state.in_([state.value for state in PENDING]),
    )


_WAITING = (
    sa.select(feedback_events)
    .where(feedback_events.c.applied_at.is_(None), ~_on_its_way(deliveries), ~_on_its_way(notices))
    .order_by(feedback_events.c.stored_at, feedback_events.c.key)
    .limit(sa.bindparam("most"))
)
_STORED = sa.select(feedback_events.c.applied_at).where(feedback_events.c.key == sa.bindparam("of"))
_STORE = feedback_events.insert()
_APPLIED = (
    feedback_events.update()
    .where(feedback_events.c.key == sa.bindparam("of"))
    .values(applied_at=sa.bindparam("now"), effect=sa.bindparam("what"))
)


@dataclass(frozen=True, slots=True)
class _Mail:
    """A row of the ledger, of either lane; `period` is None for a notice."""

    table: sa.Table
    id: str
    period: str | None
    subscriber_id: str
    state: State
    reason: str | None
    consent_epoch: int
    settled_at: dt.datetime | None


def _columns(table: sa.Table, *more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    row = table.c
    wanted = (row.id, row.subscriber_id, row.state, row.reason, row.consent_epoch, row.settled_at)
    return sa.select(*wanted, *more).where(row.id == sa.bindparam("of"))


_DELIVERY = _columns(deliveries, deliveries.c.period)
_NOTICE = _columns(notices, sa.null().label("period"))


def _mail(tx: Connection, mail_id: str) -> _Mail | None:
    for table, query in ((deliveries, _DELIVERY), (notices, _NOTICE)):
        row = tx.execute(query, {"of": mail_id}).first()
        if row is not None:
            return _Mail(
                table,
                row.id,
                row.period,
                row.subscriber_id,
                State(row.state),
                row.reason,
                row.consent_epoch,
                row.settled_at,
            )
    return None


def _reader(tx: Connection, event: Event, mail: _Mail | None) -> Person | None:
    if event.link_id is not None:
        return people.find_by_link(tx, event.link_id)
    return people.find(tx, mail.subscriber_id) if mail is not None else None


def _leaving(tx: Connection, event: Event) -> tuple[Person, bool] | None:
    """Who will be taken out by `event`, and whether they complained; None: nobody, or again."""
    if event.kind not in (Kind.LEFT, Kind.COMPLAINED):
        return None
    mail = _mail(tx, event.delivery_id) if event.delivery_id is not None else None
    reader = _reader(tx, event, mail)
    if reader is None or tx.execute(_STORED, {"of": event.key}).first() is not None:
        return None
    complaint = event.kind is Kind.COMPLAINED
    if not complaint and reader.state is Standing.UNSUBSCRIBED:
        return None
    return reader, complaint


def _take(tx: Connection, event: Event, now: dt.datetime) -> Applied:
    """Store `event` unless it was here before, and apply it as far as that can be done now."""
    if tx.execute(_STORED, {"of": event.key}).first() is not None:
        return Applied(Effect.REPLAYED)
    mail = _mail(tx, event.delivery_id) if event.delivery_id is not None else None
    reader = _reader(tx, event, mail)
    if mail is None and reader is None:
        return Applied(Effect.UNKNOWN)
    tx.execute(
        _STORE,
        {
            "key": event.key,
            "kind": event.kind.value,
            "source": event.source,
            "delivery_id": event.delivery_id,
            "code": event.code,
            "enhanced": event.enhanced,
            "at": event.at,
            "stored_at": now,
        },
    )
    if reader is not None and event.kind in (Kind.LEFT, Kind.COMPLAINED):
        # The reader's wish waits for no delivery.
        departure.take_out(tx, reader, now, event.source, complaint=event.kind is Kind.COMPLAINED)
    return _apply(tx, event, event.key, now)


def _event(row: Any) -> Event:
    return Event(
        Kind(row.kind),
        unique="stored",  # its key is known
        source=row.source,
        at=row.at,
        delivery_id=row.delivery_id,
        code=row.code,
        enhanced=row.enhanced,
    )


def _apply(tx: Connection, event: Event, key: bytes, now: dt.datetime) -> Applied:
    """What a stored event does to its delivery and, for a bounce, to the reader."""
    mail = _mail(tx, event.delivery_id) if event.delivery_id is not None else None
    if mail is not None and mail.state in PENDING and event.kind is not Kind.LEFT:
        return Applied(Effect.WAITING)
    applied = _effect(tx, event, mail, now)
    tx.execute(_APPLIED, {"of": key, "now": now, "what": applied.effect.value})
    return applied


def _effect(tx: Connection, event: Event, mail: _Mail | None, now: dt.datetime) -> Applied:
    match event.kind:
        case Kind.LEFT:
            return Applied(Effect.LEFT)
        case Kind.COMPLAINED:
            marked = mail is not None and _move(tx, mail, State.COMPLAINED, "complaint", now)
            erased = event.link_id is None and _reader(tx, event, mail) is None
            effect = Effect.MARKED if erased else Effect.SUPPRESSED
            return Applied(effect, mail.period if mail and marked else None)
        case Kind.DELIVERED | Kind.DEFERRED:
            taken = mail is not None and mail.state is State.IN_DOUBT
            if taken and mail is not None and _move(tx, mail, State.ACCEPTED, None, now):
                return Applied(Effect.EVIDENCE, mail.period)
            return Applied(Effect.NOTHING)
        case Kind.BOUNCED | Kind.BLOCKED:
            assert mail is not None, "a bounce is about a delivery"
            return _bounce(tx, event, mail, now)


def _bounce(tx: Connection, event: Event, mail: _Mail, now: dt.datetime) -> Applied:
    if mail.settled_at is not None and event.at > mail.settled_at + FRESH:
        return Applied(Effect.STALE)
    blocked = event.kind is Kind.BLOCKED
    why = verdict.reason(event.code, event.enhanced, blocked=blocked)
    marked = _move(tx, mail, State.BOUNCED, why, now)
    if not marked and mail.state is not State.BOUNCED:
        return Applied(Effect.NOTHING)  # rejected or never sent: nothing of ours can have come back
    weight = verdict.weigh(event.code, event.enhanced, blocked=blocked)
    effect = Effect.MARKED if marked else Effect.NOTHING
    if mail.period is not None and condemned(tx, mail.subscriber_id, mail.consent_epoch, weight):
        suppress(tx, mail.subscriber_id, now)
        effect = Effect.SUPPRESSED
    return Applied(effect, mail.period if marked else None)


def _move(tx: Connection, mail: _Mail, after: State, why: str | None, now: dt.datetime) -> bool:
    """One guarded UPDATE along ALLOWED; False when the row is not where that arrow begins."""
    if after not in ALLOWED[mail.state] or mail.state in PENDING:
        return False
    table = mail.table
    changed = tx.execute(
        sa.update(table)
        .where(table.c.id == mail.id, table.c.state == mail.state.value)
        .values(
            state=after.value,
            reason=why,
            claim_id=None,
            # The moment of acceptance stays: how old a report is counts from there.
            settled_at=mail.settled_at or now,
        )
    )
    return bool(changed.rowcount)
