"""The journal of leaves and erasures, outside the database and its backups.

    POST /leave -> append + fsync -> transaction -> 200
    restore     -> replay: nobody who left or was erased comes back

One JSON line for each, holding a random id and a keyed hash, never an address.
A line counts once it ends in a newline; a torn one was never answered with 200
and is passed over. Replaying is idempotent: a record applies only to a row
whose consent epoch is not past it, so that a later opt-in is not undone, and
no clock is asked.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.files import sync_folder
from newsletter.store import Store, tables
from newsletter.store.tables import subscribers
from newsletter.subscribers import people, suppression
from newsletter.subscribers.states import Reason

BATCH = 400
"""Records looked up at once; SQLite takes 32,766 variables in a statement, older ones 999."""

MARK = "journal_mark"
"""The fact that says how far a database has seen the journal."""

LONGEST_LINE = 4096
"""Bytes; a record has some 170."""


class Kind(StrEnum):
    LEAVE = "leave"
    ERASE = "erase"
    COMPLAINT = "complaint"
    """A leave that only the operator takes back."""


@dataclass(frozen=True, slots=True)
class Entry:
    """`epoch` is the row's consent epoch when the person left."""

    kind: Kind
    subscriber_id: str
    suppression_key: bytes
    epoch: int
    at: dt.datetime


@dataclass(frozen=True, slots=True)
class Replayed:
    """How many records there were, how many changed the database, and how many were torn."""

    entries: int
    applied: int
    torn: int


