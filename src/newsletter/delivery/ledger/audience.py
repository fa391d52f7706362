"""Fixing the audience: one row for each confirmed reader whom nothing suppresses.

A million rows in one transaction, in memory that does not grow with them. So
they come in the order of the readers' ids, their own ids rise from row to row,
and they go to the driver as they are: a B-tree that is filled from left to
right writes each page once.
"""

from __future__ import annotations

import datetime as dt
import functools
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import swift
from newsletter.store import bulk
from newsletter.store.driver import driver
from newsletter.store.tables import deliveries

if TYPE_CHECKING:
    from newsletter.subscribers.vault import Vault

CHUNK = 5000
"""Readers held in memory at a time."""
PLACES = 2**16
"""What the first four characters of an id count: where in the audience its reader stands."""

_MAY_GET_IT = """
FROM subscribers WHERE subscribers.state = 'confirmed' AND NOT EXISTS (
    SELECT 1 FROM suppressions WHERE suppressions.key = subscribers.suppression_key)
"""
_COUNT = f"SELECT count(*) {_MAY_GET_IT}"
_READERS = {
    # Without coalesce the index of states looks better, and the whole list is sorted.
    "sqlite": f"""
SELECT id, language, consent_epoch
{_MAY_GET_IT.replace("subscribers.state", "coalesce(subscribers.state, '')")} ORDER BY id
""",
    "postgresql": f"SELECT id, language, consent_epoch {_MAY_GET_IT} ORDER BY id",
}
_COLUMNS = (
    "id",
    "period",
    "subscriber_id",
    "language",
    "state",
    "message_id",
    "consent_epoch",
    "attempts",
    "due_at",
)


def count(tx: Connection) -> int:
    """How many would get an issue that is opened now."""
    return int(tx.exec_driver_sql(_COUNT).scalar() or 0)


def fix(
    tx: Connection,
    vault: Vault,
    period: str,
    languages: Sequence[str],
    domain: str,
    now: dt.datetime,
    expected: int,
) -> int:
    """Make the rows of `period`; how many. `expected`: as `count` said in this transaction."""
    due, done = swift.milliseconds(now), 0
    edition_of = functools.cache(lambda language: edition_for(language, languages))
    for readers in _readers(tx):
        names = [
            f"{at * PLACES // max(expected, at + 1):04x}{os.urandom(14).hex()}"
            for at in range(done, done + len(readers))
        ]
        made = [
            (name, period, reader, edition_of(language), "queued", message_id, epoch, 0, due)
            for name, message_id, (reader, language, epoch) in zip(
                names, vault.message_ids(names, domain), readers, strict=True
            )
        ]
        bulk.insert_all(tx, deliveries, _COLUMNS, made)
        done += len(made)
    if tx.dialect.name == "postgresql":
        tx.execute(
            sa.text("ANALYZE deliveries")
        )  # or the first claims are planned for an empty table
    return done


def _readers(tx: Connection) -> Iterator[list[tuple[Any, ...]]]:
    """One query, read on while the rows that were made of it are written."""
    with driver(tx) as connection:
        held = {"name": "audience"} if tx.dialect.name == "postgresql" else {}  # by the server
        with closing(connection.cursor(**held)) as cursor:
            cursor.execute(_READERS[tx.dialect.name])
            while rows := cursor.fetchmany(CHUNK):
                yield rows


def edition_for(language: str, available: Sequence[str]) -> str:
    """The reader's own language, else its base ("de-AT" -> "de"), else the publication's first."""
    for tag in (language, language.split("-")[0]):
        if tag in available:
            return tag
    return available[0]
