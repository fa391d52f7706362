"""A database that is filled from a backup is there whole, or everything is as it was."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest
import sqlalchemy as sa
from tests.conftest import TOML

from newsletter import config
from newsletter.errors import CouldNotRun
from newsletter.files import hold
from newsletter.store import Store, anew, backup, open_store, tables
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.restoring import restore
from newsletter.wiring import House

IDENTITY = pyrage.x25519.Identity.generate()
PROGRAM = Path(sys.executable).with_name("newsletter")
Make = Callable[..., config.Settings]


@pytest.fixture
def saved(sqlite_store: Store, tmp_path: Path, now: Any) -> Path:
    """A backup of some megabytes, and beside it the identities that open it and do not."""
    with sqlite_store.write() as tx:
        tx.execute(
            tables.suppressions.insert(),
            [{"key": os.urandom(32), "reason": "left", "since": now} for _ in range(20_000)],
        )
    (tmp_path / "identity").write_text(str(IDENTITY))
    (tmp_path / "other").write_text(str(pyrage.x25519.Identity.generate()))
    return backup.write(sqlite_store, tmp_path / "list.age", [str(IDENTITY.to_public())], now).path


def as_it_is(folder: Path) -> list[tuple[str, int, bytes]]:
    """Everything at and below `folder`: name, mode, bytes."""
    if not folder.exists():
        return []
    return [
        (
            str(path.relative_to(folder)),
            stat.S_IMODE(path.stat().st_mode),
            path.read_bytes() if path.is_file() else b"",
        )
        for path in sorted([folder, *folder.rglob("*")])
    ]


def fill(house: House, path: Path, identity: Path, progress: Any = None) -> None:
    with house.store_anew() as store:
        restore(store, path, identity, Journal(house.settings.path("j")), progress=progress)


@contextlib.contextmanager
def small_disk(size: int) -> Iterator[None]:
    """No file of this process grows beyond `size` bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def interrupt(done: int, total: int, label: str) -> None:
    if done:
        raise KeyboardInterrupt


def no_folder(folder: Path) -> None:
    """`subscribers/` is made by the restore itself."""


def as_init_made_it(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    (folder / "README.md").write_text("people")


def with_a_journal(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "journal.jsonl").write_text("")


def with_an_empty_database(folder: Path) -> None:
    store = open_store(f"sqlite:///{folder}/newsletter.db")
    store.migrate()
    store.close()


def with_an_empty_database_of_an_older_version(folder: Path) -> None:
    from newsletter.store import schema

    store = open_store(f"sqlite:///{folder}/newsletter.db")
    with store.write() as tx:
        schema.upgrade(tx, to="0003")
    store.close()


GROUNDS = [
    no_folder,
    as_init_made_it,
    with_a_journal,
    with_an_empty_database,
    with_an_empty_database_of_an_older_version,
]


@pytest.mark.parametrize("ground", GROUNDS)
@pytest.mark.parametrize("failing", ["other key", "damaged", "cut", "interrupted", "full"])
def test_a_restore_that_fails_leaves_everything_as_it_was(
    publication: Make, saved: Path, failing: str, ground: Callable[[Path], None]
) -> None:
    house = House(publication())
    folder = house.settings.path("subscribers")
    ground(folder)
    before = as_it_is(house.settings.root)
    content = bytearray(saved.read_bytes())

    match failing:
        case "other key":
            with pytest.raises(CouldNotRun) as told:
                fill(house, saved, saved.with_name("other"))
            assert told.value.findings[0].code == "NL815"
        case "interrupted":
            with pytest.raises(KeyboardInterrupt):
                fill(house, saved, saved.with_name("identity"), interrupt)
        case "full":
            with small_disk(1_500_000), pytest.raises(CouldNotRun) as told:
                fill(house, saved, saved.with_name("identity"))
            assert told.value.findings[0].code == "NL816"
        case _:
            if failing == "cut":
                del content[len(content) // 2 :]
            else:
                content[-100] ^= 1
            saved.write_bytes(content)
            with pytest.raises(CouldNotRun) as told:
                fill(house, saved, saved.with_name("identity"))
            assert told.value.findings[0].code == "NL815"

    assert as_it_is(house.settings.root) == before


@pytest.mark.parametrize("ground", GROUNDS)
def test_a_restore_that_ends_well_is_one_file_for_its_owner_alone(
    publication: Make, saved: Path, ground: Callable[[Path], None]
) -> None:
    house = House(publication())
    folder = house.settings.path("subscribers")
    ground(folder)

    fill(house, saved, saved.with_name("identity"))

    there = {name: mode for name, mode, _ in as_it_is(folder)}
    assert set(there) <= {".", "README.md", "journal.jsonl", "newsletter.db"}
    assert (there["newsletter.db"], there["."]) == (0o600, 0o700)
    with house, house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.suppressions)) == 20_000


