"""The witness: a restored or copied database is told and sends nothing."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from newsletter.delivery.ledger import clock
from newsletter.errors import CouldNotRun
from newsletter.files import hold, write_atomic
from newsletter.schedule.seen import written
from newsletter.schedule.witness import Seen, Standing, Witness, adopt, judge
from newsletter.store import Store, open_store
from newsletter.store.restored import mark_restored
from newsletter.store.tables import facts

HERE = Seen("a", "2026-11", 7)


@pytest.mark.parametrize(
    ("told", "store", "standing"),
    [
        ([None], Seen("a", None, 0), Standing.FIRST),
        ([None], HERE, Standing.MISSING),
        ([HERE], HERE, Standing.AGREES),
        ([Seen("a", "2026-11", 6)], HERE, Standing.AGREES),
        ([Seen("a", "2026-11", 8)], HERE, Standing.BEHIND),
        ([Seen("a", "2026-11", 7, 1)], HERE, Standing.BEHIND),  # one mail of the same batch
        ([Seen("a", "2026-12", 7)], HERE, Standing.AGREES),  # adopted; the period is a floor
        ([Seen("b", "2026-11", 7)], HERE, Standing.STRANGER),
        ([HERE, None], HERE, Standing.MISSING),  # copied to a host that has not sent from it
        ([None, HERE], HERE, Standing.MISSING),
        ([HERE, Seen("a", "2026-11", 8)], HERE, Standing.BEHIND),  # restored with its witness
        ([Seen("a", "2026-11", 8), None], HERE, Standing.BEHIND),
        ([HERE, Seen("b", "2026-11", 7)], HERE, Standing.STRANGER),
        ([Seen("a", None, 0), None], Seen("a", None, 0), Standing.FIRST),  # a second host, before
        ([HERE, Seen("a", None, 0)], HERE, Standing.AGREES),  # a host that was off since
    ],
)
def test_what_the_witness_and_its_mirror_say(
    told: list[Seen | None], store: Seen, standing: Standing
) -> None:
    assert judge(told, store) is standing
    assert judge(told, store, restored=True) is Standing.BEHIND


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "elsewhere" / "witness.json")


def code(error: CouldNotRun) -> str:
    return error.findings[0].code


def test_the_first_send_writes_the_witness_and_the_next_agrees(
    store: Store, witness: Witness
) -> None:
    first = witness.insist(store)
    assert first.last is None
    assert witness.insist(store) == first
    assert oct(witness.path.stat().st_mode & 0o777) == "0o600"


def test_a_witness_that_saw_more_stops_the_send(sqlite_store: Store, witness: Witness) -> None:
    witness.insist(sqlite_store)
    witness.tick(3)
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store)
    assert code(stopped.value) == "NL702"


def test_a_tick_never_goes_back(sqlite_store: Store, witness: Witness) -> None:
    witness.insist(sqlite_store)
    witness.tick(9)
    witness.tick(4)
    seen = witness.read()
    assert seen is not None
    assert seen.clock == 9


def test_a_witness_that_cannot_be_read_is_no_missing_one(
    sqlite_store: Store, witness: Witness
) -> None:
    witness.path.parent.mkdir()
    write_atomic(witness.path, b"{")
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store)
    assert code(stopped.value) == "NL703"


GOOD = {"store": "a", "last": None, "clock": 1, "begun": 0, "opened": None, "at": None}
DAMAGED = [
    b"",
    b"[]",
    b"null",
    b"[" * 100_000,
    b"\xff\xfe",
    b'{"store": "a", "last": null, "clock": 1',
    b'{"store": "a", "last": null, "clock": 1}',
    *(
        json.dumps(GOOD | wrong).encode()
        for wrong in (
            {"more": 1},
            {"last": "soon"},
            {"store": 7},
            {"clock": "1"},
            {"clock": True},
            {"clock": -1},
            {"clock": 99999999999999999999},
            {"begun": None},
            {"at": "yesterday"},
            {"at": "2026-12-01T09:00:00"},
            {"opened": 5},
        )
    ),
    json.dumps(GOOD).replace(": 1,", ": 1e400,").encode(),
]


@pytest.mark.parametrize("told", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_witness_stops_the_send_and_adopt_goes_on_without_it(
    sqlite_store: Store, witness: Witness, now: dt.datetime, told: bytes
) -> None:
    with sqlite_store.write() as tx:
        clock.advance(tx)
    witness.path.parent.mkdir()
    write_atomic(witness.path, told)
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store)
    assert code(stopped.value) == "NL703"
    adopt(sqlite_store, witness, now)
    assert witness.insist(sqlite_store).clock == 2


def test_a_restored_store_sends_nothing_until_it_is_adopted_even_without_a_witness(
    sqlite_store: Store, witness: Witness, now: dt.datetime
) -> None:
    with sqlite_store.write() as tx:
        mark_restored(tx)
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store)
    assert code(stopped.value) == "NL702"
    assert not witness.path.exists()
    adopt(sqlite_store, witness, now)
    witness.insist(sqlite_store)


def test_another_store_s_witness_is_refused_until_this_store_is_adopted(
    sqlite_store: Store, witness: Witness, now: dt.datetime
) -> None:
    witness.path.parent.mkdir()
    witness.write(Seen("another", "2026-10", 5))
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store)
    assert code(stopped.value) == "NL705"
    adopt(sqlite_store, witness, now)
    seen = witness.insist(sqlite_store)
    assert seen.last == "2026-10"  # what was sent under that witness is not sent again


def test_a_copy_of_the_database_has_the_same_name(
    sqlite_store: Store, witness: Witness, tmp_path: Path
) -> None:
    first = witness.insist(sqlite_store)
    folder = tmp_path / "copy"
    folder.mkdir(mode=0o700)
    shutil.copy(tmp_path / "people" / "newsletter.db", folder / "newsletter.db")
    (folder / "newsletter.db").chmod(0o600)
    copy = open_store(f"sqlite:///{folder / 'newsletter.db'}")
    assert witness.insist(copy) == first
    copy.close()


@pytest.fixture
def mirrored(tmp_path: Path) -> Witness:
    return Witness(tmp_path / "letter" / "witness.json", tmp_path / "state" / "newsletter")


def sent(store: Store, witness: Witness, now: dt.datetime) -> None:
    """As much as a batch of claims does."""
    witness.insist(store, now)
    with store.write() as tx:
        step = clock.advance(tx)
    witness.tick(step, now)


def test_a_folder_restored_with_its_witness_is_behind_the_mirror(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime, tmp_path: Path
) -> None:
    sent(sqlite_store, mirrored, now)
    witness = mirrored.path.read_bytes()
    with sqlite_store.read() as tx:
        step = clock.read(tx)
    sent(sqlite_store, mirrored, now)
    write_atomic(mirrored.path, witness)
    with sqlite_store.write() as tx:  # as the backup has it
        tx.execute(sa.update(facts).where(facts.c.name == clock.NAME).values(value=b"%d" % step))
    with pytest.raises(CouldNotRun) as stopped:
        mirrored.insist(sqlite_store, now)
    assert code(stopped.value) == "NL702"
    Witness(mirrored.path).insist(sqlite_store, now)  # which the witness alone did not notice
    adopt(sqlite_store, mirrored, now)
    mirrored.insist(sqlite_store, now)


def test_a_host_without_a_mirror_sends_nothing_until_it_adopts(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime, tmp_path: Path
) -> None:
    sent(sqlite_store, mirrored, now)
    elsewhere = Witness(mirrored.path, tmp_path / "another host")
    with pytest.raises(CouldNotRun) as stopped:
        elsewhere.insist(sqlite_store, now)
    assert code(stopped.value) == "NL704"
    assert str(tmp_path / "another host") in stopped.value.findings[0].what
    assert not (tmp_path / "another host").exists()
    adopt(sqlite_store, elsewhere, now)
    elsewhere.insist(sqlite_store, now)


def test_the_mirror_is_for_its_owner_alone_and_named_after_the_store(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime
) -> None:
    sent(sqlite_store, mirrored, now)
    assert mirrored.mirror is not None
    (file,) = mirrored.mirror.iterdir()
    assert file.name == f"{sqlite_store.id.hex()}.json"
    assert oct(file.stat().st_mode & 0o777) == "0o600"
    assert oct(mirrored.mirror.stat().st_mode & 0o777) == "0o700"
    assert file.read_bytes() == mirrored.path.read_bytes()


def test_a_mirror_keeps_up_with_what_another_host_sends(
    store: Store, now: dt.datetime, tmp_path: Path
) -> None:
    one, two = (
        Witness(tmp_path / host / "witness.json", tmp_path / f"{host} state") for host in "ab"
    )
    one.insist(store, now)
    two.insist(store, now)
    sent(store, one, now)
    two.follow(store)
    seen = two.seen(store.id.hex())
    assert seen is not None
    assert seen.clock == 1


def test_a_mirror_that_cannot_be_kept_stops_the_send_and_names_its_folder(
    sqlite_store: Store, now: dt.datetime, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    witness = Witness(tmp_path / "witness.json", tmp_path / "file" / "newsletter")
    with pytest.raises(CouldNotRun) as stopped:
        witness.insist(sqlite_store, now)
    assert code(stopped.value) == "NL703"  # a path through a file cannot be read either
    assert stopped.value.findings[0].what.endswith(" cannot be read: Not a directory")
    closed = Witness(tmp_path / "witness.json", Path("/proc/newsletter"))
    with pytest.raises(CouldNotRun) as stopped:
        closed.insist(sqlite_store, now)
    assert code(stopped.value) == "NL711"
    assert "/proc/newsletter" in stopped.value.findings[0].what
    longer = Witness(tmp_path / "witness.json", tmp_path / ("x" * 300))
    with pytest.raises(CouldNotRun) as stopped:
        longer.insist(sqlite_store, now)
    assert code(stopped.value) == "NL711"
    assert stopped.value.findings[0].what.endswith("x: File name too long")


def test_a_clock_before_what_was_sent_stops_the_send_until_it_is_right(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime
) -> None:
    sent(sqlite_store, mirrored, now)
    mirrored.insist(sqlite_store, now - dt.timedelta(minutes=10))
    back = now - dt.timedelta(minutes=11)
    with pytest.raises(CouldNotRun) as stopped:
        mirrored.insist(sqlite_store, back)
    assert code(stopped.value) == "NL710"
    mirrored.insist(sqlite_store, now)
    adopt(sqlite_store, mirrored, back)  # the operator says that it was wrong before
    mirrored.insist(sqlite_store, back)


def test_two_senders_of_one_host_never_make_the_witness_forget(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime
) -> None:
    mirrored.insist(sqlite_store, now)

    def ticks(steps: range) -> None:
        for step in steps:
            mirrored.tick(step, now + dt.timedelta(seconds=step))

    threads = [threading.Thread(target=ticks, args=(range(n, 60, 3),)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place in mirrored.places(sqlite_store.id.hex()):
        told = json.loads(place.read_text())
        assert (told["clock"], told["at"]) == (59, (now + dt.timedelta(seconds=59)).isoformat())


def test_a_sender_waits_for_another_that_is_writing_the_witness(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime
) -> None:
    first = mirrored.insist(sqlite_store, now)
    folder = os.open(mirrored.path.parent, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    other = threading.Thread(target=mirrored.tick, args=(5, now))
    other.start()
    other.join(0.2)
    assert other.is_alive()
    write_atomic(mirrored.path, written(replace(first, clock=9)))
    os.close(folder)
    other.join()
    told = mirrored.read()
    assert told is not None
    assert told.clock == 9


def test_a_sender_that_stands_still_in_the_witness_is_told_and_not_waited_for_for_ever(
    sqlite_store: Store, mirrored: Witness, now: dt.datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrored.insist(sqlite_store, now)
    before = mirrored.path.read_bytes()
    monkeypatch.setattr("newsletter.schedule.witness.PATIENCE_SECONDS", 0.05)
    with hold(mirrored.path.parent), pytest.raises(CouldNotRun) as refused:
        mirrored.tick(5, now)
    assert refused.value.findings[0].code == "NL714"
    assert mirrored.path.read_bytes() == before
