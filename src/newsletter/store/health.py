"""What `doctor` asks of the database: whole, of this version, private. Findings, nothing changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding, Level, Where
from newsletter.store import place, schema
from newsletter.store.engine import Store

SCARCE, TOO_LITTLE = 200_000_000, 10_000_000
"""Bytes free. A log of writes may grow to 64 MB, and a send writes about 500 bytes for each reader."""


def check(store: Store, file: Path | None) -> list[Finding]:
    """Everything about the store itself; `file` is the SQLite file, None where it is a server.

    Reads the whole database once (some seconds for a million readers).
    """
    findings = [] if file is None else _private(file) + room(file, _free(file))
    with store.read() as tx:
        findings += _version(tx)
        if store.dialect == "sqlite":
            findings += _whole(tx)
    return findings


def _private(file: Path) -> list[Finding]:
    """Folder, database, its log and shared memory: for this account alone."""
    beside = [file.with_name(file.name + end) for end in ("-wal", "-shm")]
    return [found for path in (file.parent, file, *beside) for found in place.open_to_others(path)]


def _free(file: Path) -> int:
    return shutil.disk_usage(file.parent).free


def room(file: Path, free: int) -> list[Finding]:
    """Whether `free` bytes are enough beside the database: a warning, and soon an error."""
    if free >= SCARCE:
        return []
    return [
        Finding(
            "NL807",
            f"the disk is nearly full: {free / 1e6:,.0f} MB are free",
            Where(str(file.parent)),
            help="make room; a send that meets a full disk stops, and goes on when there is room",
            level=Level.ERROR if free < TOO_LITTLE else Level.WARNING,
        )
    ]


def _version(tx: Connection) -> list[Finding]:
    try:
        if schema.is_current(tx):
            return []
    except CouldNotRun as error:
        return list(error.findings)
    return [
        Finding(
            "NL805",
            f"the tables have version {schema.version(tx)}, this program's is {schema.REVISIONS[-1]}",
            help="they are brought up by the next command that opens the database",
            level=Level.WARNING,
        )
    ]


def _whole(tx: Connection) -> list[Finding]:
    """SQLite's own look at every page and index, and at every reference between tables."""
    try:
        said = str(tx.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
        torn = tx.exec_driver_sql("PRAGMA foreign_key_check").first() if said == "ok" else None
    except sa.exc.DatabaseError as error:
        said, torn = str(error.orig), None
    if said == "ok" and torn is None:
        return []
    what = f"a row of {torn[0]} points at nothing" if torn else said.splitlines()[0]
    return [
        Finding(
            "NL806",
            f"the database is damaged: {what}",
            Where(_name(tx)),
            help="copy the file away, then `newsletter restore` the last backup;"
            " look at the disk before you go on",
        )
    ]


def _name(tx: Connection) -> str:
    return str(tx.engine.url.database)
