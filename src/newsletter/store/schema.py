"""Which version the tables have, and the way to this program's version.

The version is the name of an Alembic revision; Alembic itself is imported
only when there is something to do.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.errors import CouldNotRun, Finding
from newsletter.store.tables import facts

REVISIONS = ("0001", "0002", "0003", "0004", "0005")
"""Every released version of the tables, oldest first; a test holds it against the migrations."""

STORE_ID = "store_id"

MIGRATIONS = Path(__file__).parent / "migrations"


def version(tx: Connection) -> str | None:
    """The database's version; None for an empty database."""
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    return tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def is_current(tx: Connection) -> bool:
    """Whether the tables are this program's.

    Raises:
        CouldNotRun: NL801, they are from a program newer than this one.
    """
    found = version(tx)
    if found is not None:
        refuse_newer(found)
    return found == REVISIONS[-1]


def refuse_newer(found: str) -> None:
    """Raises CouldNotRun NL801 for a version that this program does not know."""
    if found not in REVISIONS:
        raise CouldNotRun(
            Finding(
                "NL801",
                f"the database has version {found}; this program knows {REVISIONS[-1]} at most",
                help="a newer program wrote it: install that version again. Nothing was changed",
            )
        )


def upgrade(tx: Connection, to: str = REVISIONS[-1]) -> None:
    """Run every missing migration up to `to` inside the caller's transaction.

    Raises:
        CouldNotRun: NL801, as in `is_current`.
    """
    if is_current(tx):
        return
    from alembic.migration import MigrationContext
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(MIGRATIONS))
    context = MigrationContext.configure(
        tx,
        opts={
            "script": scripts,
            "fn": lambda current, _context: scripts._upgrade_revs(to, current),
            "transactional_ddl": True,
        },
    )
    with Operations.context(context):
        context.run_migrations()
    if identity(tx) is None:
        tx.execute(facts.insert().values(name=STORE_ID, value=secrets.token_bytes(16)))


def identity(tx: Connection) -> bytes | None:
    """The 16 random bytes that tell this store from every other; None before the first migration."""
    return tx.execute(sa.select(facts.c.value).where(facts.c.name == STORE_ID)).scalar()
