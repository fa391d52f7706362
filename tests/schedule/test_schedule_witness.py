"""The witness: a restored or copied database is told and sends nothing."""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path

import pytest

from newsletter.delivery.ledger import clock
from newsletter.errors import CouldNotRun
from newsletter.files import write_atomic
from newsletter.schedule.witness import Seen, Standing, Witness, adopt, judge
from newsletter.store import Store, open_store
from newsletter.store.restored import mark_restored

HERE = Seen("a", "2026-11", 7)


@pytest.mark.parametrize(
    ("seen", "store", "standing"),
    [
        (None, Seen("a", None, 0), Standing.FIRST),
        (None, HERE, Standing.MISSING),
        (HERE, HERE, Standing.AGREES),
        (Seen("a", "2026-11", 6), HERE, Standing.AGREES),
        (Seen("a", "2026-11", 8), HERE, Standing.BEHIND),
        (Seen("a", "2026-11", 7, 1), HERE, Standing.BEHIND),  # one mail of the same batch
        (Seen("a", "2026-12", 7), HERE, Standing.AGREES),  # adopted; the period is a floor
        (Seen("b", "2026-11", 7), HERE, Standing.STRANGER),
    ],
)
def test_what_the_witness_says(seen: Seen | None, store: Seen, standing: Standing) -> None:
    assert judge(seen, store) is standing


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


DAMAGED = [
    b"",
    b"[]",
    b"null",
    b"[" * 100_000,
    b"\xff\xfe",
    b'{"store": "a", "last": null, "clock": 1',
    b'{"store": "a", "last": null, "clock": 1}',
    b'{"store": "a", "last": null, "clock": 1, "begun": 0, "more": 1}',
    b'{"store": "a", "last": "soon", "clock": 1, "begun": 0}',
    b'{"store": 7, "last": null, "clock": 1, "begun": 0}',
    b'{"store": "a", "last": null, "clock": "1", "begun": 0}',
    b'{"store": "a", "last": null, "clock": true, "begun": 0}',
    b'{"store": "a", "last": null, "clock": 1e400, "begun": 0}',
    b'{"store": "a", "last": null, "clock": -1, "begun": 0}',
    b'{"store": "a", "last": null, "clock": 99999999999999999999, "begun": 0}',
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
