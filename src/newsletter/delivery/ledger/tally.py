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
"""

from __future__ import annotations

import os
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import senders

WIDTH = 20


class Tally:
    """The open tally of a living sender; None of it where there is no file."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._begun = 0
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)

    def add(self, begun: int) -> None:
        """So many more were begun, and that is committed."""
        self._begun += begun
        if self._file is not None and begun:
            # The same bytes again and again: a full disk has room for them.
            os.pwrite(self._file, _said(self._begun), 0)

    def leave(self) -> None:
        """The sender could not sign off; who recovers its rows will look here."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def end(self) -> None:
        """The sender has signed off, and that is committed."""
        if self._file is not None and self.path is not None:
            os.close(self._file)
            self._file = None
            self.path.unlink(missing_ok=True)


def start(tx: Connection, sender: str) -> None:
    """Make the tally of a sender that is being registered; those of nobody are swept away."""
    path = path_of(tx, sender)
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    known = set(tx.scalars(sa.select(senders.c.claim_id)))
    for other in path.parent.glob(f"{_prefix(path, sender)}*"):
        if other.name.removeprefix(_prefix(path, sender)) not in known:
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


def is_put_back(tx: Connection, sender: str) -> bool:
    """Whether this database knows less than `sender`, now dead, had done."""
    path = path_of(tx, sender)
    if path is None:
        return False
    try:
        told = int(path.read_text("ascii"))
    except (OSError, ValueError):
        return True
    return told > _known(tx, sender)


def _known(tx: Connection, sender: str) -> int:
    """The tries of `sender` that this database knows."""
    return tx.scalar(sa.select(senders.c.begun).where(senders.c.claim_id == sender)) or 0


def _prefix(path: Path, sender: str) -> str:
    return path.name.removesuffix(sender)


def _said(number: int) -> bytes:
    return f"{number:>{WIDTH}}".encode()
