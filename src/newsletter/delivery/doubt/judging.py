"""What a mail log proves of a doubt, and how much its silence says."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.doubt.rows import Case, Doubt
from newsletter.delivery.mtalog import Log, Proof
from newsletter.delivery.states import State
from newsletter.store.tables import deliveries

AROUND = 3
"""Neighbours on each side: one could be the very mail that another crash ate."""
SLOWEST = dt.timedelta(minutes=10)
"""A server may take so long over a mail whose dot it has (RFC 5321 §4.5.3.2.6), a scan for
example, and logs it after that, whether anybody still waits for the answer or not."""


@dataclass(frozen=True, slots=True)
class Around:
    """Message-IDs of mails that were accepted just before a doubt was begun and just after it ended."""

    before: tuple[str, ...]
    after: tuple[str, ...]


def neighbours(tx: Connection, found: Case) -> dict[str, Around]:
    """Delivery id -> its neighbours. One walk over the accepted, holding a handful of them."""
    spans = sorted(
        (each.begun_at or found.opened_at, _until(each) or found.closes_at, each.id)
        for each in found.doubts
    )
    ends = deque(sorted((end, name) for _, end, name in spans))
    begins = deque(spans)
    before: dict[str, tuple[str, ...]] = {}
    after: dict[str, list[str]] = {name: [] for _, _, name in spans}
    recent: deque[str] = deque(maxlen=AROUND)
    first: list[str] = []
    hungry: list[tuple[dt.datetime, str]] = []
    for moment, began, message_id in _accepted(tx, found.period):
        while begins and begins[0][0] <= moment:
            before[begins.popleft()[2]] = tuple(recent)
        while ends and ends[0][0] < moment:
            hungry.append(ends.popleft())
        name = message_id.strip("<>")
        recent.append(name)
        if len(first) < AROUND:
            first.append(name)
        for end, whose in hungry:
            if began >= end:  # else the server may have logged it first
                after[whose].append(name)
        hungry = [(end, whose) for end, whose in hungry if len(after[whose]) < AROUND]
    before |= {name: tuple(recent) for _, _, name in begins}
    for each in found.doubts:
        if each.begun_at is None and not set(first) & set(after[each.id]):
            # A power cut took its beginning. It lay in a batch, so a log that
            # has the first mails reaches back far enough.
            before[each.id] = tuple(first)
    return {each.id: Around(before[each.id], tuple(after[each.id])) for each in found.doubts}


def _accepted(tx: Connection, period: str) -> Iterator[tuple[dt.datetime, dt.datetime, str]]:
    """When it was accepted, when begun, its Message-ID; in the order of acceptance, streamed.

    Not those that somebody resolved: their moment is that of the word.
    """
    rows = tx.execution_options(yield_per=1000).execute(
        sa.select(deliveries.c.settled_at, deliveries.c.begun_at, deliveries.c.message_id)
        .where(
            deliveries.c.period == period,
            deliveries.c.state == State.ACCEPTED.value,
            deliveries.c.reason.is_(None),
            deliveries.c.begun_at.is_not(None),
        )
        .order_by(deliveries.c.settled_at, deliveries.c.id)
    )
    for row in rows:
        yield (row[0], row[1], row[2])


def _until(doubt: Doubt) -> dt.datetime | None:
    """The latest moment at which its sender may have written to the network."""
    if doubt.sender is None or doubt.since is None:
        return doubt.since
    return min(doubt.since, doubt.sender.lease_until)


class Cover(StrEnum):
    """How much a log's silence says of one mail."""

    WHOLE = "whole"
    """It names all our neighbours on both sides, in their order."""
    ORDER = "order"
    """It names them in another order than they were sent in: the newer file came first."""
    EARLY = "early"
    """It does, but the server may be at work on this mail still."""
    HOLES = "holes"
    """It lacks a neighbour that was certainly taken, so it lacks more."""
    PART = "part"
    """It begins too late or ends too early, or there is no neighbour to tell."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a log says of one doubt. `words` name nobody."""

    doubt: Doubt
    proof: Proof
    cover: Cover
    words: str
    code: int | None = None
    enhanced: str | None = None


def judge(doubt: Doubt, around: Around, log: Log, now: dt.datetime) -> Judged:
    """Hold one doubt against what was read."""
    proof = log.proof(doubt.message_id)
    cover = _cover(around, log)
    if cover is Cover.WHOLE and now < (_until(doubt) or now) + SLOWEST:
        cover = Cover.EARLY
    track = log.found.get(doubt.message_id)
    if track is not None:
        if proof is Proof.BEGUN and track.held:
            cover = Cover.PART  # on hold it can stay for weeks without another line
        status = track.enhanced if proof is Proof.BOUNCED else track.refused or None
        return Judged(doubt, proof, cover, track.words(log.server), track.code, status)
    server = f"the {log.server} log" if log.server else "the log"
    said = {
        Cover.WHOLE: f"not in {server}, which has our mails before and after it",
        Cover.EARLY: f"not in {server} yet, and the mail server may still be at work on it",
        Cover.ORDER: f"not in {server}, whose files are not in the order of time",
        Cover.HOLES: f"not in {server}, but neither are other mails of ours that were taken",
        Cover.PART: f"not in {server}, which does not reach from before it to after it",
    }
    return Judged(doubt, proof, cover, said[cover])


def _cover(around: Around, log: Log) -> Cover:
    position = {name: at for at, name in enumerate(log.found)} if log.found else {}
    before = [position[each] for each in around.before if each in position]
    after = [position[each] for each in around.after if each in position]
    if not before or not after:
        return Cover.PART
    if max(before) > min(after):
        return Cover.ORDER
    taken = (Proof.TAKEN, Proof.BOUNCED)
    whole = all(log.proof(each) in taken for each in (*around.before, *around.after))
    return Cover.WHOLE if whole else Cover.HOLES
