"""A backup becomes the store again, and nobody who left or was erased since comes back.

    one write: backup -> tables -> "restored" -> journal replayed from its beginning -> commit

What was sent since the backup is the witness's business (`schedule`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from newsletter.store import Store, backup
from newsletter.store.restored import mark_restored
from newsletter.subscribers.journal import Journal, Replayed

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """How many rows came back, and what the journal changed in them."""

    rows: int
    journal: Replayed


def restore(
    store: Store, path: Path, identity: Path, journal: Journal, *, progress: Progress | None = None
) -> Restored:
    """Fill an empty store from the backup at `path`, opened by the age key in `identity`.

    Raises:
        CouldNotRun: as `store.backup.read_into`; the store is then as empty as before.
    """
    with store.write() as tx:
        rows = backup.read_into(tx, path, identity, progress=progress)
        mark_restored(tx)
        return Restored(rows, journal.replay(tx))
