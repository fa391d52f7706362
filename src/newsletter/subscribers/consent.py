"""Consent evidence: an append-only chain of salted digests over payloads that can be deleted.

    digest_n = SHA-256(salt_n || payload_n)        salt_n and payload_n may be deleted
    chain_n  = SHA-256(chain_(n-1) || n || digest_n)

Nobody can alter, insert or take out a record unseen; and when a person is
erased, the payload and its salt go and the chain still verifies. A payload
holds no address, no IP, no user agent, and times to the minute only.

Evidence wanted: GDPR Art. 7(1); BGH I ZR 164/09 (each single declaration,
printable). Times to the minute: more would be no better evidence.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.bulk import insert_all
from newsletter.store.tables import Moment, consent_payloads, consents

GENESIS = b"\0" * 32
SALT_BYTES = 16


_HEAD = sa.select(consents.c.seq, consents.c.chain).order_by(consents.c.seq.desc()).limit(1)


class Happened(StrEnum):
    GIVEN = "given"
    WITHDRAWN = "withdrawn"


class Method(StrEnum):
    """How consent was given."""

    DOUBLE_OPT_IN = "double opt-in"
    IMPORTED = "imported"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Record:
    """One event, as it is kept. None where the event has no such thing.

    `source` is what an import says about where the consent was given, or the
    channel of a withdrawal ("one-click", "page", "operator").
    """

    happened: Happened
    wording: str | None = None
    language: str | None = None
    method: str | None = None
    source: str | None = None
    asked_at: dt.datetime | None = None
    mailed_at: dt.datetime | None = None
    given_at: dt.datetime | None = None
    withdrawn_at: dt.datetime | None = None

    def payload(self) -> str:
        """Canonical JSON: sorted keys, no spaces, times to the minute in UTC, nothing that is None."""
        fields: dict[str, str | int] = {"v": 1}
        for name in self.__slots__:
            value = getattr(self, name)
            if isinstance(value, dt.datetime):
                fields[name] = minute(value)
            elif value is not None:
                fields[name] = str(value)
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def minute(moment: dt.datetime) -> str:
    """ "2026-11-21T12:00Z": an aware moment, cut to the minute."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%MZ")


def append(tx: Connection, evidence_key: bytes, record: Record, now: dt.datetime) -> None:
    """Add one record to the chain, in the caller's write."""
    append_all(tx, [(evidence_key, record.payload())], now)


def append_all(tx: Connection, payloads: Iterable[tuple[bytes, str]], now: dt.datetime) -> None:
    """Add (evidence_key, payload) pairs to the chain, in order, in two statements."""
    seq, chain = _head(tx)
    links, kept = [], []
    recorded_at = Moment.milliseconds(now)
    for evidence_key, payload in payloads:
        salt = os.urandom(SALT_BYTES)
        digest = _digest(salt, payload)
        seq += 1
        chain = _chained(chain, seq, digest)
        links.append((seq, digest, chain))
        kept.append((seq, evidence_key, recorded_at, salt, payload))
    insert_all(tx, consents, ("seq", "salted_digest", "chain"), links)
    insert_all(
        tx, consent_payloads, ("seq", "evidence_key", "recorded_at", "salt", "payload"), kept
    )


def evidence(tx: Connection, evidence_key: bytes) -> list[tuple[int, dict[str, object]]]:
    """Every kept record of one person, oldest first: (number in the chain, payload)."""
    rows = tx.execute(
        sa.select(consent_payloads.c.seq, consent_payloads.c.payload)
        .where(consent_payloads.c.evidence_key == evidence_key)
        .order_by(consent_payloads.c.seq)
    )
    return [(seq, json.loads(payload)) for seq, payload in rows]


def forget(tx: Connection, evidence_key: bytes) -> int:
    """Delete one person's payloads and salts for good; the chain stays whole. Returns how many."""
    return tx.execute(
        consent_payloads.delete().where(consent_payloads.c.evidence_key == evidence_key)
    ).rowcount


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found. `broken_at` is the first number whose link or payload does not fit."""

    records: int
    payloads: int
    broken_at: int | None

    @property
    def is_whole(self) -> bool:
        return self.broken_at is None


def verify(tx: Connection) -> Verdict:
    """Walk the whole chain, a stream of rows, and check every link and every payload still kept."""
    records = payloads = 0
    chain = GENESIS
    for seq, digest, link, salt, payload in _rows(tx):
        records += 1
        chain = _chained(chain, records, digest)
        if payload is not None:
            payloads += 1
        fits = payload is None or _digest(salt or b"", payload) == digest
        if seq != records or link != chain or not fits:
            return Verdict(records, payloads, seq)
    return Verdict(records, payloads, None)


def _rows(tx: Connection) -> Iterator[tuple[int, bytes, bytes, bytes | None, str | None]]:
    rows = tx.execute(
        sa.select(
            consents.c.seq,
            consents.c.salted_digest,
            consents.c.chain,
            consent_payloads.c.salt,
            consent_payloads.c.payload,
        )
        .join_from(consents, consent_payloads, isouter=True)
        .order_by(consents.c.seq),
        execution_options={"yield_per": 1000},
    )
    for row in rows:
        yield row.seq, bytes(row.salted_digest), bytes(row.chain), row.salt, row.payload


def _head(tx: Connection) -> tuple[int, bytes]:
    row = tx.execute(_HEAD).first()
    return (row.seq, row.chain) if row else (0, GENESIS)


def _digest(salt: bytes, payload: str) -> bytes:
    return hashlib.sha256(salt + payload.encode()).digest()


def _chained(before: bytes, seq: int, digest: bytes) -> bytes:
    return hashlib.sha256(before + seq.to_bytes(8) + digest).digest()


def last_given(tx: Connection, evidence_keys: list[bytes]) -> dict[bytes, dict[str, object]]:
    """For each key the payload of the latest consent given; keys without one are left out."""
    rows = tx.execute(
        sa.select(consent_payloads.c.evidence_key, consent_payloads.c.payload)
        .where(consent_payloads.c.evidence_key.in_(evidence_keys))
        .order_by(consent_payloads.c.seq)
    )
    found = {}
    for key, payload in rows:
        record = json.loads(payload)
        if record["happened"] == Happened.GIVEN:
            found[bytes(key)] = record
    return found
