"""What a mail that came back does to its reader: weighed by verdict.py, against the issues before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.feedback import verdict
from newsletter.delivery.ledger import exclude
from newsletter.delivery.states import State
from newsletter.store.tables import deliveries, subscribers
from newsletter.subscribers import people, suppression
from newsletter.subscribers.states import Reason
from newsletter.subscribers.states import State as Standing

LONGEST_PAST = 36
"""Issues that are looked back at: three years."""

_PAST = (
    sa.select(deliveries.c.state, deliveries.c.reason)
    .where(
        deliveries.c.subscriber_id == sa.bindparam("who"),
        deliveries.c.consent_epoch == sa.bindparam("epoch"),
    )
    .order_by(deliveries.c.period.desc())
    .limit(LONGEST_PAST)
)


def condemned(tx: Connection, subscriber_id: str, epoch: int, weight: verdict.Weight) -> bool:
    """Whether this failure suppresses the reader: still the same reader, under the same consent."""
    reader = people.find(tx, subscriber_id)
    if reader is None or reader.consent_epoch != epoch or reader.state is not Standing.CONFIRMED:
        return False
    rows = tx.execute(_PAST, {"who": subscriber_id, "epoch": epoch})
    return verdict.condemns(weight, _pasts(rows))


def _pasts(rows: Iterable[Any]) -> list[verdict.Past]:
    return [verdict.past(State(row.state), row.reason) for row in rows]


def weigh_rejected(tx: Connection, period: str, now: dt.datetime) -> int:
    """Weigh what servers refused in the dialogue itself by the same table; how many readers are suppressed by it.

    For when an issue is closed: whom a server does not know is not tried next month.
    """
    refused = tx.execute(
        sa.select(deliveries.c.subscriber_id, deliveries.c.consent_epoch, deliveries.c.reason)
        .where(deliveries.c.period == period, deliveries.c.state == State.REJECTED.value)
        .order_by(deliveries.c.id)
    ).all()
    count = 0
    for row in refused:
        said = verdict.read_reason(row.reason)
        if said is None:
            continue
        weight = verdict.weigh(said[0], said[1], blocked=said[2])
        if condemned(tx, row.subscriber_id, row.consent_epoch, weight):
            count += suppress(tx, row.subscriber_id, now)
    return count


def suppress(tx: Connection, subscriber_id: str, now: dt.datetime) -> bool:
    """Not mailed any more, because mails come back; the reader stays a reader who may ask again."""
    key = tx.scalar(
        sa.select(subscribers.c.suppression_key).where(subscribers.c.id == subscriber_id)
    )
    if key is None:
        return False
    exclude(tx, subscriber_id, Reason.BOUNCED.value, now)
    return suppression.add(tx, bytes(key), Reason.BOUNCED, now)
