"""Leaving and being erased: the journal first, then one transaction.

    link -> who -> journal + fsync -> people.leave, ledger.exclude -> commit

When this returns the leave is on the disk twice: in the database, and outside
it, where a restore finds it. Whatever had not begun for this person is
EXCLUDED in the same commit; a mail that was already under way arrives. Whoever
calls a mail spam leaves too, and stays away until the operator says otherwise.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import exclude
from newsletter.store import Store
from newsletter.subscribers import people, suppression
from newsletter.subscribers.journal import Entry, Journal, Kind
from newsletter.subscribers.people import Person
from newsletter.subscribers.states import Reason, State


@dataclass(frozen=True, slots=True)
class Departed:
    """`changed` is False for the second click; `language` is the reader's, for the page."""

    changed: bool
    language: str
    spared: int = 0
    """Mails that were waiting and will not be sent."""


def leave(
    store: Store, journal: Journal, link_id: bytes, now: dt.datetime, channel: str
) -> Departed | None:
    """Unsubscribe whoever a mail's token names (`vault.read_mail_token`); None: nobody any more.

    `channel` as in `people.leave`: "one-click", "page", "operator".
    """
    return leave_all(store, journal, [(link_id, channel)], now)[0]


def leave_all(
    store: Store, journal: Journal, wishes: Sequence[tuple[bytes, str]], now: dt.datetime
) -> list[Departed | None]:
    """`leave` for many (link_id, channel), with one flush of the journal and one commit for all."""
    with store.read() as tx:
        found = [(people.find_by_link(tx, link_id), channel) for link_id, channel in wishes]
    # Who is in the list twice (a second click at once) leaves once.
    leaving = {
        person.id: (person, channel)
        for person, channel in reversed(found)
        if person is not None and person.state is not State.UNSUBSCRIBED
    }
    done: dict[str, Departed] = {}
    if leaving:
        journal.append_all([entry(each, now) for each, _ in leaving.values()])
        with store.write() as tx:
            for person, channel in leaving.values():
                done[person.id] = take_out(tx, person, now, channel)
    return [
        None if person is None else done.pop(person.id, None) or Departed(False, person.language)
        for person, _ in found
    ]


def entry(person: Person, now: dt.datetime, *, complaint: bool = False) -> Entry:
    """What the journal gets, and has on the disk, before `take_out`."""
    kind = Kind.COMPLAINT if complaint else Kind.LEAVE
    return Entry(kind, person.id, person.suppression_key, person.consent_epoch, now)


def take_out(
    tx: Connection, person: Person, now: dt.datetime, channel: str, *, complaint: bool = False
) -> Departed:
    """The database's part of a leave, in the caller's write; the journal has its `entry` already."""
    left = people.leave(tx, person.id, now, channel)
    if complaint:
        suppression.add(tx, person.suppression_key, Reason.COMPLAINED, now)
    reason = Reason.COMPLAINED if complaint else Reason.LEFT
    spared = exclude(tx, person.id, reason.value, now)
    return Departed(bool(left and left.changed), person.language, spared)


def erase(store: Store, journal: Journal, subscriber_id: str, now: dt.datetime) -> Departed | None:
    """Delete a person (`people.find_by_data_link`, or the operator); None: nobody any more."""
    with store.read() as tx:
        person = people.find(tx, subscriber_id)
    if person is None:
        return None
    journal.append(
        Kind.ERASE, person.id, person.suppression_key, epoch=person.consent_epoch, now=now
    )
    with store.write() as tx:
        spared = exclude(tx, person.id, Reason.ERASED.value, now)
        gone = people.erase(tx, person.id, now)
    return Departed(gone, person.language, spared)
