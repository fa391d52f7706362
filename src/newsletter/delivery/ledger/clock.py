"""The ledger's clock: a number that grows with every opening and every batch of claims.

It goes into the witness outside the database, after the commit and before the
network. A database that was restored from a backup shows an older number than
its witness, however few messages were sent in between.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import facts

NAME = "ledger_clock"


def read(tx: Connection) -> int:
    value = tx.scalar(sa.select(facts.c.value).where(facts.c.name == NAME))
    return int(value) if value is not None else 0


def advance(tx: Connection, to: int | None = None) -> int:
    """One more (or `to`, if that is more), and the new number."""
    now = read(tx)
    following = max(now + 1, to or 0)
    value = str(following).encode()
    changed = tx.execute(sa.update(facts).where(facts.c.name == NAME).values(value=value))
    if not changed.rowcount:
        tx.execute(sa.insert(facts).values(name=NAME, value=value))
    return following
