"""A restored list: who left or was erased since stays away, and the backup tells nobody anything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pyrage
import pytest

from newsletter.errors import CouldNotRun
from newsletter.store import Store, backup, open_store
from newsletter.store.restored import forget_restored, was_restored
from newsletter.subscribers import address, consent, people, restoring, suppression
from newsletter.subscribers.journal import Journal, Kind
from newsletter.subscribers.people import Asked, Outcome, Person
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.states import Reason, State
from newsletter.subscribers.vault import Vault, unlock

IDENTITY = pyrage.x25519.Identity.generate()
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    path = tmp_path / "identity.txt"
    path.write_text(str(IDENTITY))
    return path


@pytest.fixture
def save(store: Store, tmp_path: Path, now: dt.datetime) -> Callable[[], Path]:
    def run() -> Path:
        return backup.write(store, tmp_path / "list.age", [str(IDENTITY.to_public())], now).path

    return run


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Store]:
    made = open_store(f"sqlite:///{tmp_path}/new/newsletter.db")
    made.migrate()
    yield made
    made.close()


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def person(store: Store, who: str) -> Person:
    with store.read() as tx:
        found = people.find(tx, who)
    assert found is not None
    return found


def test_whoever_left_or_was_erased_since_the_backup_stays_away(
    store: Store, vault: Vault, subscribe: Callable[..., str], save: Callable[[], Path],
    empty: Store, identity: Path, journal: Journal, root: RootKey, now: dt.datetime,
) -> None:  # fmt: skip
    names = ("stays", "leaves", "erased")
    who = {name: subscribe(f"{name}@example.org") for name in names}
    path = save()
    for name, kind in (("leaves", Kind.LEAVE), ("erased", Kind.ERASE)):
        found = person(store, who[name])
        journal.append(kind, found.id, found.suppression_key, epoch=found.consent_epoch, now=now)
    done = restoring.restore(empty, path, identity, journal)
    assert (done.journal.entries, done.journal.applied) == (2, 2)
    again = unlock(empty, root, now)
    with empty.read() as tx:
        states = [people.find_by_address(tx, again, read(f"{name}@example.org")) for name in names]
        assert [found.state if found else State.ABSENT for found in states] == [
            State.CONFIRMED,
            State.UNSUBSCRIBED,
            State.ABSENT,
        ]
        key = again.suppression_key(read("erased@example.org"))
        assert set(suppression.reasons(tx, key)) == {Reason.ERASED}
        assert consent.verify(tx).is_whole
    # The journal is not read again at the next start.
    assert journal.catch_up(empty).entries == 0


def test_a_link_that_was_open_in_the_backup_does_not_undo_a_later_leave(
    store: Store, vault: Vault, subscribe: Callable[..., str], ask: Callable[..., Asked],
    save: Callable[[], Path], empty: Store, identity: Path, journal: Journal, now: dt.datetime,
) -> None:  # fmt: skip
    who = subscribe("reader@example.org")
    with store.write() as tx:
        people.leave(tx, who, now, "page")
    again = ask("reader@example.org", now + HOUR)
    assert again.confirmation_id is not None
    path = save()
    with store.write() as tx:
        people.confirm(tx, again.confirmation_id, now + HOUR)
    found = person(store, who)
    journal.append(
        Kind.LEAVE, found.id, found.suppression_key, epoch=found.consent_epoch, now=now + HOUR
    )
    restoring.restore(empty, path, identity, journal)
    with empty.write() as tx:
        done = people.confirm(tx, again.confirmation_id, now + 2 * HOUR)
    assert done.outcome is Outcome.STALE
    assert person(empty, who).state is State.UNSUBSCRIBED


def test_a_restore_needs_the_root_key_of_its_time(
    store: Store, vault: Vault, subscribe: Callable[..., str], save: Callable[[], Path],
    empty: Store, identity: Path, journal: Journal, now: dt.datetime,
) -> None:  # fmt: skip
    subscribe("reader@example.org")
    restoring.restore(empty, save(), identity, journal)
    with pytest.raises(CouldNotRun) as error:
        unlock(empty, RootKey(b"w" * 32), now)
    assert error.value.findings[0].code == "NL506"


def test_the_recipient_of_a_backup_reads_no_address(
    store: Store, vault: Vault, subscribe: Callable[..., str], save: Callable[[], Path],
) -> None:  # fmt: skip
    """Opened with its identity, a backup still needs the root key, which is not in it."""
    import zlib

    subscribe("Canary@example.org")
    opened = zlib.decompress(pyrage.decrypt(save().read_bytes(), [IDENTITY]))
    assert b'"subscribers"' in opened
    assert b"canary" not in opened.lower()


def test_a_restore_that_fails_leaves_nothing(
    store: Store, vault: Vault, subscribe: Callable[..., str], save: Callable[[], Path],
    empty: Store, identity: Path, journal: Journal,
) -> None:  # fmt: skip
    subscribe("reader@example.org")
    path = save()
    path.write_bytes(path.read_bytes()[:-10])
    before = empty.id
    with pytest.raises(CouldNotRun):
        restoring.restore(empty, path, identity, journal)
    assert empty.id == before


def test_a_restored_store_says_so_until_it_is_adopted(
    vault: Vault, subscribe: Callable[..., str], save: Callable[[], Path],
    empty: Store, identity: Path, journal: Journal,
) -> None:  # fmt: skip
    subscribe("anna@example.org")
    restoring.restore(empty, save(), identity, journal)
    with empty.read() as tx:
        assert was_restored(tx)
    with empty.write() as tx:
        forget_restored(tx)
    with empty.read() as tx:
        assert not was_restored(tx)
