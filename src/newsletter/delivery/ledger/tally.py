"""The tally: a few bytes beside the database that say how many tries a sender has begun.

    newsletter.db-sender-4f0c...      "17", while that sender lives

Written after the commit that begins a mail and before its message, and not
fsynced: it has to outlive the process, not the machine (after a power cut the
boot id already says enough). When the sender is dead and the database knows of
fewer tries than its tally, or there is no tally, then this is not the file the
sender wrote to, but a copy that was put back: whoever it still shows as
claimed may have been served. An inode would not tell: `cp` over a file keeps
it. For PostgreSQL it lies beside the witness (`open_store`'s `beside`), on the
sender's own host, which alone recovers it before its lease is over.

A folder that is copied in the middle of a batch takes its tally along. So the
same bytes stand once more in the mirror's folder (`open_store`'s `mirror`),
named after the store and not the file: a copy on this host knows fewer tries
than stand there, whether the sender was killed since or still goes on.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.schema import identity
from newsletter.store.tables import senders

WIDTH = 20


class Tally:
    """The open tally of a living sender; None of it where there is no file. `again`: in the mirror's folder."""

    def __init__(self, path: Path | None, again: Path | None = None) -> None:
        self.path, self.again = path, again
        self._begun = 0
        self._files: list[tuple[int, Path]] = []
        if path is not None:
            self._files.append((os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), path))
        if again is not None:
            with suppress(OSError):  # `start` could not make it
                self._files.append((os.open(again, os.O_WRONLY), again))

    def add(self, begun: int) -> None:
        """So many more were begun, and that is committed."""
        self._begun += begun
        if begun:
            for file, path in self._files:
                try:
                    # The same bytes again and again: a full disk has room for them.
                    os.pwrite(file, _said(self._begun), 0)
                except OSError as error:
                    error.filename = str(path)
                    raise

    def leave(self) -> None:
        """The sender could not sign off; who recovers its rows will look here."""
        while self._files:
            with suppress(OSError):  # what is written is written
                os.close(self._files.pop()[0])

    def end(self) -> None:
        """The sender has signed off, and that is committed. What cannot be taken away is swept by the next."""
        if self._files:
            self.leave()
            for path in filter(None, (self.path, self.again)):
                with suppress(OSError):
                    path.unlink()


def start(tx: Connection, sender: str) -> None:
    """Make the tally of a sender that is being registered; those of nobody are swept away."""
    path, again = path_of(tx, sender), mirrored(tx, sender)
    known = set(tx.scalars(sa.select(senders.c.claim_id)))
    if path is not None:
        _make(path, sender, known)
    if again is not None:
        with suppress(OSError):  # an issue insists on the mirror (NL711); a notice does without
            _make(again, sender, known)


def _make(path: Path, sender: str, known: set[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    prefix = path.name.removesuffix(sender)
    for other in path.parent.glob(f"{prefix}*"):
        if other.name.removeprefix(prefix) not in known:
            other.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, _said(0))
    finally:
        os.close(descriptor)


def path_of(tx: Connection, sender: str) -> Path | None:
    """Where the tally of `sender` lies; None where the database is no file and has no folder on this host."""
    if tx.dialect.name == "sqlite":
        database = Path(str(tx.engine.url.database))
    else:
        beside = tx.get_execution_options().get("beside")
        if beside is None:
            return None
        database = beside / str(tx.engine.url.database)
    return database.with_name(f"{database.name}-sender-{sender}")


def mirrored(tx: Connection, sender: str) -> Path | None:
    """Where the tally of `sender` stands once more; None where this host keeps no mirror."""
    folder = tx.get_execution_options().get("mirror")
    store = identity(tx)
    return None if folder is None or store is None else folder / f"{store.hex()}-sender-{sender}"


def is_put_back(tx: Connection, sender: str) -> bool:
    """Whether this database knows less than `sender`, now dead, had done."""
    path = path_of(tx, sender)
    if path is None:
        return False
    told = _told(path)
    if told is None:
        return True
    again = mirrored(tx, sender)
    return max(told, _told(again) or 0 if again is not None else 0) > _known(tx, sender)


def told_in(folder: Path, store: str) -> dict[str, int]:
    """Sender -> the tries that its tally in the mirror's `folder` tells, of the store of this name."""
    prefix = f"{store}-sender-"
    return {path.name.removeprefix(prefix): _told(path) or 0 for path in folder.glob(f"{prefix}*")}


def _told(path: Path) -> int | None:
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _known(tx: Connection, sender: str) -> int:
    """The tries of `sender` that this database knows."""
    return tx.scalar(sa.select(senders.c.begun).where(senders.c.claim_id == sender)) or 0


def _said(number: int) -> bytes:
    return f"{number:>{WIDTH}}".encode()
