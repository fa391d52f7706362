"""A store that came out of a backup says so, until somebody adopts it (`schedule.witness`).

The fact is written by the restore, in its own transaction: between the two
there is no moment at which the restored rows look like any others.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import facts

NAME = "restored"


def mark_restored(tx: Connection) -> None:
    """The rows came out of a backup; a backup of such a store may say so already."""
    forget_restored(tx)
    tx.execute(sa.insert(facts).values(name=NAME, value=b"yes"))


def was_restored(tx: Connection) -> bool:
    return tx.scalar(sa.select(facts.c.value).where(facts.c.name == NAME)) is not None


def forget_restored(tx: Connection) -> None:
    """The operator took the store as it is."""
    tx.execute(sa.delete(facts).where(facts.c.name == NAME))
