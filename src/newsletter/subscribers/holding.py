"""Everything that is held about one person: for themselves, and for the evidence of one consent.

Source: GDPR Art. 15 (access), Art. 20 (a machine-readable copy), Art. 7(1).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import tables
from newsletter.subscribers import consent, people, suppression, wordings
from newsletter.subscribers.address import Address
from newsletter.subscribers.consent import minute
from newsletter.subscribers.people import Person
from newsletter.subscribers.vault import Vault


def held(tx: Connection, vault: Vault, person: Person) -> dict[str, Any]:
    """All of it, ready for JSON; times to the minute in UTC. For the person's eyes alone."""
    vault.follow(tx)
    table = tables.subscribers
    sealed = tx.execute(sa.select(table.c.address).where(table.c.id == person.id)).scalar_one()
    return {
        "address": vault.open_address(person.id, sealed),
        "language": person.language,
        "state": person.state.value,
        "requested_at": minute(person.requested_at),
        "confirmed_at": minute(person.confirmed_at) if person.confirmed_at else None,
        "left_at": minute(person.left_at) if person.left_at else None,
        "consent": _evidence(tx, person.evidence_key),
        "do_not_mail": _suppressed(tx, person.suppression_key),
        "issues": _issues(tx, person.id),
        "notices": _notices(tx, person.id),
    }


def about(tx: Connection, vault: Vault, address: Address) -> dict[str, Any]:
    """What is held under an address, also when the person is gone: the operator's `show`."""
    found = people.find_by_address(tx, vault, address)
    if found is not None:
        return held(tx, vault, found)
    return {
        "state": "absent",
        "consent": _evidence(tx, vault.evidence_key(address)),
        "do_not_mail": _suppressed(tx, vault.suppression_key(address)),
    }


def _evidence(tx: Connection, evidence_key: bytes) -> list[dict[str, Any]]:
    """Each record with the words that were agreed to, word for word."""
    records = []
    for seq, payload in consent.evidence(tx, evidence_key):
        shown = wordings.find(tx, str(payload.get("wording", "")))
        text = {"wording_text": shown.text, "wording_version": shown.version} if shown else {}
        records.append({"number": seq, **payload, **text})
    return records


def _suppressed(tx: Connection, key: bytes) -> list[dict[str, str]]:
    return [
        {"reason": reason.value, "since": minute(since)}
        for reason, since in sorted(suppression.reasons(tx, key).items())
    ]


def _issues(tx: Connection, subscriber_id: str) -> list[dict[str, Any]]:
    """Which issues were for this person and what came of them. Rows of `delivery`, read only here."""
    table = tables.deliveries
    rows = tx.execute(
        sa.select(table.c.period, table.c.language, table.c.state, table.c.settled_at)
        .where(table.c.subscriber_id == subscriber_id)
        .order_by(table.c.period)
    )
    return [
        {
            "period": period,
            "language": language,
            "state": state,
            "at": minute(settled_at) if settled_at else None,
        }
        for period, language, state, settled_at in rows
    ]


def _notices(tx: Connection, subscriber_id: str) -> list[dict[str, Any]]:
    table = tables.notices
    rows = tx.execute(
        sa.select(table.c.kind, table.c.state, table.c.made_at)
        .where(table.c.subscriber_id == subscriber_id)
        .order_by(table.c.made_at)
    )
    return [{"kind": kind, "state": state, "at": minute(made_at)} for kind, state, made_at in rows]
