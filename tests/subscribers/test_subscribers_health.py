"""`doctor` on keys and people: each fault has its finding, a sound list has none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.store import Store, tables
from newsletter.subscribers import health, rootkey, rotation
from newsletter.subscribers.journal import Journal, Kind
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "key"


@pytest.fixture
def root(path: Path) -> RootKey:
    return rootkey.new(path)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def codes(
    store: Store, vault: Vault, path: Path, journal: Journal, now: dt.datetime,
    subscribe: Callable[..., str],
) -> Callable[..., list[str]]:  # fmt: skip
    for number in range(3):
        subscribe(f"reader{number}@example.org")

    def check(at: dt.datetime = now, key: Path = path) -> list[str]:
        environ = {"NEWSLETTER_KEY_FILE": str(key)}
        return [finding.code for finding in health.check(store, environ, journal, at)]

    return check


def test_a_sound_list_has_no_findings(codes: Callable[..., list[str]]) -> None:
    assert codes() == []


def test_a_missing_and_a_wrong_key_are_told(
    codes: Callable[..., list[str]], tmp_path: Path
) -> None:
    rootkey.new(tmp_path / "other")
    assert codes(key=tmp_path / "none") == ["NL502"]
    assert codes(key=tmp_path / "other") == ["NL506"]


def test_a_broken_chain_is_told(codes: Callable[..., list[str]], store: Store) -> None:
    with store.write() as tx:
        tx.execute(tables.consent_payloads.update().values(payload="{}"))
    assert codes() == ["NL540"]


def test_a_clock_that_went_back_is_told(codes: Callable[..., list[str]], now: dt.datetime) -> None:
    assert codes(at=now - dt.timedelta(minutes=4)) == []
    assert codes(at=now - dt.timedelta(minutes=6)) == ["NL541"]


def test_torn_lines_and_an_open_journal_are_told(
    codes: Callable[..., list[str]], journal: Journal, now: dt.datetime
) -> None:
    journal.append(Kind.LEAVE, "x", b"k", epoch=1, now=now)
    assert codes() == []
    with journal.path.open("ab") as file:
        file.write(b'{"v":1,"kind":"le')
    journal.path.chmod(0o640)
    assert codes() == ["NL542", "NL803"]


def test_an_unfinished_rotation_is_told_until_it_ends(
    codes: Callable[..., list[str]], store: Store, path: Path, now: dt.datetime
) -> None:
    steps = rotation.new_root_steps(store, path, now)
    for _ in range(4):
        next(steps)
        assert codes() == ["NL543"]
    rotation.rotate(store, path, now)
    assert codes() == []


def test_addresses_that_were_moved_between_rows_are_told(
    codes: Callable[..., list[str]], store: Store
) -> None:
    table = tables.subscribers
    with store.write() as tx:
        rows = tx.execute(table.select().order_by(table.c.id)).all()
        tx.execute(table.update().where(table.c.id == rows[0].id).values(address=rows[1].address))
    assert codes() == ["NL544"]


def test_an_address_under_another_ones_index_is_told(
    codes: Callable[..., list[str]], store: Store
) -> None:
    table = tables.subscribers
    with store.write() as tx:
        who = tx.execute(table.select()).first()
        assert who is not None
        tx.execute(table.update().where(table.c.id == who.id).values(address_index=b"x" * 32))
    assert codes() == ["NL544"]
