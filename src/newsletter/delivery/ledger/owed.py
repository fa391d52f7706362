"""What a sender of this very process knew, and could not write down because the database refused.

    the database refuses -> owe -> ... the database is back -> settle_and_recover: what is known first, then the doubts

Where the process dies before that, nobody knows any more, and recovery's rules hold.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import recovery, settling
from newsletter.delivery.ledger.lanes import Job
from newsletter.delivery.ledger.recovery import Recovered
from newsletter.delivery.outcome import Outcome
from newsletter.store.tables import senders

_OWED: dict[str, list[tuple[Job, Outcome]]] = {}
"""Sender -> what came of the rows it held."""
_TOLD: set[str] = set()
"""Senders whose debt was paid in a transaction that may yet fail."""


def owe(sender: str, known: Sequence[tuple[Job, Outcome]]) -> None:
    """The sender ended and could not say so in the database; its process lives on."""
    recovery.give_up(sender)
    _OWED[sender] = list(known)


def settle_and_recover(tx: Connection, now: dt.datetime) -> Recovered:
    """`recover`, as this process sees the others, after what it still knows was written down."""
    for sender, known in list(_OWED.items()):
        signed_on = tx.scalar(sa.select(senders.c.claim_id).where(senders.c.claim_id == sender))
        if signed_on or sender not in _TOLD:  # where another recovered it, this is a late answer
            settling.exchange(tx, known, [], sender, now)
            _TOLD.add(sender)
        if not signed_on:
            del _OWED[sender]
            _TOLD.discard(sender)
    return recovery.recover_here(tx, now)
