"""The power goes: what was not flushed is lost, by a throw of the dice.

    the database           as it was; nothing but a checkpoint writes it, and that flushes
    its write-ahead log    up to the last flushed commit, and a piece of the rest,
                           cut at any byte
    every other file       as at its last fsync, or as it is

It does not model a disk that lies about a flush, nor blocks written out of
order: the log's checksums would cut there. On PostgreSQL the server is another
machine that goes on; there the senders die with their host, and come back on
another boot.

`kept` is the folder in which crash_server.py wrote down what was flushed.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

DATABASE = "newsletter.db"


def lose_power(root: Path, template: Path, kept: Path, dice: random.Random) -> None:
    """Make `root` what a disk may hold after the power came back."""
    database = root / "subscribers" / DATABASE
    log = database.with_name(f"{DATABASE}-wal")
    if log.exists() and database.read_bytes() == (template / "subscribers" / DATABASE).read_bytes():
        flushed = max((int(each.read_text("ascii") or 0) for each in kept.glob("log-*")), default=0)
        size = log.stat().st_size
        with log.open("r+b") as file:
            file.truncate(dice.choice((flushed, size, dice.randint(min(flushed, size), size))))
    database.with_name(f"{DATABASE}-shm").unlink(missing_ok=True)
    flushed_names = {
        Path(folder): names
        for folder, names in (
            json.loads(found.read_text("utf-8")) for found in kept.glob("names-*")
        )
    }
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.name.startswith(DATABASE + "-wal") and path != database:
            _forget(
                path, template / path.relative_to(root), flushed_names.get(path.parent), kept, dice
            )


def _forget(
    path: Path, before: Path, names: dict[str, int] | None, kept: Path, dice: random.Random
) -> None:
    """One file: as it is, or as it was flushed, or as it was before the send, or not there."""
    if before.exists() and before.read_bytes() == path.read_bytes():
        return
    if dice.random() < 0.5:
        return
    inode = (names or {}).get(path.name)
    flushed = kept / f"file-{inode}"
    if inode is not None:
        path.write_bytes(flushed.read_bytes() if flushed.exists() else b"")
    elif before.exists():
        path.write_bytes(before.read_bytes())
    else:
        path.unlink()
