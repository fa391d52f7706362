"""A small sum for the visitor's computer (ALTCHA), made and checked here and nowhere else.

    GET /challenge -> salt, hash, signature     the browser tries numbers for about a second
    POST /subscribe, field altcha               right, ours, not too old, not used before

It makes a thousand sign-ups cost something. Whoever has no JavaScript signs up
without it, from a smaller allowance (networks.py). Each is good once: what was
used is kept until it is too old anyway.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import altcha.v1 as altcha
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import challenges
from newsletter.subscribers.tokens import Purpose
from newsletter.subscribers.vault import Vault

LARGEST = 50_000
"""The number to find lies below: 25,000 hashes on average, half a second, a few on a slow phone."""

VALID_FOR = dt.timedelta(hours=1)
"""Somebody may read the form's words for a long time before they agree."""

_KEY = b"sign-up!"
"""Eight bytes that name the key; the vault makes it, so that every process has the same."""

# Built once: this is on the way of every sign-up.
_KNOWN = sa.select(challenges.c.id).where(challenges.c.id == sa.bindparam("known"))
_USED = challenges.insert()
_OLD = challenges.delete().where(challenges.c.expires_at <= sa.bindparam("before"))


@dataclass(frozen=True, slots=True)
class Solved:
    """A solution that is right. `id` is what replays are known by."""

    id: bytes
    expires_at: dt.datetime


def make(vault: Vault, now: dt.datetime) -> dict[str, Any]:
    """A fresh challenge, as the browser takes it (ALTCHA's own JSON)."""
    made = altcha.create_challenge(
        max_number=LARGEST,
        hmac_key=_key(vault),
        expires=now + VALID_FOR,
        algorithm="SHA-256",
        salt_length=16,
        salt="",
        number=None,
        params=None,
    )
    return {
        "algorithm": made.algorithm,
        "challenge": made.challenge,
        "maxnumber": made.max_number,  # as ALTCHA's widget spells it; the library does not
        "salt": made.salt,
        "signature": made.signature,
    }


def check(vault: Vault, payload: str, now: dt.datetime) -> Solved | None:
    """The solution in a form's field; None when it is wrong, not ours, or too old."""
    read = _payload(payload)
    if read is None:
        return None
    right, _ = altcha.verify_solution(read, _key(vault), check_expires=False)
    _, expires, _ = read.parse_salt()
    # The salt is signed with the challenge, so a right solution's time is ours.
    if not right or expires is None or expires <= now.timestamp():
        return None
    name = hashlib.sha256(read.challenge.encode()).digest()[:16]
    return Solved(name, dt.datetime.fromtimestamp(expires, dt.UTC))


def spend(tx: Connection, solved: Solved) -> bool:
    """Use a solution up, in the caller's write; False when somebody did before."""
    if tx.execute(_KNOWN, {"known": solved.id}).first() is not None:
        return False
    tx.execute(_USED, {"id": solved.id, "expires_at": solved.expires_at})
    return True


def forget(tx: Connection, now: dt.datetime) -> None:
    """Drop what is too old to be replayed."""
    tx.execute(_OLD, {"before": now})


def _payload(text: str) -> altcha.Payload | None:
    """What the field holds, if it has the shapes that the library expects."""
    try:
        read = json.loads(base64.b64decode(text, validate=True))
        algorithm, challenge = read["algorithm"], read["challenge"]
        number, salt, signature = read["number"], read["salt"], read["signature"]
    except (binascii.Error, ValueError, RecursionError, KeyError, TypeError):
        return None
    texts = (challenge, salt, signature)
    if type(number) is not int or not all(isinstance(part, str) for part in texts):
        return None
    if algorithm != "SHA-256" or not all(part.isascii() for part in texts):
        return None
    return altcha.Payload("SHA-256", challenge, number, salt, signature)


def _key(vault: Vault) -> str:
    return vault.token(Purpose.CHALLENGE, _KEY)
