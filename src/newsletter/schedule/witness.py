"""The witness: a small file beside the database, outside its backup, that remembers how far we were.

    {"store": ..., "last": "2026-12", "clock": 41, "begun": 1998, "opened": ..., "at": ...}

A restored or copied database does not know what it sent since. The witness
does: `clock` is the ledger's clock, which grows with every opening and every
batch of claims and is written here before the batch's first message leaves;
`begun` counts the tries that were begun, and is written when a run ends. So a
database that is behind by a single batch, or by a single mail of a run that
ended, is told, and refuses to send, until `adopt` has put everybody who was
still waiting in doubt. What was restored says so itself (`store.restored`),
and a copy put back after a sender was killed is told by ledger/tally.py.

Each host that sends keeps a mirror of it, away from the publication: a folder
that was restored whole, witness and all, is behind the mirror, and one that
was copied to another machine finds none there. What any of them saw counts.

Tries and not settled rows are counted, because the operator's word and a late
answer may take a row out of the settled ones, and nothing takes a try back:
erasure and retention leave the ledger's rows where they are. `at` is the last
moment at which mail was sent: a clock that stands before it is wrong.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.errors import CouldNotRun, Finding
from newsletter.files import hold, read_file, write_atomic
from newsletter.schedule.month import Last, is_behind
from newsletter.schedule.seen import Seen, Standing, finding, judge, parsed, written
from newsletter.store import Store
from newsletter.store.restored import forget_restored, was_restored
from newsletter.store.schema import identity
from newsletter.store.tables import deliveries, issues

__all__ = ["Seen", "Standing", "Witness", "adopt", "judge", "look", "name", "newest"]

PATIENCE_SECONDS = 30
"""How long another sender of this host may hold a witness; it takes milliseconds."""


class Witness:
    """The file at `path` (0600), and its mirror in the folder `mirror`, named after the store."""

    def __init__(self, path: Path, mirror: Path | None = None) -> None:
        self.path = path
        self.mirror = mirror

    def places(self, store: str) -> list[Path]:
        """Where the witness of `store` lies: the file, then the mirror."""
        return [self.path, *([self.mirror / f"{store}.json"] if self.mirror else [])]

    def read(self) -> Seen | None:
        """What the file itself says; None when there is none.

        Raises:
            CouldNotRun: NL703, it cannot be read.
        """
        return _read(self.path)

    def seen(self, store: str) -> Seen | None:
        """The most that the witness and its mirror saw of `store`.

        Raises:
            CouldNotRun: NL703.
        """
        most: Seen | None = None
        for place in self.places(store):
            found = _read(place)
            if found is not None and found.store == store:
                most = most.with_(found) if most else found
        return most

    def write(self, seen: Seen) -> None:
        """Durable when this returns; what was seen before is forgotten.

        Raises:
            CouldNotRun: NL711, the mirror cannot be kept.
        """

        def put(place: Path) -> None:
            with self._alone(place):
                self._put(place, seen)

        self._everywhere(seen.store, put)

    def note(self, seen: Seen) -> None:
        """As `write`, but what was seen before is never forgotten."""

        def put(place: Path) -> None:
            with self._alone(place):
                before = _read(place)
                same = before is not None and before.store == seen.store
                self._put(place, before.with_(seen) if before is not None and same else seen)

        self._everywhere(seen.store, put)

    def _everywhere(self, store: str, put: Callable[[Path], None]) -> None:
        """At once: every batch of a send waits for it, and two flushes take hardly longer than one."""
        places = self.places(store)
        with ThreadPoolExecutor(len(places)) as pool:
            for done in [pool.submit(put, place) for place in places]:
                done.result()

    def tick(self, clock: int, now: dt.datetime | None = None, *, store: str | None = None) -> None:
        """The ledger's clock went on (`loop.send`'s `witness`); `store` is whose it is, None for whose stands there.

        Raises:
            CouldNotRun: since `insist`, somebody took the file away (NL704), put another
                store's in its place (NL705), or it cannot be read or kept (NL703, NL711).
        """
        seen = self.read()
        if seen is None or store not in (None, seen.store):
            standing = Standing.MISSING if seen is None else Standing.STRANGER
            here = Seen(store or "", None, clock)
            raise CouldNotRun(finding(standing, seen, here, [self.path]))
        self.note(replace(seen, clock=max(clock, seen.clock), at=now))

    def record(self, store: Store, now: dt.datetime | None = None) -> Seen:
        """Write down where the store is at `now`; what was seen before is never forgotten."""
        with store.read() as tx:
            here = look(tx)
        self.note(replace(here, at=now))
        return here

    def follow(self, store: Store) -> None:
        """Let this host's mirror keep up with what another host has sent. Cheap when nothing was.

        A host that ticks before anything was ever sent begins its mirror here.

        Raises:
            CouldNotRun: as `insist`, long before the next issue is due.
        """
        with store.read() as tx:
            here, clock = name(tx), ledger.clock.read(tx)
        told = self._told(here)
        known = [seen for seen in told if seen is not None]
        if any(seen.store != here or seen.clock > clock for seen in known) or (
            clock and None in told
        ):
            self.insist(store)
        if None in told or any(seen.clock < clock for seen in known):
            with store.read() as tx:
                now = look(tx)
            self.note(replace(now, at=now.opened))

    def insist(self, store: Store, now: dt.datetime | None = None) -> Seen:
        """What was seen, when the store may send; the first witness is written here.

        Raises:
            CouldNotRun: NL702 the store is behind, NL704 there is no witness or mirror, NL705 it
                is another store's, NL703 it cannot be read, NL711 the mirror cannot be kept,
                NL710 the clock `now` stands before what was sent already.
        """
        seen = self.ask(store, now)
        if seen is None:
            with store.read() as tx:
                seen = look(tx)
            self.note(seen)
        return seen

    def ask(self, store: Store, now: dt.datetime | None = None) -> Seen | None:
        """As `insist`, and nothing is written; None when nothing was ever sent and there is no witness yet.

        Raises:
            CouldNotRun: as `insist`; whether the mirror can be kept is not tried.
        """
        self._insist_on_one(store)
        with store.read() as tx:
            here, restored = look(tx), was_restored(tx)
        told = self._told(here.store)
        match judge(told, here, restored=restored):
            case Standing.AGREES:
                seen = self.seen(here.store)
                assert seen is not None
            case Standing.FIRST:
                return None
            case standing:
                raise CouldNotRun(self._finding(standing, told, here))
        if now is not None and is_behind(now, seen.at):
            assert seen.at is not None
            raise CouldNotRun(
                Finding(
                    "NL710",
                    f"the clock says {now:%Y-%m-%d %H:%M}Z, but mail was sent at {seen.at:%Y-%m-%d %H:%M}Z",
                    help="set the clock right, then it goes on by itself; if it was wrong before and is "
                    "right now, `newsletter doctor --adopt`",
                )
            )
        return seen

    def _insist_on_one(self, store: Store) -> None:
        """Raises CouldNotRun: NL702, on this host another copy of the store is being sent from; NL711."""
        if self.mirror is None:
            return
        try:
            told = ledger.tally.told_in(self.mirror, store.id.hex())
        except OSError as error:
            raise CouldNotRun(_not_kept(self.mirror, error)) from error
        with store.read() as tx:
            if ledger.is_overtaken(tx, ledger.whereabouts.here(), told):
                raise CouldNotRun(ledger.helm.ANOTHER_COPY)

    def standing(self, tx: Connection) -> Standing:
        """What `insist` would say, and nothing is written. Raises CouldNotRun: NL703."""
        here = look(tx)
        return judge(self._told(here.store), here, restored=was_restored(tx))

    def _told(self, store: str) -> list[Seen | None]:
        return [_read(place) for place in self.places(store)]

    @contextmanager
    def _alone(self, place: Path) -> Iterator[None]:
        """Nobody else of this host changes the file meanwhile: two senders share it.

        Raises:
            CouldNotRun: NL711, this is the mirror, and it cannot be kept; NL714, another
                process stands still in it.
        """
        try:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with hold(place.parent, PATIENCE_SECONDS):
                yield
        except TimeoutError as error:
            raise CouldNotRun(
                Finding(
                    "NL714",
                    f"another process has held the witness in {place.parent.name}/ for {PATIENCE_SECONDS} seconds",
                    help="see whether a sender of this publication stands still; end it, then go on",
                )
            ) from error
        except OSError as error:
            if place == self.path:
                raise
            raise CouldNotRun(_not_kept(place.parent, error)) from error

    @staticmethod
    def _put(place: Path, seen: Seen) -> None:
        write_atomic(place, written(seen), 0o600)

    def _finding(self, standing: Standing, told: Sequence[Seen | None], store: Seen) -> Finding:
        known = [seen for seen in told if seen is not None and seen.store == store.store]
        most = known[0] if known else None
        for seen in known[1:]:
            most = most.with_(seen) if most else seen
        missing = [
            place for place, seen in zip(self.places(store.store), told, strict=True) if not seen
        ]
        return finding(standing, most, store, missing)


def look(tx: Connection) -> Seen:
    """Where the store is."""
    begun = tx.scalar(sa.select(sa.func.coalesce(sa.func.sum(deliveries.c.attempts), 0)))
    last = newest(tx)
    period, opened = (last.period, last.opened_at) if last else (None, None)
    return Seen(name(tx), period, ledger.clock.read(tx), int(begun or 0), opened)


def newest(tx: Connection) -> Last | None:
    """The last issue that this database knows."""
    row = tx.execute(
        sa.select(issues.c.period, issues.c.opened_at).order_by(issues.c.period.desc()).limit(1)
    ).first()
    return Last(row.period, row.opened_at) if row else None


def name(tx: Connection) -> str:
    """The store's own, as a witness writes it; a copy has the same."""
    return (identity(tx) or b"").hex()


