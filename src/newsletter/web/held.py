"""Everything that is held about one person, as values: for their page and as JSON (GDPR Art. 15, 20)."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import tables
from newsletter.subscribers import consent, suppression, wordings
from newsletter.subscribers.people import Person
from newsletter.subscribers.vault import Vault


@dataclass(frozen=True, slots=True)
class Sent:
    """One mail to this person: an issue's period, or a notice's kind ("confirm", "data")."""

    what: str
    state: str
    settled_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Held:
    """`evidence` are the consent records as they are kept; `wordings` the texts they name, by hash."""

    person: Person
    address: str
    evidence: tuple[dict[str, Any], ...]
    wordings: dict[str, str]
    letters: tuple[Sent, ...]
    notices: tuple[Sent, ...]
    suppressed: dict[str, dt.datetime]

    def __repr__(self) -> str:
        return f"Held({self.person.id})"

    def as_json(self) -> dict[str, Any]:
        person = self.person
        return {
            "address": self.address,
            "language": person.language,
            "state": person.state.value,
            "requested_at": _iso(person.requested_at),
            "confirmed_at": _iso(person.confirmed_at),
            "left_at": _iso(person.left_at),
            "consent": list(self.evidence),
            "wordings": self.wordings,
            "letters": [_sent(sent) for sent in self.letters],
            "notices": [_sent(sent) for sent in self.notices],
            "do_not_mail": {reason: _iso(since) for reason, since in self.suppressed.items()},
        }


def about(tx: Connection, vault: Vault, person: Person) -> Held:
    """Read it all in the caller's snapshot; the address is opened here and nowhere else in the web."""
    vault.follow(tx)
    sealed = tx.execute(
        sa.select(tables.subscribers.c.address).where(tables.subscribers.c.id == person.id)
    ).scalar_one()
    evidence = tuple(record for _, record in consent.evidence(tx, person.evidence_key))
    named = {str(record["wording"]) for record in evidence if "wording" in record}
    texts = {name: found.text for name in sorted(named) if (found := wordings.find(tx, name))}
    return Held(
        person=person,
        address=vault.open_address(person.id, sealed),
        evidence=evidence,
        wordings=texts,
        letters=_mails(tx, tables.deliveries, tables.deliveries.c.period, person.id),
        notices=_mails(tx, tables.notices, tables.notices.c.kind, person.id),
        suppressed={
            reason.value: since
            for reason, since in suppression.reasons(tx, person.suppression_key).items()
        },
    )


def _mails(
    tx: Connection, table: sa.Table, what: sa.ColumnElement[str], subscriber_id: str
) -> tuple[Sent, ...]:
    rows = tx.execute(
        sa.select(what, table.c.state, table.c.settled_at)
        .where(table.c.subscriber_id == subscriber_id)
        .order_by(what)
    )
    return tuple(Sent(*row) for row in rows)


def _iso(moment: dt.datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _sent(sent: Sent) -> dict[str, str | None]:
    return {"what": sent.what, "state": sent.state, "settled_at": _iso(sent.settled_at)}
