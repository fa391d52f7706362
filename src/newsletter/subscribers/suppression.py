"""The list of keyed hashes that must not be mailed: add, look up, lift. The rules are in states.py."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import suppressions
from newsletter.subscribers.states import Door, Reason, blocks, lifted_by_opt_in

_REASONS = sa.select(suppressions.c.reason, suppressions.c.since).where(
    suppressions.c.key == sa.bindparam("of")
)
_ADD = suppressions.insert()


def reasons(tx: Connection, key: bytes) -> dict[Reason, dt.datetime]:
    """Why an address is suppressed, and since when; empty when it is not."""
    rows = tx.execute(_REASONS, {"of": key})
    return {Reason(reason): since for reason, since in rows}


def closed(tx: Connection, key: bytes, door: Door, now: dt.datetime) -> bool:
    """Whether any suppression of this key closes `door`."""
    return any(blocks(reason, door, since, now) for reason, since in reasons(tx, key).items())


def add(tx: Connection, key: bytes, reason: Reason, now: dt.datetime) -> bool:
    """Suppress; False when it already was for this reason (its date stays)."""
    if reason in reasons(tx, key):
        return False
    tx.execute(_ADD, {"key": key, "reason": reason.value, "since": now})
    return True


def lift(tx: Connection, key: bytes, reason: Reason) -> bool:
    """The operator's word: take one reason away. False when there was none."""
    return bool(
        tx.execute(
            suppressions.delete().where(
                suppressions.c.key == key, suppressions.c.reason == reason.value
            )
        ).rowcount
    )


def lift_by_opt_in(tx: Connection, key: bytes, now: dt.datetime) -> None:
    """A confirmed opt-in takes away every reason that such a one may."""
    for reason, since in reasons(tx, key).items():
        if lifted_by_opt_in(reason, since, now):
            lift(tx, key, reason)


def known(tx: Connection, keys: list[bytes]) -> set[bytes]:
    """Which of `keys` are suppressed for any reason."""
    rows = tx.execute(sa.select(suppressions.c.key).where(suppressions.c.key.in_(keys)).distinct())
    return {bytes(key) for key in rows.scalars()}
