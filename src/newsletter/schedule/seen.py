"""What a witness says, and what follows from it. Pure: values and sentences, no file and no database.

schedule/witness.py keeps the files.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from newsletter.errors import Finding
from newsletter.schedule.month import Last

MOST = 2**53
"""No number in the witness is larger: JSON's own limit for whole numbers (RFC 8259 §6)."""
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a store is, or was. A store with less of `clock` or `begun` than its witness is behind.

    `last` is the last period that was opened, and `opened` when, by this store
    or by one it was adopted after: no period up to it is opened again. `at` is
    the last moment at which anything was sent; None where nobody knows.
    """

    store: str
    last: str | None
    clock: int
    begun: int = 0
    opened: dt.datetime | None = None
    at: dt.datetime | None = None

    def with_(self, other: Seen) -> Seen:
        """What both saw of the same store: of each thing the most."""
        return Seen(
            self.store,
            max(self.last or "", other.last or "") or None,
            max(self.clock, other.clock),
            max(self.begun, other.begun),
            _later(self.opened, other.opened),
            _later(self.at, other.at),
        )

    @property
    def issue(self) -> Last | None:
        """The last issue, for the decision whether the next is due."""
        return Last(self.last, self.opened) if self.last and self.opened else None


class Standing(StrEnum):
    AGREES = "agrees"
    """The store is where the witness saw it, or further."""
    FIRST = "first"
    """Nothing was ever sent and there is no witness yet."""
    MISSING = "missing"
    """Something was sent, and there is no witness or mirror: a copy, or the file was lost."""
    STRANGER = "stranger"
    """The witness belongs to another store."""
    BEHIND = "behind"
    """The store was restored: the witness saw more than it knows."""


def judge(told: Sequence[Seen | None], store: Seen, *, restored: bool = False) -> Standing:
    """What the witness and its mirrors have to say about the store; None for one that is not there. Pure.

    `restored`: the store came out of a backup and nobody has adopted it since.
    """
    known = [seen for seen in told if seen is not None]
    if restored:
        return Standing.BEHIND
    if any(seen.store != store.store for seen in known):
        return Standing.STRANGER
    if any(seen.clock > store.clock or seen.begun > store.begun for seen in known):
        return Standing.BEHIND
    if len(known) < len(told):
        return Standing.MISSING if store.clock or store.last else Standing.FIRST
    return Standing.AGREES


def written(seen: Seen) -> bytes:
    """The witness file's bytes."""
    told = {
        "store": seen.store,
        "last": seen.last,
        "clock": seen.clock,
        "begun": seen.begun,
        "opened": seen.opened and seen.opened.isoformat(),
        "at": seen.at and seen.at.isoformat(),
    }
    return (json.dumps(told) + "\n").encode()


def parsed(told: Any) -> Seen:
    """What a witness file says.

    Raises:
        ValueError: it is not what `write` writes.
    """
    match told:
        case {
            "store": str(store),
            "last": str() | None as last,
            "clock": clock,
            "begun": begun,
            "opened": str() | None as opened,
            "at": str() | None as at,
        }:
            numbers = all(type(each) is int and 0 <= each <= MOST for each in (clock, begun))
            period = last is None or PERIOD.fullmatch(last)
            if len(told) == 6 and store and numbers and period:
                return Seen(store, last, clock, begun, _moment(opened), _moment(at))
    raise ValueError("no witness")


def _moment(text: str | None) -> dt.datetime | None:
    """Raises ValueError for what is no moment with its offset."""
    moment = None if text is None else dt.datetime.fromisoformat(text)
    if moment is not None and moment.tzinfo is None:
        raise ValueError("no offset")
    return moment


def _later(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def finding(standing: Standing, seen: Seen | None, store: Seen, missing: Sequence[Path]) -> Finding:
    adopt = "`newsletter doctor --adopt` takes it over, and puts everybody who was waiting in doubt"
    match standing:
        case Standing.BEHIND:
            if judge([seen], store) is not Standing.BEHIND or seen is None:
                return Finding(
                    "NL702",
                    "the database was restored from a backup, and may lack what was sent since",
                    help=f"nothing is sent from it until {adopt}",
                )
            return Finding(
                "NL702",
                f"the database is behind its witness: it knows {store.last or 'no issue'} at step "
                f"{store.clock}, try {store.begun}; the witness saw {seen.last or 'no issue'} at step "
                f"{seen.clock}, try {seen.begun}",
                help=f"it was restored or is a copy; nothing is sent from it until {adopt}",
            )
        case Standing.MISSING:
            return Finding(
                "NL704",
                f"this database has sent {store.last or 'mail'}, and there is no witness at "
                + " and ".join(map(str, missing)),
                help=f"if it is a copy, stop; if this host is new, or the file was lost, {adopt}",
            )
        case _:
            return Finding(
                "NL705",
                "the witness here belongs to another database",
                help=f"see [store] url and witness; if this database is the right one, {adopt}",
            )
