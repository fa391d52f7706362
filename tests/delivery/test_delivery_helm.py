"""Of all copies of a store on one host, one is sent from at a time."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.delivery.ledger import helm
from newsletter.errors import CouldNotRun
from newsletter.store import Store, open_store

Copies = Callable[[], Store]
"""Opens another copy of one store."""

OF_FILES = pytest.mark.parametrize("copies", ["sqlite"], indirect=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def copies(request: pytest.FixtureRequest, tmp_path: Path, migrated_file: Path) -> Iterator[Copies]:
    mirror = tmp_path / "mirror"
    with ExitStack() as after:

        def file() -> str:
            folder = tmp_path / uuid.uuid4().hex
            folder.mkdir(mode=0o700)
            shutil.copy(migrated_file, folder / "newsletter.db")
            (folder / "newsletter.db").chmod(0o600)
            return f"sqlite:///{folder / 'newsletter.db'}"

        def database() -> str:
            server = request.getfixturevalue("postgres")
            admin = sa.create_engine(server, isolation_level="AUTOCOMMIT")
            name = f"t{uuid.uuid4().hex}"
            with admin.connect() as connection:
                connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE migrated")

            def drop() -> None:
                with admin.connect() as connection:
                    connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
                admin.dispose()

            after.callback(drop)
            return sa.make_url(server).set(database=name).render_as_string(hide_password=False)

        def made() -> Store:
            url = file() if request.param == "sqlite" else database()
            store = open_store(url, mirror=mirror)
            after.callback(store.close)
            return store

        yield made


def test_while_one_copy_is_sent_from_another_is_not(copies: Copies) -> None:
    one, other = copies(), copies()
    assert one.id == other.id
    with helm.held(one), pytest.raises(CouldNotRun) as refused, helm.held(other):
        pass
    assert refused.value.findings[0].code == "NL702"


def test_when_its_senders_have_ended_another_copy_may_be_sent_from(copies: Copies) -> None:
    one, other = copies(), copies()
    with helm.held(one):
        pass
    with helm.held(other):
        pass


def test_several_senders_of_one_copy_hold_it_together(copies: Copies, tmp_path: Path) -> None:
    one, other = copies(), copies()
    with helm.held(one):
        with helm.held(one):
            pass
        with pytest.raises(CouldNotRun), helm.held(other):
            pass
    assert list((tmp_path / "mirror").iterdir()) == [], "the last one tidies up"


def test_a_child_that_outlives_its_sender_does_not_keep_the_helm(copies: Copies) -> None:
    one, other = copies(), copies()
    ear, mouth = os.pipe()
    with helm.held(one):
        child = os.fork()
        if not child:
            os.close(mouth)
            os.read(ear, 1)
            os._exit(0)
    with helm.held(other):
        pass
    os.close(mouth)
    os.close(ear)
    os.waitpid(child, 0)


@OF_FILES
def test_a_file_that_took_the_name_of_another_is_another_copy(
    copies: Copies, tmp_path: Path
) -> None:
    """What was moved away is still sent from by whoever had it open."""
    moved = copies()
    file = Path(str(moved._writer.url.database))
    with helm.held(moved):
        file.rename(tmp_path / "moved.db")
        shutil.copy(tmp_path / "moved.db", file)
        there = open_store(f"sqlite:///{file}", mirror=tmp_path / "mirror")
        with pytest.raises(CouldNotRun), helm.held(there):
            pass
        with helm.held(moved):
            pass
        there.close()


@OF_FILES
def test_a_file_that_was_copied_over_without_its_log_is_another_copy(
    copies: Copies, tmp_path: Path
) -> None:
    """`cp backup.db newsletter.db` keeps the inode; who had it open goes on with the log that is gone."""
    there = copies()
    file = Path(str(there._writer.url.database))
    shutil.copyfile(file, tmp_path / "backup.db")
    with helm.held(there):
        for end in ("-wal", "-shm"):
            file.with_name(f"{file.name}{end}").unlink()
        shutil.copyfile(tmp_path / "backup.db", file)
        anew = open_store(f"sqlite:///{file}", mirror=tmp_path / "mirror")
        with pytest.raises(CouldNotRun), helm.held(anew):
            pass
        anew.close()


def test_a_second_name_of_a_file_is_another_copy_and_a_second_way_to_its_folder_is_not(
    tmp_path: Path, migrated_file: Path
) -> None:
    """`cp -al`: the log lies beside the name by which a database was opened."""
    folder, linked = tmp_path / "letter", tmp_path / "linked"
    for each in (folder, linked):
        each.mkdir(mode=0o700)
    file = folder / "newsletter.db"
    shutil.copy(migrated_file, file)
    file.chmod(0o600)
    os.link(file, linked / file.name)
    (tmp_path / "way").symlink_to(folder)
    with ExitStack() as after:

        def opened(path: Path) -> Store:
            store = open_store(f"sqlite:///{path}", mirror=tmp_path / "mirror")
            after.callback(store.close)
            return store

        with helm.held(opened(file)):
            with helm.held(opened(tmp_path / "way" / file.name)):
                pass
            with pytest.raises(CouldNotRun), helm.held(opened(linked / file.name)):
                pass


def test_where_no_mirror_can_be_kept_there_is_no_helm(tmp_path: Path, migrated_file: Path) -> None:
    """A notice is sent all the same; an issue is refused by the witness, whose mirror lies there."""
    (tmp_path / "mirror").write_text("no folder")
    shutil.copy(migrated_file, tmp_path / "newsletter.db")
    tmp_path.chmod(0o700)
    (tmp_path / "newsletter.db").chmod(0o600)
    store = open_store(f"sqlite:///{tmp_path / 'newsletter.db'}", mirror=tmp_path / "mirror")
    with helm.held(store):
        pass
    store.close()
