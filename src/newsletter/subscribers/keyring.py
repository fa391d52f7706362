"""The keyring: random sub-keys with generations, wrapped by the root key in the database.

    root key (a file elsewhere) --HKDF--> wrapping key --AES-256-GCM--> keyring rows
                                 --HKDF--> check value: tells a wrong key at once

Because the sub-keys are random and only wrapped, a new root key changes no
link, no suppression and no Message-ID. Source: RFC 5869 (HKDF), NIST SP
800-38D (GCM).
"""

from __future__ import annotations

import datetime as dt
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding
from newsletter.store.tables import consents, facts, keyring, subscribers, suppressions
from newsletter.subscribers.rootkey import RootKey, candidates

CHECK = "key_check"
EPOCH = "keyring_epoch"
"""Grows with every rotation: how a running process notices that its keys are old."""


class Purpose(StrEnum):
    """What a sub-key is for; one key never serves two ends."""

    FIELD = "field"
    INDEX = "index"
    SUPPRESSION = "suppression"
    EVIDENCE = "evidence"
    TOKEN = "token"
    MESSAGE_ID = "message_id"


RENEWED = (Purpose.FIELD, Purpose.INDEX, Purpose.TOKEN)
"""What `key rotate` makes anew."""


_FACT = sa.select(facts.c.value).where(facts.c.name == sa.bindparam("of"))


@dataclass(frozen=True, slots=True)
class Keys:
    """The opened keyring and the root that opened it. `of[purpose]`: generation to key, newest first."""

    root: RootKey
    epoch: int
    of: dict[Purpose, dict[int, bytes]]

    def __repr__(self) -> str:
        return f"Keys(epoch={self.epoch}, ***)"


def derive(root: RootKey, info: bytes) -> bytes:
    """HKDF-SHA-256 (RFC 5869) of the root key, one block, empty salt."""
    extracted = hmac.digest(b"\0" * 32, root.value, "sha256")
    return hmac.digest(extracted, b"newsletter/" + info + b"\x01", "sha256")


def opened(tx: Connection, root: RootKey) -> Keys | None:
    """The keys, or None when this store has never had any. Writes nothing.

    Raises:
        CouldNotRun: NL506 the root key is not this store's, NL509 the keyring is
            missing or damaged although people are here.
    """
    rows = tx.execute(
        sa.select(keyring.c.purpose, keyring.c.generation, keyring.c.wrapped).order_by(
            keyring.c.purpose, keyring.c.generation.desc()
        )
    ).all()
    known = dict(
        tx.execute(sa.select(facts.c.name, facts.c.value).where(facts.c.name.in_([CHECK, EPOCH])))
        .tuples()
        .all()
    )
    if not rows and not known:
        if _somebody_is_here(tx):
            raise CouldNotRun(_damaged())
        return None
    fitting = [each for each in candidates(root) if _fits(known.get(CHECK, b""), each)]
    if not fitting:
        raise CouldNotRun(
            Finding(
                "NL506",
                "this key is not the one this database was made with",
                help="set NEWSLETTER_KEY_FILE to the right file; after an interrupted"
                " `newsletter key rotate`, run that again. Nothing was changed",
            )
        )
    root = fitting[0]
    wrapping = AESGCM(derive(root, b"wrap"))
    of: dict[Purpose, dict[int, bytes]] = {purpose: {} for purpose in Purpose}
    try:
        for purpose, generation, wrapped in rows:
            of[Purpose(purpose)][generation] = wrapping.decrypt(
                wrapped[:12], wrapped[12:], _bound(purpose, generation)
            )
    except (InvalidTag, ValueError) as error:
        raise CouldNotRun(_damaged()) from error
    if not all(of.values()):
        raise CouldNotRun(_damaged())
    return Keys(root, int.from_bytes(known.get(EPOCH, b"\0")), of)


def fits(tx: Connection, root: RootKey) -> bool:
    """Whether this very key (not one beside it) opens the store."""
    return _fits(_fact(tx, CHECK), root)


def _fits(check: bytes, root: RootKey) -> bool:
    return hmac.compare_digest(check, derive(root, b"check"))


def create(tx: Connection, root: RootKey, now: dt.datetime) -> None:
    """The first generation of every sub-key, for a store that has none."""
    tx.execute(facts.insert().values(name=CHECK, value=derive(root, b"check")))
    tx.execute(facts.insert().values(name=EPOCH, value=(1).to_bytes(4)))
    for purpose in Purpose:
        add(tx, root, purpose, 1, secrets.token_bytes(32), now)


def add(
    tx: Connection, root: RootKey, purpose: Purpose, generation: int, key: bytes, now: dt.datetime
) -> None:
    """Keep one sub-key, wrapped."""
    tx.execute(
        keyring.insert().values(
            purpose=purpose.value,
            generation=generation,
            wrapped=wrap(root, purpose, generation, key),
            made_at=now,
        )
    )


def wrap(root: RootKey, purpose: Purpose, generation: int, key: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + AESGCM(derive(root, b"wrap")).encrypt(nonce, key, _bound(purpose, generation))


def renew(tx: Connection, old: RootKey, new: RootKey, now: dt.datetime) -> None:
    """Wrap every sub-key under `new`, and add a generation to those that may change.

    The suppression, evidence and Message-ID keys stay for ever: what they made
    cannot be made again once an address is gone.
    """
    keys = opened(tx, old)
    assert keys is not None
    for purpose, generations in keys.of.items():
        for generation, key in generations.items():
            tx.execute(
                keyring.update()
                .where(keyring.c.purpose == purpose.value, keyring.c.generation == generation)
                .values(wrapped=wrap(new, purpose, generation, key))
            )
        if purpose in RENEWED:
            add(tx, new, purpose, max(generations) + 1, secrets.token_bytes(32), now)
    _set_fact(tx, CHECK, derive(new, b"check"))
    _set_fact(tx, EPOCH, (keys.epoch + 1).to_bytes(4))


def retire(tx: Connection, keys: Keys) -> None:
    """Delete the older generations of what was written anew; old links keep theirs."""
    for purpose in (Purpose.FIELD, Purpose.INDEX):
        tx.execute(
            keyring.delete().where(
                keyring.c.purpose == purpose.value,
                keyring.c.generation < max(keys.of[purpose]),
            )
        )
    _set_fact(tx, EPOCH, (keys.epoch + 1).to_bytes(4))


def epoch(tx: Connection) -> int:
    """How many times the keyring was changed, 0 when there is none."""
    return int.from_bytes(_fact(tx, EPOCH) or b"\0")


def _fact(tx: Connection, name: str) -> bytes:
    return bytes(tx.execute(_FACT, {"of": name}).scalar() or b"")


def _set_fact(tx: Connection, name: str, value: bytes) -> None:
    tx.execute(facts.update().where(facts.c.name == name).values(value=value))


def _bound(purpose: str, generation: int) -> bytes:
    return f"keyring|{purpose}|{generation}".encode()


def _somebody_is_here(tx: Connection) -> bool:
    return any(
        tx.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first()
        for table in (subscribers, suppressions, consents)
    )


def _damaged() -> Finding:
    return Finding(
        "NL509",
        "the keyring in the database is missing or damaged, so the addresses cannot be opened",
        help="restore the database from a backup with `newsletter restore`. Nothing was changed",
    )