def adopt(store: Store, witness: Witness, now: dt.datetime) -> int:
    """The operator's word that this store, and this clock, is the one to go on with; how many are in doubt now.

    Everybody who was waiting may have been served by what the store forgot. A
    witness that cannot be read saw nothing.

    Raises:
        CouldNotRun: NL702, another copy is being sent from: whom it serves after
            this, nobody would put in doubt.
    """
    with ledger.helm.held(store):
        return _adopt(store, witness, now)


def _adopt(store: Store, witness: Witness, now: dt.datetime) -> int:
    with store.read() as tx:
        told = [_read_or_none(place) for place in witness.places(name(tx))]
    known = [seen for seen in told if seen is not None]
    with store.write() as tx:
        standing = judge(told, look(tx), restored=was_restored(tx))
        doubted = 0
        if standing not in (Standing.AGREES, Standing.FIRST):
            doubted = ledger.doubt_everything(tx, now)
            ledger.clock.advance(tx, max((seen.clock for seen in known), default=None))
        forget_restored(tx)
        ledger.recount(tx)
        here = look(tx)
    last = max([here, *known], key=lambda seen: seen.last or "")
    witness.write(replace(here, last=last.last, opened=last.opened, at=now))
    return doubted


def _read(place: Path) -> Seen | None:
    """What a witness file says; None when there is none.

    Raises:
        CouldNotRun: NL703, it cannot be read.
    """
    try:
        return parsed(json.loads(read_file(place)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        why = f": {error.strerror}" if isinstance(error, OSError) else ""
        raise CouldNotRun(
            Finding(
                "NL703",
                f"the witness {place.name} cannot be read{why}",
                help="restore it from where it lay; `newsletter doctor --adopt` goes on without it",
            )
        ) from error


def _read_or_none(place: Path) -> Seen | None:
    try:
        return _read(place)
    except CouldNotRun:
        return None


def _not_kept(mirror: Path, error: OSError) -> Finding:
    return Finding(
        "NL711",
        f"this host's mirror of the witness cannot be kept in {mirror}: {error.strerror}",
        help="name a folder that this account may write, away from the publication: [store] mirror",
    )
