"""New keys while the service runs; interrupted anywhere, it goes on, and no old link dies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.errors import CouldNotRun
from newsletter.store import Store, tables
from newsletter.subscribers import address, keyring, people, rootkey, rotation
from newsletter.subscribers.keyring import RENEWED, Purpose
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault, unlock

READERS = [f"Reader{n}@example.org" for n in range(7)] + ["Жанна@example.org"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "key"


@pytest.fixture
def root(path: Path) -> RootKey:
    return rootkey.new(path)


@pytest.fixture
def readers(vault: Vault, subscribe: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 3)
    for text in READERS:
        subscribe(text)


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def mailboxes(store: Store, vault: Vault) -> set[str]:
    table = tables.subscribers
    with store.read() as tx:
        rows = tx.execute(sa.select(table.c.id, table.c.address)).all()
    return {vault.open_address(row.id, row.address) for row in rows}


def everybody_is_found(store: Store, vault: Vault) -> bool:
    with store.read() as tx:
        return all(people.find_by_address(tx, vault, read(text)) for text in READERS)


@pytest.mark.usefixtures("readers")
def test_everything_is_sealed_anew_and_everything_old_still_works(
    store: Store, vault: Vault, path: Path, root: RootKey, now: dt.datetime
) -> None:
    token = vault.mail_token(b"12345678")
    message_id = vault.message_ids(["d1" * 16], "example.org")
    key = vault.suppression_key(read(READERS[0]))
    done = rotation.rotate(store, path, now)
    assert done.resealed == len(READERS)
    assert done.kept is not None
    assert rootkey.load(done.kept).value == root.value
    assert rootkey.load(path).value != root.value
    assert not rootkey.unfinished(path).exists()

    fresh = unlock(store, rootkey.load(path), now)
    assert mailboxes(store, fresh) == set(READERS)
    assert everybody_is_found(store, fresh)
    assert fresh.read_mail_token(token) == b"12345678"
    assert fresh.mail_token(b"12345678") != token
    assert fresh.message_ids(["d1" * 16], "example.org") == message_id
    assert fresh.suppression_key(read(READERS[0])) == key
    with store.read() as tx:
        keys = keyring.opened(tx, rootkey.load(path))
    assert keys is not None
    kept = {purpose: list(keys.of[purpose]) for purpose in Purpose}
    assert {purpose for purpose in Purpose if 2 in kept[purpose]} == set(RENEWED)
    assert (kept[Purpose.FIELD], kept[Purpose.INDEX]) == ([2], [2])


@pytest.mark.usefixtures("readers")
def test_the_old_root_key_no_longer_opens_the_database(
    store: Store, path: Path, root: RootKey, now: dt.datetime
) -> None:
    rotation.rotate(store, path, now)
    with pytest.raises(CouldNotRun) as error:
        unlock(store, RootKey(root.value), now)
    assert error.value.findings[0].code == "NL506"


@pytest.mark.usefixtures("readers")
@pytest.mark.parametrize("stop", range(8))
def test_interrupted_anywhere_it_locks_nobody_out_and_goes_on(
    store: Store, path: Path, now: dt.datetime, stop: int
) -> None:
    """Steps: next key written, keyring renewed, old key kept, key in place, then three batches."""
    steps = 0
    for _ in rotation.new_root_steps(store, path, now):
        steps += 1
        if steps > stop:
            break
    else:
        for _ in rotation.reseal(store, unlock(store, rootkey.load(path), now)):
            steps += 1
            if steps > stop:
                break
    # The process is gone; everything opens with the file as it lies there.
    again = unlock(store, rootkey.load(path), now)
    assert mailboxes(store, again) == set(READERS)
    assert everybody_is_found(store, again)
    rotation.rotate(store, path, now)
    assert mailboxes(store, unlock(store, rootkey.load(path), now)) == set(READERS)
    with store.read() as tx:
        keys = keyring.opened(tx, rootkey.load(path))
    assert keys is not None
    assert len(keys.of[Purpose.FIELD]) == 1


@pytest.mark.usefixtures("readers")
def test_a_running_process_follows(
    store: Store,
    vault: Vault,
    path: Path,
    now: dt.datetime,
    ask: Callable[..., people.Asked],
) -> None:
    """`vault` is what the web app holds; the rotation happens in another process."""
    steps = list(rotation.new_root_steps(store, path, now))
    assert len(steps) == 4
    other = unlock(store, rootkey.load(path), now)
    sealing = rotation.reseal(store, other)
    next(sealing)
    # In the middle: known people are found under either key, new ones are sealed by the new one.
    assert everybody_is_found(store, vault)
    later = now + dt.timedelta(hours=1)
    assert [ask(text, later).send_notice for text in READERS] == [False] * len(READERS)
    assert ask("new@example.org", later).send_notice
    assert vault.read_mail_token(other.mail_token(b"12345678")) == b"12345678"
    for _ in sealing:
        pass
    assert mailboxes(store, vault) == {*READERS, "new@example.org"}


@pytest.mark.usefixtures("readers")
def test_a_link_made_with_a_newer_key_is_read_by_a_process_that_has_not_looked(
    store: Store, vault: Vault, path: Path, now: dt.datetime
) -> None:
    rotation.rotate(store, path, now)
    token = unlock(store, rootkey.load(path), now).confirm_token(b"12345678")
    assert vault.read_confirm_token(token) == b"12345678"
    assert vault.read_confirm_token("A" * 32) is None


@pytest.mark.usefixtures("readers")
def test_a_snapshot_from_before_still_opens_after_the_old_keys_are_gone(
    store: Store, vault: Vault, path: Path, now: dt.datetime
) -> None:
    table = tables.subscribers
    with store.read() as tx:
        rows = tx.execute(sa.select(table.c.id, table.c.address)).all()
    rotation.rotate(store, path, now)
    with store.read() as tx:
        vault.follow(tx)
    assert {vault.open_address(row.id, row.address) for row in rows} == set(READERS)


def test_a_wrong_key_rotates_nothing(
    store: Store, vault: Vault, tmp_path: Path, now: dt.datetime
) -> None:
    rootkey.new(tmp_path / "other")
    with pytest.raises(CouldNotRun) as error:
        rotation.rotate(store, tmp_path / "other", now)
    assert error.value.findings[0].code == "NL506"
    assert not rootkey.unfinished(tmp_path / "other").exists()


def test_keys_rotate_twice(
    store: Store, vault: Vault, path: Path, now: dt.datetime, subscribe: Callable[..., str]
) -> None:
    subscribe(READERS[0])
    first = vault.mail_token(b"12345678")
    told: list[tuple[int, int, str]] = []
    for _ in range(2):
        rotation.rotate(store, path, now, progress=lambda *step: told.append(step))
    assert told == [(1, 1, "sealed anew")] * 2
    fresh = unlock(store, rootkey.load(path), now)
    assert fresh.read_mail_token(first) == b"12345678"
    assert mailboxes(store, fresh) == {READERS[0]}
