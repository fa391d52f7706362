"""Leaving and being erased: the journal first, then one transaction.

    link -> who -> journal + fsync -> people.leave, ledger.exclude -> commit

When this returns the leave is on the disk twice: in the database, and outside
it, where a restore finds it. Whatever had not begun for this person is
EXCLUDED in the same commit; a mail that was already under way arrives.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.delivery.ledger import exclude
from newsletter.store import Store
from newsletter.subscribers import people
from newsletter.subscribers.journal import Entry, Journal, Kind
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
        journal.append_all(
            [
                Entry(Kind.LEAVE, each.id, each.suppression_key, each.consent_epoch, now)
                for each, _ in leaving.values()
            ]
        )
        with store.write() as tx:
            for person, channel in leaving.values():
                left = people.leave(tx, person.id, now, channel)
                spared = exclude(tx, person.id, Reason.LEFT.value, now)
                changed = bool(left and left.changed)
                done[person.id] = Departed(changed, person.language, spared)
    return [
        None if person is None else done.pop(person.id, None) or Departed(False, person.language)
        for person, _ in found
    ]


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
