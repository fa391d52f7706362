"""Writing the list as CSV: our own columns, which `subscribers import` reads back.

Only people who are subscribed now. The file holds addresses in clear: it is
written with mode 0600 to where the operator says, and nowhere else.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.store import Store, tables
from newsletter.subscribers import consent
from newsletter.subscribers.columns import OWN, in_a_cell
from newsletter.subscribers.states import State
from newsletter.subscribers.vault import Vault

Progress = Callable[[int, int, str], None]


def export_file(store: Store, vault: Vault, path: Path, *, progress: Progress | None = None) -> int:
    """Write every confirmed subscriber to a new file (0600). Returns how many.

    Raises:
        CouldNotRun: NL530, the file is there already or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL530",
                f"the export cannot be written: {error.strerror}",
                Where(str(path)),
                help="name a file that does not exist yet, in a folder of your own",
            )
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
        return export(store, vault, file, progress=progress)


def export(store: Store, vault: Vault, file: TextIO, *, progress: Progress | None = None) -> int:
    """Write every confirmed subscriber to an open text file, streaming. Returns how many."""
    writer = csv.writer(file)
    writer.writerow(OWN)
    done = 0
    with store.read() as tx:
        vault.follow(tx)
        table = tables.subscribers
        confirmed = table.c.state == State.CONFIRMED.value
        total = tx.execute(sa.select(sa.func.count()).select_from(table).where(confirmed)).scalar()
        for row in _rows(tx, vault):
            writer.writerow([in_a_cell(value) for value in row])
            done += 1
            if progress is not None and done % 1000 == 0:
                progress(done, total or done, "exported")
    if progress is not None:
        progress(done, done, "exported")
    return done


def _rows(tx: Connection, vault: Vault) -> Iterator[tuple[str, ...]]:
    table = tables.subscribers
    found = tx.execute(
        sa.select(table.c.id, table.c.address, table.c.language, table.c.evidence_key)
        .where(table.c.state == State.CONFIRMED.value)
        .order_by(table.c.id),
        execution_options={"yield_per": 500},
    )
    for part in found.partitions():
        given = consent.last_given(tx, [bytes(row.evidence_key) for row in part])
        for row in part:
            proof = given.get(bytes(row.evidence_key), {})
            yield (
                vault.open_address(row.id, row.address),
                row.language,
                str(proof.get("wording", "")),
                "",
                str(proof.get("asked_at", "")),
                str(proof.get("given_at", "")),
                str(proof.get("method", "")).removeprefix(f"{consent.Method.IMPORTED}: "),
                str(proof.get("source", "")),
            )
