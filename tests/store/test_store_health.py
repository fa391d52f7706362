"""`doctor` on the database: what is wrong is found, and a sound one is left in peace."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from newsletter.errors import Level
from newsletter.store import Store, health, open_store, tables


def codes(store: Store, file: Path | None) -> list[str]:
    return [finding.code for finding in health.check(store, file)]


@pytest.fixture
def file(sqlite_store: Store, tmp_path: Path) -> Path:
    return tmp_path / "people" / "newsletter.db"


def test_a_sound_database_has_no_findings(store: Store, tmp_path: Path) -> None:
    assert codes(store, None) == []


def test_every_file_that_others_may_read_is_told(sqlite_store: Store, file: Path) -> None:
    with sqlite_store.write() as tx:
        tx.execute(tables.facts.insert().values(name="x", value=b""))
    assert codes(sqlite_store, file) == []
    file.with_name("newsletter.db-wal").chmod(0o644)
    file.parent.chmod(0o750)
    assert codes(sqlite_store, file) == ["NL803", "NL803"]


def test_an_older_version_is_told_and_a_newer_one_too(store: Store) -> None:
    for version, code in (("9999", "NL801"), ("", "NL805")):
        with store.write() as tx:
            tx.exec_driver_sql("DELETE FROM alembic_version")
            if version:
                tx.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{version}')")
        assert codes(store, None) == [code]


def test_a_damaged_page_is_found(sqlite_store: Store, file: Path, now: dt.datetime) -> None:
    with sqlite_store.write() as tx:
        rows = [{"key": n.to_bytes(32), "reason": "left", "since": now} for n in range(3000)]
        tx.execute(tables.suppressions.insert(), rows)
    sqlite_store.close()
    content = bytearray(file.read_bytes())
    place = content.rindex((2999).to_bytes(32))
    content[place - 2000 : place] = b"\x55" * 2000
    file.write_bytes(content)
    again = open_store(f"sqlite:///{file}")
    assert codes(again, file) == ["NL806"]
    again.close()


def test_a_reference_to_nothing_is_found(sqlite_store: Store, file: Path) -> None:
    import sqlite3

    sqlite_store.close()
    raw = sqlite3.connect(file)  # foreign keys are off here
    raw.execute("INSERT INTO editions VALUES ('2026-12', 'en', '', '', '', '', '')")
    raw.commit()
    raw.close()
    again = open_store(f"sqlite:///{file}")
    [finding] = health.check(again, file)
    assert (finding.code, "editions" in finding.what) == ("NL806", True)
    again.close()


def test_a_disk_without_room_is_told(file: Path) -> None:
    assert health.room(file, 300_000_000) == []
    (scarce,) = health.room(file, 150_000_000)
    (full,) = health.room(file, 0)
    assert (scarce.code, scarce.level) == ("NL807", Level.WARNING)
    assert (full.code, full.level) == ("NL807", Level.ERROR)


def test_the_room_beside_the_database_is_looked_at(
    sqlite_store: Store, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Path] = []

    def usage(folder: Path) -> object:
        looked.append(folder)
        return type("Usage", (), {"free": 4096})

    monkeypatch.setattr("shutil.disk_usage", usage)
    assert codes(sqlite_store, file) == ["NL807"]
    assert looked == [file.parent]
