"""New keys while the service runs: `newsletter key rotate`.

    next root key beside the old -> one write: all sub-keys wrapped anew, new generations
    -> the next key takes the old one's place -> addresses sealed anew, batch by batch
    -> the old generations are deleted

It may be stopped between any two of these and run again: it goes on. Links in
old mails, suppressions and Message-IDs live on. The old root key is kept beside
the new one, because older backups open with it alone.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.files import sync_folder
from newsletter.store import Store
from newsletter.store.tables import subscribers
from newsletter.subscribers import address, keyring, rootkey
from newsletter.subscribers.keyring import Keys, Purpose
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault, unlock

BATCH = 500
"""Addresses sealed anew in one write: some 20 ms, so that sign-ups beside it do not wait."""

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Rotated:
    """`resealed` addresses; `kept` is where the old root key lies now, None if it was moved earlier."""

    resealed: int
    kept: Path | None


def rotate(
    store: Store, path: Path, now: dt.datetime, *, progress: Progress | None = None
) -> Rotated:
    """Make new keys, or go on where an interrupted rotation stopped. `path` is the root key's file.

    Raises:
        CouldNotRun: NL502 to NL504 the key file, NL506 it is not this store's key.
    """
    kept = new_root(store, path, now)
    resealed = 0
    for done, total in reseal(store, unlock(store, rootkey.load(path), now)):
        resealed = done
        if progress is not None:
            progress(done, total, "sealed anew")
    return Rotated(resealed, kept)


def new_root(store: Store, path: Path, now: dt.datetime) -> Path | None:
    """The first half, unless only the second is left: the new root key is in its place afterwards."""
    *_, kept = list(new_root_steps(store, path, now)) or [None]
    return kept


def new_root_steps(store: Store, path: Path, now: dt.datetime) -> Iterator[Path | None]:
    """One step for each thing that is on the disk when it yields; the last is the old key's new name."""
    old, beside = rootkey.load(path), rootkey.unfinished(path)
    if not beside.exists():
        with store.read() as tx:
            keys = keyring.opened(tx, old)
        if keys is not None and len(keys.of[Purpose.FIELD]) > 1:
            return  # the new root is in its place; addresses are left to be sealed anew
        rootkey.save(RootKey(secrets.token_bytes(rootkey.KEY_BYTES)), beside)
        yield None
    new = rootkey.load(beside)
    with store.write() as tx:
        if keyring.fits(tx, old):
            keyring.renew(tx, RootKey(old.value), new, now)
        keyring.opened(tx, new)  # raises NL506 when neither is this store's
    yield None
    kept = path.with_name(f"{path.name}.old-{hashlib.sha256(old.value).hexdigest()[:8]}")
    if not kept.exists():
        os.link(path, kept)
    yield None
    beside.replace(path)
    sync_folder(path.parent)
    yield kept


def reseal(store: Store, vault: Vault) -> Iterator[tuple[int, int]]:
    """Seal every address under the newest key, then delete the older ones. Yields (done, of) per write."""
    done, last = 0, ""
    with store.read() as tx:
        total = tx.execute(sa.select(sa.func.count()).select_from(subscribers)).scalar_one()
    while True:
        with store.write() as tx:
            vault.follow(tx)
            ids = _batch(tx, vault, last)
            if ids:
                last = ids[-1]
                done += len(ids)
            elif _is_finished(tx, vault):
                keyring.retire(tx, _keys(tx, vault))
                break
            else:
                done, last = 0, ""
        yield done, max(done, total)


def _batch(tx: Connection, vault: Vault, last: str) -> list[str]:
    """Seal the next rows anew; the ids that were looked at."""
    rows = tx.execute(
        sa.select(subscribers.c.id, subscribers.c.address)
        .where(subscribers.c.id > last)
        .order_by(subscribers.c.id)
        .limit(BATCH)
    ).all()
    changed = []
    for row in rows:
        if not vault.sealed_by_current(row.address):
            read = address.again(vault.open_address(row.id, row.address))
            changed.append(
                {
                    "row": row.id,
                    "sealed": vault.seal_address(row.id, read),
                    "index": vault.index(read),
                }
            )
    if changed:
        tx.execute(
            subscribers.update()
            .where(subscribers.c.id == sa.bindparam("row"))
            .values(address=sa.bindparam("sealed"), address_index=sa.bindparam("index")),
            changed,
        )
    return [row.id for row in rows]


def _is_finished(tx: Connection, vault: Vault) -> bool:
    generation = max(_keys(tx, vault).of[Purpose.FIELD]).to_bytes(2)
    older = sa.func.substr(subscribers.c.address, 1, 2) != generation
    return (
        tx.execute(sa.select(sa.literal(1)).select_from(subscribers).where(older)).first() is None
    )


def _keys(tx: Connection, vault: Vault) -> Keys:
    keys = keyring.opened(tx, vault.root)
    assert keys is not None
    return keys
