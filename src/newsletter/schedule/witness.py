"""The witness: a small file beside the database, outside its backup, that remembers how far we were.

    {"store": ..., "last": "2026-12", "clock": 41, "settled": 1998}

A restored or copied database does not know what it sent since. The witness
does: `clock` is the ledger's clock, which grows with every opening and every
batch of claims and is written here before the batch's first message leaves. So
a database that is behind by a single batch is told, and refuses to send, until
`adopt` has put everybody who was still waiting in doubt.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.delivery.states import SETTLED
from newsletter.errors import CouldNotRun, Finding
from newsletter.files import write_atomic
from newsletter.store import Store
from newsletter.store.schema import identity
from newsletter.store.tables import deliveries, issues


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a store is, or was. `clock` decides; `settled` is for people.

    `last` is the last period that was opened, by this store or by one it was
    adopted after: no period up to it is opened again.
    """

    store: str
    last: str | None
    clock: int
    settled: int = 0


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


def judge(seen: Seen | None, store: Seen) -> Standing:
    """What the witness has to say about the store. Pure."""
    if seen is None:
        return Standing.MISSING if store.clock or store.last else Standing.FIRST
    if seen.store != store.store:
        return Standing.STRANGER
    if seen.clock > store.clock:
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
            return Seen(**json.loads(self.path.read_text("utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
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
        self.write(now)
        return now

    def insist(self, store: Store) -> Seen:
        """What was seen, when the store may send; the first witness is written here.

        Raises:
            CouldNotRun: NL702 the store is behind, NL704 there is no witness, NL705 it is
                another store's, NL703 it cannot be read.
        """
        with store.read() as tx:
            now = look(tx)
        seen = self.read()
        match judge(seen, now):
            case Standing.AGREES:
                assert seen is not None
                return seen
            case Standing.FIRST:
                return self.record(store)
            case standing:
                raise CouldNotRun(_finding(standing, seen, now))


def look(tx: Connection) -> Seen:
    """Where the store is."""
    settled = tx.scalar(
        sa.select(sa.func.count())
        .select_from(deliveries)
        .where(deliveries.c.state.in_([state.value for state in SETTLED]))
    )
    last = tx.scalar(sa.select(sa.func.max(issues.c.period)))
    return Seen((identity(tx) or b"").hex(), last, ledger.clock.read(tx), settled or 0)


def adopt(store: Store, witness: Witness, now: dt.datetime) -> int:
    """The operator's word that this store is the one to go on with; how many readers are in doubt now.

    Everybody who was waiting may have been served by what the store forgot.
    """
    seen = witness.read()
    with store.write() as tx:
        here = look(tx)
        standing = judge(seen, here)
        doubted = 0
        if standing in (Standing.BEHIND, Standing.MISSING, Standing.STRANGER):
            doubted = ledger.doubt_everything(tx, now)
            ledger.clock.advance(tx, seen.clock if seen else None)
    if seen is not None and seen.store != here.store:
        witness.write(replace(here, last=max(seen.last or "", here.last or "") or None))
    witness.record(store)
    return doubted


def _finding(standing: Standing, seen: Seen | None, store: Seen) -> Finding:
    adopt = "`newsletter doctor --adopt` takes it over, and puts everybody who was waiting in doubt"
    match standing:
        case Standing.BEHIND:
            assert seen is not None
            return Finding(
                "NL702",
                f"the database is behind its witness: it knows {store.last or 'no issue'} at step "
                f"{store.clock}, the witness saw {seen.last or 'no issue'} at step {seen.clock}",
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
