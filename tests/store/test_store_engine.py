"""The store keeps its promise on both databases: a write is whole, alone, or not at all."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.errors import CouldNotRun
from newsletter.store import Store, open_store, schema, tables

facts = tables.facts


def code(error: pytest.ExceptionInfo[CouldNotRun]) -> str:
    return error.value.findings[0].code


def test_a_write_is_seen_after_it_ended_and_not_before(store: Store) -> None:
    with store.write() as tx:
        tx.execute(facts.insert().values(name="a", value=b"1"))
        with store.read() as other:
            assert not other.execute(sa.select(facts).where(facts.c.name == "a")).all()
    with store.read() as other:
        assert other.execute(sa.select(facts.c.value).where(facts.c.name == "a")).scalar() == b"1"


def test_a_write_that_raises_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as tx:
            tx.execute(facts.insert().values(name="a", value=b"1"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with store.read() as tx:
        assert not tx.execute(sa.select(facts).where(facts.c.name == "a")).all()


def test_a_read_cannot_write(store: Store) -> None:
    with pytest.raises(sa.exc.DBAPIError), store.read() as tx:
        tx.execute(facts.insert().values(name="a", value=b"1"))


def test_a_read_sees_one_moment(store: Store) -> None:
    def count(tx: sa.Connection) -> int:
        return tx.execute(sa.select(sa.func.count()).select_from(facts)).scalar_one()

    with store.read() as tx:
        before = count(tx)
        with store.write() as other:
            other.execute(facts.insert().values(name="a", value=b"1"))
        assert count(tx) == before


def test_writes_of_many_threads_lose_no_update(store: Store) -> None:
    with store.write() as tx:
        tx.execute(facts.insert().values(name="n", value=b"0"))

    def add() -> None:
        for _ in range(20):
            with store.write() as tx:
                value = tx.execute(sa.select(facts.c.value).where(facts.c.name == "n")).scalar_one()
                tx.execute(
                    facts.update()
                    .where(facts.c.name == "n")
                    .values(value=str(int(value) + 1).encode())
                )

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert tx.execute(sa.select(facts.c.value).where(facts.c.name == "n")).scalar() == b"80"


def test_two_processes_lose_no_update(store: Store) -> None:
    """A second Store on the same database stands for a second process: it shares no lock."""
    other = open_store(store._writer.url.render_as_string(hide_password=False))
    with store.write() as tx:
        tx.execute(facts.insert().values(name="n", value=b"0"))

    def add(which: Store) -> None:
        for _ in range(20):
            with which.write() as tx:
                value = tx.execute(sa.select(facts.c.value).where(facts.c.name == "n")).scalar_one()
                more = str(int(value) + 1).encode()
                tx.execute(facts.update().where(facts.c.name == "n").values(value=more))

    threads = [threading.Thread(target=add, args=(which,)) for which in (store, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with other.read() as tx:
        assert tx.execute(sa.select(facts.c.value).where(facts.c.name == "n")).scalar() == b"40"
    other.close()


def test_a_write_inside_a_write_is_a_mistake_of_ours(sqlite_store: Store) -> None:
    with (
        sqlite_store.write(),
        pytest.raises(RuntimeError, match="inside a write"),
        sqlite_store.write(),
    ):
        pass


def test_only_the_senders_commit_is_less_than_full(sqlite_store: Store) -> None:
    def synchronous(durable: bool) -> int:
        with sqlite_store.write(durable=durable) as tx:
            return int(tx.exec_driver_sql("PRAGMA synchronous").scalar_one())

    assert [synchronous(True), synchronous(False), synchronous(True)] == [2, 1, 2]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("busy_timeout", 30000),
        ("journal_size_limit", 1 << 26),
    ],
)
def test_sqlite_is_set_up_as_promised(sqlite_store: Store, pragma: str, value: object) -> None:
    with sqlite_store.write() as tx:
        assert tx.exec_driver_sql(f"PRAGMA {pragma}").scalar() == value


def test_foreign_keys_hold(store: Store) -> None:
    row = {"period": "2026-12", "language": "en", "subject": "", "html": "", "text": ""}
    with pytest.raises(sa.exc.IntegrityError), store.write() as tx:
        tx.execute(tables.editions.insert().values(**row, html_sha256="", text_sha256=""))


def test_a_new_store_is_for_its_owner_alone(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/people/newsletter.db")
    store.migrate()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "people").iterdir()
    }
    store.close()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "people").stat().st_mode) == 0o700


def test_a_folder_as_git_made_it_is_tightened(tmp_path: Path) -> None:
    folder = tmp_path / "subscribers"
    folder.mkdir(mode=0o755)
    (folder / "README.md").touch()
    open_store(f"sqlite:///{folder}/newsletter.db").close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_shared_folder_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "other.txt").touch()
    with pytest.raises(CouldNotRun) as error:
        open_store(f"sqlite:///{folder}/newsletter.db")
    assert code(error) == "NL803"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777
    assert not (folder / "newsletter.db").exists()


def test_a_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "newsletter.db").touch(0o644)
    (tmp_path / "newsletter.db").chmod(0o644)
    with pytest.raises(CouldNotRun) as error:
        open_store(f"sqlite:///{tmp_path}/newsletter.db")
    assert code(error) == "NL803"


@pytest.mark.parametrize("url", ["mysql://x/y", "nonsense", "sqlite://", "sqlite:///:memory:"])
def test_an_unknown_kind_of_database_is_told(url: str) -> None:
    with pytest.raises(CouldNotRun) as error:
        open_store(url)
    assert code(error) == "NL802"


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "newsletter.db"
    path.write_bytes(b"no database at all" * 100)
    path.chmod(0o600)
    with pytest.raises(CouldNotRun) as error:
        open_store(f"sqlite:///{path}")
    assert code(error) == "NL804"


def test_a_server_that_is_not_there_is_told_without_its_password() -> None:
    with pytest.raises(CouldNotRun) as error:
        open_store("postgresql://somebody:hunter2@127.0.0.1:9/none")
    assert code(error) == "NL804"
    assert "hunter2" not in str(error.value.findings)


def test_a_database_from_a_newer_program_is_told_and_not_touched(store: Store) -> None:
    with store.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CouldNotRun) as error:
        store.migrate()
    assert code(error) == "NL801"
    with store.read() as tx:
        assert schema.version(tx) == "9999"


def test_every_store_has_an_id_of_its_own(tmp_path: Path) -> None:
    ids = set()
    for name in ("a", "b"):
        store = open_store(f"sqlite:///{tmp_path}/{name}/newsletter.db")
        store.migrate()
        ids.add(store.id)
        store.migrate()
        ids.add(store.id)
        store.close()
    assert len(ids) == 2
    assert {len(found) for found in ids} == {16}


@pytest.mark.postgres
def test_a_writer_that_stands_still_does_not_hold_up_a_leave_for_ever(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("newsletter.store.engine.BUSY_SECONDS", 0.1)
    one, other = open_store(postgres_url), open_store(postgres_url)
    with one.write(), pytest.raises(sa.exc.OperationalError, match="lock timeout"), other.write():
        raise AssertionError("two writers at once")
    one.close()
    other.close()
