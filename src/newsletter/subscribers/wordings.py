"""The consent wordings that anybody was shown, kept word for word on the people's side.

A wording's name is the SHA-256 of its text; the sign-up form carries it, and
only a wording that was registered here can be agreed to.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import tables

IMPORTED = "import"
"""The version of a wording that came as text in an import."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One wording as a person saw it. `version` is its file's name, or where an imported one is from."""

    hash: str
    language: str
    version: str
    text: str


_BY_HASH = sa.select(
    tables.wordings.c.hash,
    tables.wordings.c.language,
    tables.wordings.c.version,
    tables.wordings.c.text,
).where(tables.wordings.c.hash == sa.bindparam("of"))


def shown(language: str, version: str, text: str) -> Shown:
    """A wording by its text; the hash is made here, so that it cannot be another's."""
    return Shown(hashlib.sha256(text.encode()).hexdigest(), language, version, text)


def register(tx: Connection, wordings: Iterable[Shown], now: dt.datetime) -> None:
    """Keep every wording that is not kept yet.

    Raises:
        ValueError: a hash is not that of its text.
    """
    table = tables.wordings
    known = set(tx.execute(sa.select(table.c.hash)).scalars())
    for wording in wordings:
        if shown(wording.language, wording.version, wording.text).hash != wording.hash:
            raise ValueError("a wording's hash is not that of its text")
        if wording.hash not in known:
            known.add(wording.hash)
            tx.execute(
                table.insert().values(
                    hash=wording.hash,
                    language=wording.language,
                    version=wording.version,
                    text=wording.text,
                    first_seen_at=now,
                )
            )


def find(tx: Connection, wording_hash: str) -> Shown | None:
    """The wording of this hash, None when nobody was ever shown it."""
    row = tx.execute(_BY_HASH, {"of": wording_hash}).first()
    return Shown(*row) if row else None


def by_name(tx: Connection) -> dict[str, Shown]:
    """Every wording under its hash and under "LANGUAGE/VERSION"."""
    table = tables.wordings
    found = [
        Shown(*row)
        for row in tx.execute(
            sa.select(table.c.hash, table.c.language, table.c.version, table.c.text)
        )
    ]
    return {wording.hash: wording for wording in found} | {
        f"{wording.language}/{wording.version}": wording
        for wording in found
        if wording.version != IMPORTED
    }
