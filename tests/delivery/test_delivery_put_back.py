"""A copy of the database made in the middle of a batch and put back later: nobody gets two mails.

The list fits one batch, so the ledger's clock stands still from the first mail
to the last. Real files, copied and put back as `cp` does it: into the same inode.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import House, smtp
from scripted_relay import DROP, Step, relay
from sqlalchemy.engine import Connection
from test_delivery_kill import start

from newsletter.delivery import ledger
from newsletter.delivery.ledger.tally import Tally
from newsletter.delivery.states import State
from newsletter.errors import CouldNotRun
from newsletter.schedule.witness import Witness, adopt, look
from newsletter.store import open_store
from newsletter.store.tables import deliveries

READERS = 30
ENDS = ("", "-wal")


def database(house: House) -> Path:
    return Path(str(house.store._writer.url.database))


def copy(house: House, to: Path) -> None:
    """`cp newsletter.db newsletter.db-wal`, at a moment when nobody writes."""
    to.mkdir()
    for end in ENDS:
        shutil.copyfile(f"{database(house)}{end}", to / f"copy{end}")


def put_back(house: House, copied: Path) -> None:
    """`cp` over the database that is there: the same inode, the older bytes."""
    house.store.close()
    file = database(house)
    inode = file.stat().st_ino
    Path(f"{file}-shm").unlink(missing_ok=True)
    for end in ENDS:
        shutil.copyfile(copied / f"copy{end}", f"{file}{end}")
        Path(f"{file}{end}").chmod(0o600)
    assert file.stat().st_ino == inode
    house.store = open_store(f"sqlite:///{file}")


def twice(delivered: list[tuple[str, bytes]]) -> list[str]:
    return [who for who, times in Counter(to for to, _ in delivered).items() if times > 1]


def states(tx: Connection) -> Counter[str]:
    return Counter(tx.scalars(sa.select(deliveries.c.state)))


def test_a_copy_from_within_a_batch_put_back_after_the_send_is_behind(
    sqlite_house: House, tmp_path: Path
) -> None:
    house, witness = sqlite_house, Witness(tmp_path / "witness.json")
    house.readers(READERS)
    witness.insist(house.store)
    house.open()
    witness.record(house.store)
    mails = 0

    def dot(to: str) -> str:
        nonlocal mails
        mails += 1
        if mails == 8:
            copy(house, tmp_path / "copied")
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        house.send(smtp(server), connections=1, witness=witness.tick)
        witness.record(house.store)
        assert len(server.delivered) == READERS
        put_back(house, tmp_path / "copied")
        with house.store.read() as tx:
            assert states(tx) == {"accepted": 7, "sending": 1, "claimed": READERS - 8}

        with pytest.raises(CouldNotRun) as stopped:
            witness.insist(house.store)
        assert stopped.value.findings[0].code == "NL702"
        assert adopt(house.store, witness, house.now) == READERS - 7
        witness.insist(house.store)
        house.send(smtp(server), connections=1, witness=witness.tick)

        assert twice(server.delivered) == []
    assert house.sum()[State.IN_DOUBT] == READERS - 7


def test_a_copy_put_back_after_a_kill_doubts_whoever_it_shows_as_claimed(
    sqlite_house: House, tmp_path: Path
) -> None:
    house = sqlite_house
    house.readers(READERS)
    house.open()
    mails, reached = 0, threading.Event()

    def dot(to: str) -> str:
        nonlocal mails
        mails += 1
        if mails == 8:
            copy(house, tmp_path / "copied")
        if mails == 20:
            reached.set()
            threading.Event().wait(1)  # the kill comes meanwhile
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        process = start(house, server.port, 1)
        assert reached.wait(20)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        put_back(house, tmp_path / "copied")
        again = start(house, server.port, 1)
        again.communicate(timeout=30)

        assert again.returncode == 0
        assert twice(server.delivered) == []
    assert house.sum()[State.IN_DOUBT] == READERS - 7


def test_the_same_database_after_a_kill_goes_on_with_what_was_claimed(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(READERS)
    house.open()
    mails, reached = 0, threading.Event()

    def dot(to: str) -> str:
        nonlocal mails
        mails += 1
        if mails == 20:
            reached.set()
            threading.Event().wait(1)  # the kill comes meanwhile
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        process = start(house, server.port, 1)
        assert reached.wait(20)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        start(house, server.port, 1).communicate(timeout=30)

        assert twice(server.delivered) == []
    assert house.sum()[State.IN_DOUBT] == 1
    assert house.sum().accepted == READERS - 1


def test_the_tally_of_a_sender_that_ended_is_gone(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(3)
    house.open()
    with relay({}) as server:
        house.send(smtp(server))
    assert list(database(house).parent.glob("*-sender-*")) == []


def test_what_the_operator_takes_back_does_not_make_a_database_look_old(
    sqlite_house: House, tmp_path: Path
) -> None:
    house, witness = sqlite_house, Witness(tmp_path / "witness.json")
    house.readers(2)
    house.open()
    with relay({Step.DOT: ["250 ok", DROP]}) as server:
        house.send(smtp(server), connections=1)
    witness.record(house.store)
    with house.store.write() as tx:
        for line in ledger.lines(tx, "2026-11", [State.IN_DOUBT]):
            ledger.resolve(tx, "2026-11", line.id, State.QUEUED, house.now)
    with house.store.read() as tx:
        assert states(tx)["queued"] == 1
        assert look(tx).begun == 2
    witness.insist(house.store)


def test_a_tally_that_cannot_be_taken_away_does_not_undo_a_send(tmp_path: Path) -> None:
    """A mirror that became read-only says so itself (NL711); the sender has signed off already."""
    counting = Tally(tmp_path / "tally")
    (tmp_path / "tally").unlink()
    (tmp_path / "tally").mkdir()
    counting.end()
    assert (tmp_path / "tally").is_dir()


def test_a_tally_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tally").symlink_to("/dev/full")
    counting = Tally(tmp_path / "tally")
    with pytest.raises(OSError, match="No space left") as full:
        counting.add(1)
    assert full.value.filename == str(tmp_path / "tally")
