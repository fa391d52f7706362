"""The journal: on the disk before the answer, and nobody who left comes back with a backup."""

from __future__ import annotations

import datetime as dt
import os
import resource
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.store import Store
from newsletter.subscribers import people, suppression
from newsletter.subscribers.journal import Journal, Kind, Replayed
from newsletter.subscribers.people import Asked, Person
from newsletter.subscribers.states import Reason, State
from newsletter.subscribers.vault import Vault

DAY = dt.timedelta(days=1)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def person(store: Store, subscribe: Callable[..., str]) -> Callable[[str], Person]:
    def make(text: str) -> Person:
        who = subscribe(text)
        with store.read() as tx:
            found = people.find(tx, who)
        assert found is not None
        return found

    return make


def write(journal: Journal, kind: Kind, person: Person, now: dt.datetime) -> None:
    journal.append(kind, person.id, person.suppression_key, epoch=person.consent_epoch, now=now)


def replay(store: Store, journal: Journal) -> Replayed:
    with store.write() as tx:
        return journal.replay(tx)


def state(store: Store, person: Person) -> State:
    with store.read() as tx:
        found = people.find(tx, person.id)
    return found.state if found else State.ABSENT


def test_no_journal_yet_replays_nothing(store: Store, vault: Vault, journal: Journal) -> None:
    assert replay(store, journal) == Replayed(0, 0, 0)


