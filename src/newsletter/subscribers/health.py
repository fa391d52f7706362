"""What `doctor` asks of the people's room: key, chain, clock, journal, rotation. Nothing is changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Level, Where
from newsletter.store import Store, place
from newsletter.store.tables import subscribers, suppressions
from newsletter.subscribers import consent, keyring, rootkey
from newsletter.subscribers.address import again
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.keyring import Keys, Purpose
from newsletter.subscribers.vault import Broken, Vault

AHEAD = dt.timedelta(minutes=5)
"""A row may be this much younger than the clock says: two machines never agree exactly."""

SAMPLE = 100
"""So many addresses are opened: enough to notice keys that do not fit, quick on any list."""


def check(
    store: Store,
    environ: Mapping[str, str],
    journal: Journal,
    now: dt.datetime,
    *,
    publication: Path | None = None,
    database: Path | None = None,
) -> list[Finding]:
    """Everything about keys and people. Reads the whole chain of consents once."""
    findings = [*_journal(journal), *place.open_to_others(journal.path)]
    try:
        root = rootkey.read(environ, publication=publication, database=database)
    except CouldNotRun as error:
        return [*findings, *error.findings]
    with store.read() as tx:
        findings += _chain(tx) + _clock(tx, now)
        try:
            keys = keyring.opened(tx, root)
        except CouldNotRun as error:
            return [*findings, *error.findings]
        if keys is not None:
            findings += _rotation(keys, root.path) + _addresses(tx, Vault(keys))
    return findings


def _chain(tx: Connection) -> list[Finding]:
    verdict = consent.verify(tx)
    if verdict.is_whole:
        return []
    return [
        Finding(
            "NL540",
            f"the chain of consents is broken at record {verdict.broken_at}",
            help="somebody altered the evidence, or the disk did: keep this file as it is and"
            " compare it with the last backup",
        )
    ]


def _clock(tx: Connection, now: dt.datetime) -> list[Finding]:
    """Rows from the future mean that the clock went back: links would live too long."""
    moments = (
        tx.execute(sa.select(sa.func.max(column))).scalar()
        for column in (subscribers.c.requested_at, subscribers.c.left_at, suppressions.c.since)
    )
    latest = max((moment for moment in moments if moment is not None), default=now)
    if latest <= now + AHEAD:
        return []
    return [
        Finding(
            "NL541",
            f"the clock says {consent.minute(now)}, and there is a row of {consent.minute(latest)}",
            help="set the clock (ntp); when a month is due depends on it",
        )
    ]


def _journal(journal: Journal) -> list[Finding]:
    torn = sum(entry is None for entry in journal.entries())
    if not torn:
        return []
    return [
        Finding(
            "NL542",
            f"{torn} lines of the journal cannot be read",
            Where(str(journal.path)),
            help="one torn line is a power cut, and nobody was answered; more are a damaged disk",
            level=Level.WARNING,
        )
    ]


def _rotation(keys: Keys, path: Path | None) -> list[Finding]:
    is_open = len(keys.of[Purpose.FIELD]) > 1
    waits = path is not None and rootkey.unfinished(path).exists()
    if not is_open and not waits:
        return []
    return [
        Finding(
            "NL543",
            "a rotation of the keys was begun and did not end",
            help="run `newsletter key rotate`: it goes on where it was. Everything works meanwhile",
            level=Level.WARNING,
        )
    ]


def _addresses(tx: Connection, vault: Vault) -> list[Finding]:
    """Open some addresses, and see that each is found under its own index."""
    rows = tx.execute(
        sa.select(subscribers.c.id, subscribers.c.address, subscribers.c.address_index)
        .order_by(subscribers.c.id)
        .limit(SAMPLE)
    )
    bad = 0
    for row in rows:
        try:
            found = again(vault.open_address(row.id, row.address))
            bad += bytes(row.address_index) not in vault.indexes(found)
        except Broken:
            bad += 1
    if not bad:
        return []
    return [
        Finding(
            "NL544",
            f"{bad} of {SAMPLE} addresses do not open, or are not found by their index",
            help="rows were altered or moved: `newsletter restore` the last backup",
        )
    ]
