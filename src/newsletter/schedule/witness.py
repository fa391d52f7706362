"""The witness: a small file beside the database, outside its backup, that remembers how far we were.

    {"store": ..., "last": "2026-12", "clock": 41, "begun": 1998}

A restored or copied database does not know what it sent since. The witness
does: `clock` is the ledger's clock, which grows with every opening and every
batch of claims and is written here before the batch's first message leaves;
`begun` counts the tries that were begun, and is written when a run ends. So a
database that is behind by a single batch, or by a single mail of a run that
ended, is told, and refuses to send, until `adopt` has put everybody who was
still waiting in doubt. What was restored says so itself (`store.restored`),
and a copy put back after a sender was killed is told by ledger/tally.py.

Tries and not settled rows are counted, because the operator's word and a late
answer may take a row out of the settled ones, and nothing takes a try back:
erasure and retention leave the ledger's rows where they are.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.errors import CouldNotRun, Finding
from newsletter.files import write_atomic
from newsletter.store import Store
from newsletter.store.restored import forget_restored, was_restored
from newsletter.store.schema import identity
from newsletter.store.tables import deliveries, issues

MOST = 2**53
"""No number in the witness is larger: JSON's own limit for whole numbers (RFC 8259 §6)."""
PERIOD = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a store is, or was. A store with less of `clock` or `begun` than its witness is behind.

    `last` is the last period that was opened, by this store or by one it was
    adopted after: no period up to it is opened again.
    """

    store: str
    last: str | None
    clock: int
    begun: int = 0


class Standing(StrEnum):
    AGREES = "agrees"
    """The store is where the witness saw it, or further."""
    FIRST = "first"
    """Nothing was ever sent and there is no witness yet."""
    MISSING = "missing"
    """Something was sent, and there is no witness: a copy, or the file was lost."""
    STRANGER = "stranger"
    """The witness belongs to another store."""
    BEHIND = "behind"
    """The store was restored: the witness saw more than it knows."""


def judge(seen: Seen | None, store: Seen, *, restored: bool = False) -> Standing:
    """What the witness has to say about the store; `restored`: nobody has adopted it since. Pure."""
    if restored:
        return Standing.BEHIND
    if seen is None:
        return Standing.MISSING if store.clock or store.last else Standing.FIRST
    if seen.store != store.store:
        return Standing.STRANGER
    if seen.clock > store.clock or seen.begun > store.begun:
        return Standing.BEHIND
    return Standing.AGREES


class Witness:
    """The file at `path` (0600)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Seen | None:
        """None when there is no file.

        Raises:
            CouldNotRun: NL703, it cannot be read.
        """
        try:
            return _parsed(json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise CouldNotRun(
                Finding(
                    "NL703",
                    f"the witness {self.path.name} cannot be read",
                    help="restore it from where it lay; `newsletter doctor --adopt` goes on without it",
                )
            ) from error

    def write(self, seen: Seen) -> None:
        """Durable when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, (json.dumps(asdict(seen)) + "\n").encode(), 0o600)

    def tick(self, clock: int) -> None:
        """The ledger's clock went on (`loop.send`'s `witness`)."""
        seen = self.read()
        assert seen is not None, "sending begins with `insist`"
        self.write(replace(seen, clock=max(clock, seen.clock)))

    def record(self, store: Store) -> Seen:
        """Write down where the store is now; what was seen before is never forgotten."""
        with store.read() as tx:
            now = look(tx)
        before = self.read()
        if before is not None and before.store == now.store:
            last = max(before.last or "", now.last or "") or None
            now = replace(now, last=last, clock=max(before.clock, now.clock))
            now = replace(now, begun=max(before.begun, now.begun))
        self.write(now)
        return now

    def insist(self, store: Store) -> Seen:
        """What was seen, when the store may send; the first witness is written here.

        Raises:
            CouldNotRun: NL702 the store is behind, NL704 there is no witness, NL705 it is
                another store's, NL703 it cannot be read.
        """
        with store.read() as tx:
            now, restored = look(tx), was_restored(tx)
        seen = self.read()
        match judge(seen, now, restored=restored):
            case Standing.AGREES:
                assert seen is not None
                return seen
            case Standing.FIRST:
                return self.record(store)
            case standing:
                raise CouldNotRun(_finding(standing, seen, now))


def look(tx: Connection) -> Seen:
    """Where the store is."""
    begun = tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(deliveries.c.attempts), 0)))
    last = tx.scalar(sa.select(sa.func.max(issues.c.period)))
    return Seen((identity(tx) or b"").hex(), last, ledger.clock.read(tx), int(begun or 0))


def adopt(store: Store, witness: Witness, now: dt.datetime) -> int:
    """The operator's word that this store is the one to go on with; how many readers are in doubt now.

    Everybody who was waiting may have been served by what the store forgot. A
    witness that cannot be read saw nothing.
    """
    try:
        seen = witness.read()
    except CouldNotRun:
        seen = None
    with store.write() as tx:
        standing = judge(seen, look(tx), restored=was_restored(tx))
        doubted = 0
        if standing not in (Standing.AGREES, Standing.FIRST):
            doubted = ledger.doubt_everything(tx, now)
            ledger.clock.advance(tx, seen.clock if seen else None)
        forget_restored(tx)
        ledger.recount(tx)
        here = look(tx)
    last = max((seen and seen.last) or "", here.last or "") or None
    witness.write(replace(here, last=last))
    return doubted


def _parsed(told: Any) -> Seen:
    """What the witness file says.

    Raises:
        ValueError: it is not what `write` writes.
    """
    match told:
        case {"store": str(store), "last": str() | None as last, "clock": clock, "begun": begun}:
            numbers = all(type(each) is int and 0 <= each <= MOST for each in (clock, begun))
            period = last is None or PERIOD.fullmatch(last)
            if len(told) == 4 and store and numbers and period:
                return Seen(store, last, clock, begun)
    raise ValueError("no witness")


def _finding(standing: Standing, seen: Seen | None, store: Seen) -> Finding:
    adopt = "`newsletter doctor --adopt` takes it over, and puts everybody who was waiting in doubt"
    match standing:
        case Standing.BEHIND:
            if seen is None or judge(seen, store) is not Standing.BEHIND:
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
                f"this database has sent {store.last or 'mail'} and has no witness here",
                help=f"if it is a copy, stop; if the witness was lost, {adopt}",
            )
        case _:
            return Finding(
                "NL705",
                "the witness here belongs to another database",
                help=f"see [store] url and witness; if this database is the right one, {adopt}",
            )