class Journal:
    """The file at `path` (0600), made on the first append. Threads and processes may share it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()

    def append(
        self,
        kind: Kind,
        subscriber_id: str,
        suppression_key: bytes,
        *,
        epoch: int,
        now: dt.datetime,
    ) -> None:
        """Write one record; when this returns it is on the disk."""
        self.append_all([Entry(kind, subscriber_id, suppression_key, epoch, now)])

    def append_all(self, entries: Sequence[Entry]) -> None:
        """Write records, in order and with one flush; when this returns they are on the disk."""
        lines = b"".join(_line(entry) for entry in entries)
        with self._turn:
            existed = self.path.exists()
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                # A torn line gets its end, so that these stand alone. One write
                # of short lines: O_APPEND keeps processes apart.
                torn = not _ends_whole(descriptor)
                _write(descriptor, b"\n" * torn + lines)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if not existed:
                sync_folder(self.path.parent)

    def entries(self, start: int = 0) -> Iterator[Entry | None]:
        """Every record from byte `start`, oldest first; None for a line that is torn or damaged."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(start)
            for line in file:
                if line.strip():
                    yield _entry(line)

    def catch_up(self, store: Store) -> Replayed:
        """Apply what this database has not seen; one small read when it has seen everything.

        For every start: the last process may have died between the journal and
        the transaction, and a restored database stands where its backup stood.
        """
        with store.read() as tx:
            start = self._seen(tx)
        if start == self._end():
            return Replayed(0, 0, 0)
        with store.write() as tx:
            return self.replay(tx, start)

    def replay(self, tx: Connection, start: int = 0) -> Replayed:
        """Apply every record from byte `start` on, in the caller's write."""
        counts = {"entries": 0, "applied": 0, "torn": 0}
        end = self._end()
        batch: list[Entry] = []
        for entry in self.entries(start):
            if entry is None:
                counts["torn"] += 1
                continue
            counts["entries"] += 1
            batch.append(entry)
            if len(batch) == BATCH:
                counts["applied"] += _apply(tx, batch)
                batch = []
        counts["applied"] += _apply(tx, batch)
        facts = tables.facts
        tx.execute(facts.delete().where(facts.c.name == MARK))
        tx.execute(facts.insert().values(name=MARK, value=self._mark(end)))
        return Replayed(**counts)

    def _end(self) -> int:
        """Where the last whole line ends, 0 when there is none."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = max(0, size - LONGEST_LINE)
                file.seek(start)
                tail = file.read(size - start)
        except FileNotFoundError:
            return 0
        return start + tail.rfind(b"\n") + 1 if b"\n" in tail else 0

    def _mark(self, end: int) -> bytes:
        """`end` and the hash of what stands before it: another file is not taken for this one."""
        if not end:
            return b""
        with self.path.open("rb") as file:
            file.seek(max(0, end - LONGEST_LINE))
            before = file.read(min(end, LONGEST_LINE))
        return end.to_bytes(8) + hashlib.sha256(before).digest()

    def _seen(self, tx: Connection) -> int:
        """Up to which byte this database has applied this very file; 0 when that is not certain."""
        facts = tables.facts
        mark = tx.execute(sa.select(facts.c.value).where(facts.c.name == MARK)).scalar() or b""
        end = int.from_bytes(mark[:8])
        return end if end <= self._end() and bytes(mark) == self._mark(end) else 0


def _line(entry: Entry) -> bytes:
    fields = {
        "v": 1,
        "kind": entry.kind.value,
        "subscriber": entry.subscriber_id,
        "key": entry.suppression_key.hex(),
        "epoch": entry.epoch,
        "at": entry.at.astimezone(dt.UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def _write(descriptor: int, lines: bytes) -> None:
    written = os.write(descriptor, lines)
    if written != len(lines):  # the disk is full: what was cut off is a torn line
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _ends_whole(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


def _entry(line: bytes) -> Entry | None:
    try:
        read = json.loads(line)
        return Entry(
            Kind(read["kind"]),
            str(read["subscriber"]),
            bytes.fromhex(read["key"]),
            int(read["epoch"]),
            dt.datetime.fromisoformat(read["at"]),
        )
    except (ValueError, KeyError, TypeError):
        return None


_REASON = {
    Kind.LEAVE: Reason.LEFT,
    Kind.ERASE: Reason.ERASED,
    Kind.COMPLAINT: Reason.COMPLAINED,
}


def _apply(tx: Connection, batch: list[Entry]) -> int:
    """Apply one batch; two queries when there is nothing to do."""
    if not batch:
        return 0
    epochs = dict(
        tx.execute(
            sa.select(subscribers.c.id, subscribers.c.consent_epoch).where(
                subscribers.c.id.in_([entry.subscriber_id for entry in batch])
            )
        )
        .tuples()
        .all()
    )
    keys = [entry.suppression_key for entry in batch]
    here = {
        bytes(key)
        for key in tx.execute(
            sa.select(subscribers.c.suppression_key).where(subscribers.c.suppression_key.in_(keys))
        ).scalars()
    } | suppression.known(tx, keys)
    applied = 0
    for entry in batch:
        epoch = epochs.get(entry.subscriber_id)
        if epoch is None:
            # The row is not here (erased since, or younger than the backup):
            # what must stay is "do not mail", unless they are back as somebody new.
            if entry.suppression_key not in here:
                applied += suppression.add(tx, entry.suppression_key, _REASON[entry.kind], entry.at)
                here.add(entry.suppression_key)
        elif entry.kind is Kind.ERASE:
            applied += people.erase(tx, entry.subscriber_id, entry.at)
            del epochs[entry.subscriber_id]
        elif epoch <= entry.epoch:
            left = people.leave(tx, entry.subscriber_id, entry.at, "journal")
            applied += bool(left and left.changed)
            if entry.kind is Kind.COMPLAINT:
                suppression.add(tx, entry.suppression_key, Reason.COMPLAINED, entry.at)
            # This row's own count may have been set back by a restore. Past the
            # record it must be, or a later opt-in would be undone next time.
            tx.execute(
                subscribers.update()
                .where(
                    subscribers.c.id == entry.subscriber_id,
                    subscribers.c.consent_epoch <= entry.epoch,
                )
                .values(consent_epoch=entry.epoch + 1)
            )
    return applied
