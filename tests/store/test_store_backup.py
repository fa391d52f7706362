"""A backup is one moment, whole or nothing, and goes from either database into either."""

from __future__ import annotations

import datetime as dt
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest
import sqlalchemy as sa

from newsletter.errors import CouldNotRun
from newsletter.store import Store, backup, dump, open_store, schema, tables


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    secret = pyrage.x25519.Identity.generate()
    path = tmp_path / "identity.txt"
    path.write_text(f"# created: today\n# public key: {secret.to_public()}\n{secret}\n")
    return path


@pytest.fixture
def recipient(identity: Path) -> str:
    return identity.read_text().split("public key: ")[1].splitlines()[0]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store to restore into."""
    if request.param == "sqlite":
        made = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    else:
        made = open_store(request.getfixturevalue("postgres_url"))
    made.migrate()
    yield made
    made.close()


def everything(store: Store) -> dict[str, list[object]]:
    with store.read() as tx:
        return {
            table.name: sorted(tuple(row) for row in tx.execute(sa.select(table)).all())
            for table in tables.metadata.sorted_tables
        }


@pytest.fixture
def filled(sqlite_store: Store, now: dt.datetime) -> Store:
    """Rows of every kind of value."""
    with sqlite_store.write() as tx:
        for number in range(1200):
            tx.execute(
                tables.suppressions.insert().values(
                    key=number.to_bytes(32), reason="left", since=now
                )
            )
        tx.execute(
            tables.issues.insert().values(
                period="2026-12", number=1, state="open", manifest="m", approved_by="Жанна",
                opened_at=now, dated=now, closes_at=now, closed_at=None, audience=0,
            )
        )  # fmt: skip
        tx.execute(
            tables.editions.insert().values(
                period="2026-12", language="ru", subject='"Письмо"\n', html="<p>\u2028</p>" * 9000,
                text="'", html_sha256="", text_sha256="",
            )
        )  # fmt: skip
        tx.execute(
            tables.attempts.insert().values(
                delivery_id="d", claim_id="c", ended_at=now, outcome="accepted", stage="data"
            )
        )
    return sqlite_store


def restore(store: Store, path: Path, identity: Path, **more: object) -> int:
    with store.write() as tx:
        return backup.read_into(tx, path, identity, **more)  # type: ignore[arg-type]


def code(error: pytest.ExceptionInfo[CouldNotRun]) -> str:
    return error.value.findings[0].code


def test_what_was_saved_comes_back_on_either_database(
    filled: Store, target: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)
    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert restore(target, made.path, identity) == made.rows
    assert everything(target) == everything(filled)
    assert target.id == filled.id
    with target.write() as tx:
        tx.execute(
            tables.attempts.insert().values(
                delivery_id="d", claim_id="c", ended_at=now, outcome="accepted", stage="data"
            )
        )
        assert schema.is_current(tx)


def test_a_backup_of_postgresql_goes_into_sqlite(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime,
    postgres_url: str,
) -> None:  # fmt: skip
    server, small = open_store(postgres_url), open_store(f"sqlite:///{tmp_path}/b/n.db")
    first = backup.write(filled, tmp_path / "one.age", [recipient], now)
    restore(server, first.path, identity)
    second = backup.write(server, tmp_path / "two.age", [recipient], now)
    small.migrate()
    restore(small, second.path, identity)
    assert everything(small) == everything(filled)
    server.close()
    small.close()


def test_a_backup_is_one_moment_while_others_write(
    filled: Store, target: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    before = everything(filled)

    def meanwhile(done: int, total: int, label: str) -> None:
        with filled.write() as tx:
            tx.execute(tables.suppressions.delete())

    made = backup.write(filled, tmp_path / "one.age", [recipient], now, progress=meanwhile)
    assert everything(filled) != before
    restore(target, made.path, identity)
    assert everything(target) == before


def test_nothing_in_the_file_can_be_read_without_the_identity(
    filled: Store, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)
    content = made.path.read_bytes()
    assert content.startswith(b"age-encryption.org/v1")
    assert b"suppressions" not in content


@pytest.mark.parametrize("damage", ["cut", "cut in the head", "flipped", "empty", "other"])
def test_a_damaged_backup_changes_nothing(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime, damage: str
) -> None:
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)
    content = bytearray(made.path.read_bytes())
    match damage:
        case "cut":
            content = content[: len(content) // 2]
        case "cut in the head":
            content = content[:20]
        case "flipped":
            content[-100] ^= 1
        case "empty":
            content = bytearray()
        case _:
            key = pyrage.x25519.Identity.generate().to_public()
            content = bytearray(pyrage.encrypt(b"x", [key]))
    made.path.write_bytes(content)
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    target.migrate()
    before = everything(target)
    with pytest.raises(CouldNotRun) as error:
        restore(target, made.path, identity)
    assert code(error) == "NL815"
    assert everything(target) == before
    target.close()


@pytest.mark.parametrize("cut", [1, 5, 1000])
def test_a_dump_that_lacks_its_end_is_no_dump(
    filled: Store, tmp_path: Path, now: dt.datetime, cut: int
) -> None:
    """Also when age itself has nothing to complain about."""
    with filled.read() as tx:
        lines = list(dump.dump(tx, now))[:-cut]
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    with pytest.raises(dump.Damaged), target.write() as tx:
        dump.load(tx, lines)
    target.close()


def test_a_dump_that_lacks_a_row_is_no_dump(
    filled: Store, tmp_path: Path, now: dt.datetime
) -> None:
    with filled.read() as tx:
        lines = list(dump.dump(tx, now))
    rows = [place for place, line in enumerate(lines) if line.startswith("[[")]
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    with pytest.raises(dump.Damaged), target.write() as tx:
        dump.load(tx, [*lines[: rows[7]], *lines[rows[7] + 1 :]])
    target.close()


@pytest.mark.parametrize(
    "line",
    ["not json\n", "[]\n", '["sqlite_master", ["name"]]\n', '["facts", ["name\\"; DROP"]]\n', "[[1]]\n"],
)  # fmt: skip
def test_a_line_that_is_none_of_ours_stops_it(
    filled: Store, tmp_path: Path, now: dt.datetime, line: str
) -> None:
    with filled.read() as tx:
        lines = list(dump.dump(tx, now))
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    with pytest.raises(dump.Damaged), target.write() as tx:
        dump.load(tx, [lines[0], line, *lines[1:]])
    target.close()


def test_a_backup_is_never_mixed_into_a_list(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)
    before = everything(filled)
    with pytest.raises(CouldNotRun) as error:
        restore(filled, made.path, identity)
    assert code(error) == "NL814"
    assert everything(filled) == before


def test_a_backup_from_a_newer_program_is_told(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    with filled.write() as tx:
        tx.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    with pytest.raises(CouldNotRun) as error:
        restore(target, made.path, identity)
    assert code(error) == "NL801"
    target.close()


def test_recipients_are_wanted_and_looked_at(
    filled: Store, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    for recipients, wanted in (([], "NL810"), ([recipient, "age1nonsense"], "NL811")):
        with pytest.raises(CouldNotRun) as error:
            backup.write(filled, tmp_path / "one.age", recipients, now)
        assert code(error) == wanted
    assert not (tmp_path / "one.age").exists()


def test_no_file_is_overwritten_and_nothing_half_is_left(
    filled: Store, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    (tmp_path / "backups").mkdir()
    path = tmp_path / "backups" / "one.age"

    def full(done: int, total: int, label: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(CouldNotRun) as error:
        backup.write(filled, path, [recipient], now, progress=full)
    assert code(error) == "NL812"
    assert list(path.parent.iterdir()) == []
    path.write_text("older")
    with pytest.raises(CouldNotRun) as error:
        backup.write(filled, path, [recipient], now)
    assert code(error) == "NL812"
    assert path.read_text() == "older"


def test_without_age_it_is_said_what_to_install(
    filled: Store, recipient: str, tmp_path: Path, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(CouldNotRun) as error:
        backup.write(filled, tmp_path / "one.age", [recipient], now)
    assert code(error) == "NL813"


@pytest.mark.parametrize("blocks", [0, 1])
def test_an_interrupt_is_one_in_whichever_block_it_comes(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime, blocks: int
) -> None:
    made = backup.write(filled, tmp_path / "one.age", [recipient], now)

    class Interrupted:
        def __init__(self) -> None:
            self.left = blocks
            self.file = made.path.open("rb")

        def read(self, size: int) -> bytes:
            self.left -= 1
            if self.left < 0:
                self.file.close()
                raise KeyboardInterrupt
            return self.file.read(size)

    secret = pyrage.x25519.Identity.from_str(identity.read_text().splitlines()[-1])
    with pytest.raises(KeyboardInterrupt):
        list(backup._lines(pyrage, Interrupted(), secret, None))


def test_progress_ends_at_all_of_it(
    filled: Store, identity: Path, recipient: str, tmp_path: Path, now: dt.datetime
) -> None:
    told: list[tuple[int, int, str]] = []
    tell: Callable[..., None] = lambda *step: told.append(step)  # noqa: E731
    made = backup.write(filled, tmp_path / "one.age", [recipient], now, progress=tell)
    assert told[-1] == (made.rows, made.rows, "saved")
    target = open_store(f"sqlite:///{tmp_path}/target/newsletter.db")
    restore(target, made.path, identity, progress=tell)
    assert told[-1][0] == told[-1][1]
    assert told[-1][2] == "restored"
    target.close()