def test_a_leave_that_the_database_never_saw_is_applied_once(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    """The process died between the journal and the transaction, or a backup was restored."""
    reader = person("reader@example.org")
    write(journal, Kind.LEAVE, reader, now)
    assert replay(store, journal) == Replayed(1, 1, 0)
    assert state(store, reader) is State.UNSUBSCRIBED
    assert replay(store, journal) == Replayed(1, 0, 0)


def test_an_erasure_is_applied_and_its_hash_stays(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    reader = person("reader@example.org")
    write(journal, Kind.ERASE, reader, now)
    assert replay(store, journal) == Replayed(1, 1, 0)
    assert state(store, reader) is State.ABSENT
    with store.read() as tx:
        assert set(suppression.reasons(tx, reader.suppression_key)) == {Reason.ERASED}
    assert replay(store, journal) == Replayed(1, 0, 0)


def test_somebody_the_backup_never_knew_is_kept_from_being_mailed(
    store: Store, vault: Vault, journal: Journal, now: dt.datetime
) -> None:
    journal.append(Kind.LEAVE, "f" * 32, b"k" * 32, epoch=1, now=now)
    assert replay(store, journal) == Replayed(1, 1, 0)
    with store.read() as tx:
        assert set(suppression.reasons(tx, b"k" * 32)) == {Reason.LEFT}


def test_a_later_opt_in_is_not_undone(
    store: Store,
    journal: Journal,
    person: Callable[[str], Person],
    subscribe: Callable[..., str],
    now: dt.datetime,
) -> None:
    reader = person("reader@example.org")
    write(journal, Kind.LEAVE, reader, now)
    with store.write() as tx:
        people.leave(tx, reader.id, now, "page")
    subscribe("reader@example.org", now + DAY)
    assert replay(store, journal) == Replayed(1, 0, 0)
    assert state(store, reader) is State.CONFIRMED


def test_an_opt_in_after_a_restore_is_not_undone_by_a_later_record(
    store: Store,
    journal: Journal,
    person: Callable[[str], Person],
    ask: Callable[..., Asked],
    subscribe: Callable[..., str],
    now: dt.datetime,
) -> None:
    """The row's own count was set back by the restore; the journal knows two leaves."""
    reader = person("reader@example.org")
    for epoch in (1, 3):
        journal.append(Kind.LEAVE, reader.id, reader.suppression_key, epoch=epoch, now=now)
    assert replay(store, journal).applied == 1
    subscribe("reader@example.org", now + DAY)
    assert replay(store, journal).applied == 0
    assert state(store, reader) is State.CONFIRMED


def test_an_erased_person_who_came_back_as_somebody_new_stays(
    store: Store,
    journal: Journal,
    person: Callable[[str], Person],
    subscribe: Callable[..., str],
    vault: Vault,
    now: dt.datetime,
) -> None:
    reader = person("reader@example.org")
    write(journal, Kind.ERASE, reader, now)
    with store.write() as tx:
        people.erase(tx, reader.id, now)
    again = subscribe("reader@example.org", now + DAY)
    assert replay(store, journal) == Replayed(1, 0, 0)
    with store.read() as tx:
        assert suppression.reasons(tx, reader.suppression_key) == {}
        found = people.find(tx, again)
    assert found is not None
    assert found.state is State.CONFIRMED


@pytest.mark.parametrize("cut", [1, 10, 100])
def test_a_torn_last_line_is_passed_over_and_the_next_one_stands_alone(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime, cut: int
) -> None:
    first, second = person("first@example.org"), person("second@example.org")
    write(journal, Kind.LEAVE, first, now)
    write(journal, Kind.LEAVE, second, now)
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    # A line that lacks only its newline is whole: it may have been answered.
    assert replay(store, journal) == Replayed(2 - (cut > 1), 2 - (cut > 1), int(cut > 1))
    write(journal, Kind.LEAVE, second, now)
    replay(store, journal)
    assert state(store, second) is State.UNSUBSCRIBED


@pytest.mark.parametrize(
    "line", [b"{}", b"[]", b"null", b"\xff\xfe", b'{"kind":"leave"}', b"x" * 9]
)
def test_a_damaged_line_stops_nothing(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime, line: bytes
) -> None:
    reader = person("reader@example.org")
    journal.path.write_bytes(line + b"\n")
    write(journal, Kind.LEAVE, reader, now)
    assert replay(store, journal) == Replayed(1, 1, 1)


def test_many_writers_lose_and_mix_no_line(journal: Journal, now: dt.datetime) -> None:
    other = Journal(journal.path)

    def append(which: Journal, name: str) -> None:
        for _ in range(50):
            which.append(Kind.LEAVE, name * 32, b"k" * 32, epoch=1, now=now)

    threads = [
        threading.Thread(target=append, args=(which, name))
        for which, name in ((journal, "a"), (journal, "b"), (other, "c"), (other, "d"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = [entry for entry in journal.entries() if entry is not None]
    assert len(entries) == 200


def test_a_long_journal_is_replayed_in_batches(
    store: Store, vault: Vault, journal: Journal, now: dt.datetime
) -> None:
    for number in range(5):
        journal.append(Kind.ERASE, f"{number:032x}", bytes([number]) * 32, epoch=1, now=now)
    line = journal.path.read_bytes()
    with journal.path.open("ab") as file:
        file.write(line * 200)
    assert replay(store, journal) == Replayed(1005, 5, 0)


def test_a_record_is_on_the_disk_before_append_returns(
    journal: Journal, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in the file when the disk is asked to keep it; the folder is kept with the name."""
    kept: list[bytes | None] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        kept.append(journal.path.read_bytes() if is_file else None)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    for _ in range(2):
        journal.append(Kind.LEAVE, "a" * 32, b"k" * 32, epoch=1, now=now)
    lines = journal.path.read_bytes().splitlines(keepends=True)
    assert kept == [lines[0], None, lines[0] + lines[1]]


def test_the_journal_is_for_its_owner_alone_and_holds_no_address(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    write(journal, Kind.LEAVE, person("reader@example.org"), now)
    assert stat.S_IMODE(journal.path.stat().st_mode) == 0o600
    assert b"example.org" not in journal.path.read_bytes()


def test_catching_up_reads_only_what_is_new(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    assert journal.catch_up(store) == Replayed(0, 0, 0)
    first, second = person("first@example.org"), person("second@example.org")
    write(journal, Kind.LEAVE, first, now)
    assert journal.catch_up(store) == Replayed(1, 1, 0)
    assert journal.catch_up(store) == Replayed(0, 0, 0)
    write(journal, Kind.LEAVE, second, now)
    assert journal.catch_up(store) == Replayed(1, 1, 0)
    assert state(store, second) is State.UNSUBSCRIBED


def test_a_line_without_its_end_is_looked_at_again(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    write(journal, Kind.LEAVE, person("first@example.org"), now)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:40])
    assert journal.catch_up(store) == Replayed(1, 1, 1)
    write(journal, Kind.LEAVE, person("second@example.org"), now)
    assert journal.catch_up(store) == Replayed(1, 1, 1)


def test_another_journal_in_its_place_is_read_from_its_beginning(
    store: Store, journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    first, second = person("first@example.org"), person("second@example.org")
    write(journal, Kind.LEAVE, first, now)
    journal.catch_up(store)
    journal.path.unlink()
    for _ in range(3):
        write(journal, Kind.LEAVE, second, now)
    assert journal.catch_up(store) == Replayed(3, 1, 0)
    journal.path.unlink()
    assert journal.catch_up(store) == Replayed(0, 0, 0)


def test_a_leave_whose_line_is_torn_by_a_full_disk_is_not_answered(
    journal: Journal, person: Callable[[str], Person], now: dt.datetime
) -> None:
    first, second = person("first@example.org"), person("second@example.org")
    write(journal, Kind.LEAVE, first, now)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.path.stat().st_size + 50, limits[1]))
    try:
        with pytest.raises(OSError, match="No space left"):
            write(journal, Kind.LEAVE, second, now)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    write(journal, Kind.LEAVE, second, now)
    entries = [entry for entry in journal.entries() if entry is not None]
    assert [entry.subscriber_id for entry in entries] == [first.id, second.id]