@pytest.mark.postgres
@pytest.mark.parametrize("failing", ["other", "interrupted"])
def test_an_empty_server_stays_empty(
    publication: Make, saved: Path, empty_server: str, failing: str
) -> None:
    house = House(publication(toml=f'{TOML}\n[store]\nurl = "{empty_server}"\n'))

    if failing == "other":
        with pytest.raises(CouldNotRun):
            fill(house, saved, saved.with_name("other"))
    else:
        with pytest.raises(KeyboardInterrupt):
            fill(house, saved, saved.with_name("identity"), interrupt)

    engine = sa.create_engine(empty_server)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()
    fill(house, saved, saved.with_name("identity"))
    with house, house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.suppressions)) == 20_000


@pytest.mark.postgres
def test_who_only_asks_makes_no_tables_on_a_server(publication: Make, empty_server: str) -> None:
    house = House(publication(toml=f'{TOML}\n[store]\nurl = "{empty_server}"\n'))
    engine = sa.create_engine(empty_server)

    with house:
        assert not house.is_begun
        assert house.account("2026-12") is None
        assert house.ground.store is None
        with engine.connect() as connection:
            assert sa.inspect(connection).get_table_names() == []
        house.store.migrate()
        assert house.is_begun
    engine.dispose()


@pytest.fixture
def empty_server(postgres: str) -> Iterator[str]:
    """A database without a table."""
    admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql("CREATE DATABASE nothing_yet")
    yield sa.make_url(postgres).set(database="nothing_yet").render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE nothing_yet WITH (FORCE)")
    admin.dispose()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_restore_that_is_ended_from_outside_takes_back_what_it_began(
    publication: Make, saved: Path, how: signal.Signals
) -> None:
    settings = publication()
    folder = settings.path("subscribers")
    as_init_made_it(folder)
    before = as_it_is(settings.root)
    pipe = saved.with_name("pipe")
    os.mkfifo(pipe)  # a backup that does not come, so that there is a middle to be ended in
    words = [PROGRAM, "restore", pipe, "--identity", saved.with_name("identity")]

    process = subprocess.Popen(words, cwd=settings.root, stderr=subprocess.PIPE, text=True)
    with pipe.open("wb"):
        begun = [path.name for path in folder.glob(".newsletter.db.*.new")]
        process.send_signal(how)
    # Its end comes, so that the process sees the signal also where it was about to wait for it.
    _, said = process.communicate(timeout=20)

    assert len(begun) == 1
    assert (process.returncode, said.strip()) == (2, "interrupted: stopped before the end.")
    assert as_it_is(settings.root) == before


def test_what_a_killed_restore_left_is_taken_away_by_the_next(
    publication: Make, saved: Path
) -> None:
    house = House(publication())
    folder = house.settings.path("subscribers")
    folder.mkdir(mode=0o700)
    for end in (".new", ".new-wal", ".new-shm"):
        (folder / f".newsletter.db.abc123{end}").write_bytes(b"left")

    fill(house, saved, saved.with_name("identity"))

    assert [path.name for path in folder.iterdir()] == ["newsletter.db"]


def test_the_log_of_an_older_database_is_not_played_into_the_new_one(
    publication: Make, saved: Path
) -> None:
    house = House(publication())
    folder = house.settings.path("subscribers")
    folder.mkdir(mode=0o700)
    (folder / "newsletter.db-wal").write_bytes(b"somebody's")
    before = as_it_is(folder)

    with pytest.raises(CouldNotRun) as told:
        fill(house, saved, saved.with_name("identity"))

    assert told.value.findings[0].code == "NL816"
    assert "newsletter.db-wal" in told.value.findings[0].what
    assert as_it_is(folder) == before


def test_a_database_that_somebody_makes_meanwhile_is_not_replaced(
    publication: Make, saved: Path
) -> None:
    house = House(publication())
    file = house.settings.path("subscribers/newsletter.db")

    def meanwhile(done: int, total: int, label: str) -> None:
        if not file.exists():
            open_store(f"sqlite:///{file}").close()

    with pytest.raises(CouldNotRun) as told:
        fill(house, saved, saved.with_name("identity"), meanwhile)

    assert told.value.findings[0].code == "NL816"
    assert [path.name for path in file.parent.iterdir()] == ["newsletter.db"]


def test_while_another_process_restores_nothing_is_begun(
    publication: Make, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(publication())
    folder = house.settings.path("subscribers")
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(anew, "PATIENCE_SECONDS", 0.0)

    with hold(folder), pytest.raises(CouldNotRun) as told:
        fill(house, saved, saved.with_name("identity"))

    assert told.value.findings[0].code == "NL816"
    assert list(folder.iterdir()) == []
