"""The migrations and tables.py say the same, on both databases."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from newsletter.store import Store, open_store, schema, tables


def test_migrated_tables_are_the_tables_of_the_code(store: Store) -> None:
    with store.read() as tx:
        context = MigrationContext.configure(
            tx, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, tables.metadata) == []


def test_sqlite_has_word_for_word_what_the_code_would_make(
    sqlite_store: Store, tmp_path: Path
) -> None:
    """Alembic does not compare CHECK constraints; SQLite keeps the statements, so they can be."""

    def shape(tx: sa.Connection) -> dict[str, object]:
        rows = tx.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
        made = {}
        for name, sql in rows:
            if name != "alembic_version":
                inside = re.sub(r"\s+", " ", sql).replace('"', "")
                made[name] = sorted(re.split(r"[,()] ?", inside))
        return made

    direct = sa.create_engine(f"sqlite:///{tmp_path}/direct.db")
    tables.metadata.create_all(direct)
    with sqlite_store.read() as migrated, direct.connect() as made:
        assert shape(migrated) == shape(made)
    direct.dispose()


@pytest.mark.postgres
def test_postgresql_has_the_same_checks_as_the_code(postgres_url: str) -> None:
    def checks(tx: sa.Connection, schema: str) -> set[tuple[str, str]]:
        rows = tx.exec_driver_sql(
            "SELECT conname, pg_get_constraintdef(c.oid) FROM pg_constraint c"
            " JOIN pg_namespace n ON n.oid = connamespace WHERE contype = 'c' AND nspname = %s",
            (schema,),
        )
        return {(name, definition) for name, definition in rows}

    store = open_store(postgres_url)
    with store.write() as tx:
        tx.exec_driver_sql("CREATE SCHEMA direct")
        tables.metadata.create_all(
            tx.execution_options(schema_translate_map={None: "direct"}), checkfirst=False
        )
        migrated, made = checks(tx, "public"), checks(tx, "direct")
    store.close()
    assert len(made) >= 5
    assert migrated == made


def test_the_listed_revisions_are_those_on_disk() -> None:
    script = ScriptDirectory(str(schema.MIGRATIONS))
    on_disk = [found.revision for found in script.walk_revisions()]
    assert tuple(reversed(on_disk)) == schema.REVISIONS


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_old_data_is_carried_forward_from_every_version(
    revision: str, tmp_path: Path, now: dt.datetime
) -> None:
    store = open_store(f"sqlite:///{tmp_path}/people/newsletter.db")
    with store.write() as tx:
        schema.upgrade(tx, to=revision)
        assert schema.version(tx) == revision
        since = round(now.timestamp() * 1000)
        tx.exec_driver_sql("INSERT INTO suppressions VALUES (?, 'left', ?)", (b"k" * 32, since))
    store.migrate()
    with store.read() as tx:
        assert schema.is_current(tx)
        assert tx.execute(sa.select(tables.suppressions)).one() == (b"k" * 32, "left", now)
        context = MigrationContext.configure(tx)
        assert compare_metadata(context, tables.metadata) == []
    store.close()


def test_a_migration_that_fails_leaves_the_database_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is full, the process dies: either all tables or none."""
    store = open_store(f"sqlite:///{tmp_path}/people/newsletter.db")
    monkeypatch.setattr(schema, "STORE_ID", None)  # a NULL key: the last statement fails
    with pytest.raises(sa.exc.IntegrityError):
        store.migrate()
    monkeypatch.undo()
    with store.read() as tx:
        assert sa.inspect(tx).get_table_names() == []
    store.migrate()
    with store.read() as tx:
        assert schema.is_current(tx)
    store.close()


def test_moments_without_a_zone_are_refused(sqlite_store: Store) -> None:
    naive = dt.datetime(2026, 1, 1)  # noqa: DTZ001
    statement = tables.challenges.insert().values(id=b"x" * 16, expires_at=naive)
    with pytest.raises(sa.exc.StatementError, match="no moment"), sqlite_store.write() as tx:
        tx.execute(statement)
