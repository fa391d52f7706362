"""The proofs into the ledger. A bounce goes on through feedback's door; nothing is sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from newsletter.delivery import feedback
from newsletter.delivery.doubt.judging import Cover, Judged
from newsletter.delivery.feedback import Event, Kind
from newsletter.delivery.ledger import MAIL_LOG, Resolved, resolve, testify
from newsletter.delivery.mtalog import Proof
from newsletter.delivery.states import State
from newsletter.store import Store
from newsletter.subscribers.journal import Journal


class Effect(StrEnum):
    """What became of a doubt."""

    ACCEPTED = "accepted"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    AGAIN = "queued again"
    STAYS = "stays in doubt"
    NOT_TAKEN = "not taken; stays in doubt until you say what to do"
    ALIVE = "stays in doubt: its sender may still answer"
    TOO_LATE = "stays in doubt: the issue is closed, so nobody is sent it any more"


@dataclass(frozen=True, slots=True)
class Word:
    """What the operator says beside the log. `complete`: nothing of it is missing.

    `not_taken` is what is to become of mails that certainly were not taken:
    QUEUED, REJECTED, or None to decide later.
    """

    complete: bool = False
    not_taken: State | None = None


def foresee(judged: Judged, word: Word) -> State | None:
    """Where the proof leads; BOUNCED goes through feedback's door, IN_DOUBT is "not taken", None stays. Pure."""
    match judged.proof:
        case Proof.TAKEN:
            return State.ACCEPTED
        case Proof.BOUNCED:
            return State.BOUNCED
        case Proof.REFUSED:
            return State.REJECTED
        case Proof.NOT_TAKEN:
            return word.not_taken or State.IN_DOUBT
        case Proof.ABSENT | Proof.BEGUN:
            if word.complete and judged.cover is Cover.WHOLE:
                return word.not_taken or State.IN_DOUBT
            return None
        case _:
            assert_never(judged.proof)


def settle(
    store: Store,
    journal: Journal,
    period: str,
    found: Iterable[Judged],
    word: Word,
    now: dt.datetime,
) -> list[Effect]:
    """Write each proof into the ledger, in order; what became of each. Sends nothing."""
    return [_settle(store, journal, period, each, word, now) for each in found]


def _settle(
    store: Store, journal: Journal, period: str, judged: Judged, word: Word, now: dt.datetime
) -> Effect:
    doubt, after = judged.doubt, foresee(judged, word)
    if after is State.BOUNCED:
        if doubt.sender is not None and doubt.sender.here:
            return Effect.ALIVE
        if _bounced(store, journal, judged, now):
            return Effect.BOUNCED
        after = State.ACCEPTED  # too old to believe as a bounce; taken all the same
    with store.write() as tx:
        if after is None or after is State.IN_DOUBT:
            if f"{MAIL_LOG}: {judged.words}" not in doubt.evidence[-1:]:
                testify(tx, doubt.id, MAIL_LOG, "evidence", judged.words, now)
            return Effect.STAYS if after is None else Effect.NOT_TAKEN
        came = resolve(tx, period, doubt.id, after, now, by=MAIL_LOG, words=judged.words)
    match came:
        case Resolved.DONE:
            return Effect.AGAIN if after is State.QUEUED else Effect(after.value)
        case Resolved.SENDER_ALIVE:
            return Effect.ALIVE
        case Resolved.TOO_LATE:
            return Effect.TOO_LATE
        case Resolved.UNKNOWN:
            return Effect.STAYS  # somebody was quicker
        case _:
            assert_never(came)


def _bounced(store: Store, journal: Journal, judged: Judged, now: dt.datetime) -> bool:
    """A bounce that our server logged, through the one door. False: it had no effect on the row."""
    event = Event(
        Kind.BOUNCED,
        unique=f"{judged.doubt.message_id} {judged.words}",
        source="log",
        at=now,
        delivery_id=judged.doubt.id,
        code=judged.code,
        enhanced=judged.enhanced,
    )
    applied = feedback.apply(store, journal, event, now)
    if applied.period is None:
        return False
    with store.write() as tx:
        testify(tx, judged.doubt.id, MAIL_LOG, "resolved", f"{judged.words}: bounced", now)
    return True
