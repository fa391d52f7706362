"""What a start finds of senders that ended badly, by name: each rule of the table in docs/delivery-states.md."""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House, smtp
from scripted_relay import DROP, Step, relay
from test_delivery_kill import start

from newsletter.delivery import departure, ledger, loop, notices
from newsletter.delivery.ledger import LEASE, tally, whereabouts
from newsletter.delivery.ledger.tally import Tally
from newsletter.delivery.ledger.turn import Turns
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State
from newsletter.store import open_store
from newsletter.store.restored import forget_restored, mark_restored
from newsletter.store.tables import senders, subscribers
from newsletter.subscribers.journal import Journal

DEAD = Whereabouts("host", "boot", 7, "1")
HERE = Whereabouts("host", "boot", 8, "2")
ACCEPTED = Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250)


def counted(house: House) -> Counter[str]:
    return Counter(house.states().values())


def nobody(pid: int) -> str | None:
    return None


def dies(house: House, *, claims: int = 3, begins: int = 1) -> None:
    """A sender claims, begins, and is gone without a word."""
    with house.store.write() as tx:
        ledger.register(tx, "dead", DEAD, house.now)
        jobs = ledger.claim(tx, LANE, "dead", claims, house.now)
        counting = Tally(tally.path_of(tx, "dead"))
    turns = Turns(house.store, "dead")
    turns.take([], jobs[:begins], house.now)
    turns.close()
    counting.add(begins)
    counting.leave()


def recover(house: House, ours: Whereabouts) -> ledger.Recovered:
    with house.store.write() as tx:
        return ledger.recover(tx, ours, house.now, nobody)


@pytest.fixture
def opened(house: House) -> House:
    house.readers(5)
    house.open()
    return house


def test_same_boot_claims_wait_again_and_what_was_begun_is_in_doubt(opened: House) -> None:
    dies(opened)
    recover(opened, HERE)
    assert counted(opened) == {"queued": 4, "in_doubt": 1}


def test_another_boot_puts_claims_in_doubt_too(opened: House) -> None:
    dies(opened)
    recover(opened, dataclasses.replace(HERE, boot_id="after the power cut"))
    assert counted(opened) == {"queued": 2, "in_doubt": 3}


def test_another_host_is_trusted_for_its_lease_and_then_in_doubt(opened: House) -> None:
    dies(opened)
    elsewhere = dataclasses.replace(HERE, host="another")
    recover(opened, elsewhere)
    assert counted(opened) == {"queued": 2, "claimed": 2, "sending": 1}
    opened.now += LEASE
    recover(opened, elsewhere)
    assert counted(opened) == {"queued": 2, "in_doubt": 3}


def test_a_database_that_knows_less_than_the_tally_was_put_back(
    house: House, tmp_path: Path
) -> None:
    """On SQLite a copied file; on PostgreSQL a server put back, told by the tally beside the witness."""
    if house.store.dialect == "postgresql":
        url = house.store._writer.url.render_as_string(hide_password=False)
        house.store.close()
        house.store = open_store(url, tmp_path / "witness folder")
    house.readers(5)
    house.open()
    dies(house, begins=2)
    with house.store.write() as tx:
        tx.execute(sa.update(senders).values(begun=1))
    recover(house, HERE)
    assert counted(house) == {"queued": 2, "in_doubt": 3}
    house.store.close()


def test_a_postgresql_without_a_folder_has_no_tally_and_says_nothing(opened: House) -> None:
    with opened.store.read() as tx:
        path = tally.path_of(tx, "dead")
    assert (path is None) == (opened.store.dialect == "postgresql")


def test_a_restored_store_sends_no_notice_until_it_is_adopted(house: House) -> None:
    (reader,) = house.readers(1)
    with house.store.write() as tx:
        notices.enqueue(tx, "data", reader, b"12345678", "en", 1, house.now)
        mark_restored(tx)
    with relay() as server:
        report = house.send(smtp(server), lanes=[ledger.NOTICES])
        assert report.stop is loop.Stop.PAUSED
        assert report.trouble is not None
        assert report.trouble.code == "NL702"
        assert server.delivered == []
        with house.store.write() as tx:
            forget_restored(tx)
        assert house.send(smtp(server), lanes=[ledger.NOTICES]).accepted == 1


def test_a_stalled_sender_is_fenced_off_in_the_turn_that_would_begin(opened: House) -> None:
    with opened.store.write() as tx:
        ledger.register(tx, "stalled", DEAD, opened.now)
        first, second = ledger.claim(tx, LANE, "stalled", 2, opened.now)
    turns = Turns(opened.store, "stalled")
    assert turns.take([], [first], opened.now).begun == [True]
    recover(opened, HERE)  # another start took it for dead
    states, begun, _ = turns.take([(first, ACCEPTED)], [second], opened.now)
    turns.close()
    assert begun == [False]
    assert states == [State.ACCEPTED]  # its own late answer is evidence
    assert counted(opened) == {"accepted": 1, "queued": 4}


def test_who_left_since_the_claim_is_excluded_in_the_turn(opened: House) -> None:
    with opened.store.write() as tx:
        ledger.register(tx, "sender", whereabouts.here(), opened.now)
        jobs = ledger.claim(tx, LANE, "sender", 3, opened.now)
        tx.execute(
            sa.update(subscribers)
            .where(subscribers.c.id == jobs[1].subscriber_id)
            .values(consent_epoch=2)
        )
    turns = Turns(opened.store, "sender")
    states, begun, _ = turns.take([], jobs, opened.now)
    turns.close()
    assert begun == [True, False, True]
    assert states == [State.EXCLUDED]


def test_who_left_since_the_claim_is_not_even_announced(opened: House) -> None:
    with opened.store.write() as tx:
        ledger.register(tx, "sender", whereabouts.here(), opened.now)
        first, gone, stays = ledger.claim(tx, LANE, "sender", 3, opened.now)
        tx.execute(
            sa.update(subscribers)
            .where(subscribers.c.id == gone.subscriber_id)
            .values(consent_epoch=2)
        )
    turns = Turns(opened.store, "sender")
    turn = turns.take([], [first], opened.now, [gone, stays])
    turns.close()
    assert turn.cleared == [False, True]
    assert turn.states == [State.EXCLUDED]
    assert counted(opened) == {"sending": 1, "excluded": 1, "claimed": 1, "queued": 2}


def test_erasure_while_sending_lets_the_mail_end_and_keeps_the_sum_exact(
    house: House, tmp_path: Path
) -> None:
    readers = house.readers(3)
    house.open()
    journal = Journal(tmp_path / "journal.jsonl")
    erased: list[str] = []

    def dot(to: str) -> str:
        if not erased:
            erased.append(readers[int(to[6:-12])])
            departure.erase(house.store, journal, erased[0], house.now)
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        house.send(smtp(server), connections=1)
    assert house.states()[erased[0]] == "accepted"
    assert house.sum().exact
    assert house.sum().accepted == 3
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(subscribers)) == 2


def test_a_lost_answer_after_an_erasure_is_in_doubt_and_never_sent_again(
    sqlite_house: House, tmp_path: Path
) -> None:
    house = sqlite_house
    (reader,) = house.readers(1)
    house.open()

    def dot(to: str) -> str:
        departure.erase(house.store, Journal(tmp_path / "journal.jsonl"), reader, house.now)
        return DROP

    with relay({Step.DOT: dot}) as server:
        house.send(smtp(server), connections=1)
        house.send(smtp(server), connections=1)
    assert len(server.delivered) == 1
    assert house.states() == {reader: "in_doubt"}


def test_a_leave_excludes_at_once_what_was_claimed(opened: House, tmp_path: Path) -> None:
    with opened.store.write() as tx:
        ledger.register(tx, "sender", whereabouts.here(), opened.now)
        job, *_ = ledger.claim(tx, LANE, "sender", 3, opened.now)
    assert job.link_id is not None
    journal = Journal(tmp_path / "journal.jsonl")
    departure.leave(opened.store, journal, bytes(job.link_id), opened.now, "one-click")
    assert opened.states()[job.subscriber_id] == "excluded"
    turns = Turns(opened.store, "sender")
    assert turns.take([], [job], opened.now)[1] == [False]
    turns.close()


def test_processes_that_send_from_one_database_at_once_share_the_work(house: House) -> None:
    house.readers(200)
    house.open()
    with relay() as server:
        processes = [start(house, server.port, 2) for _ in range(3)]
        for process in processes:
            process.communicate(timeout=60)
            assert process.returncode == 0
    assert Counter(to for to, _ in server.delivered) == Counter(
        f"reader{number}@example.org" for number in range(200)
    )
    assert house.sum().accepted == 200


def test_a_sender_on_another_host_shares_the_work_and_is_not_robbed(opened: House) -> None:
    with opened.store.write() as tx:
        ledger.register(tx, "far", dataclasses.replace(DEAD, host="another"), opened.now)
        theirs = ledger.claim(tx, LANE, "far", 2, opened.now)
    with relay() as server:
        opened.send(smtp(server))
        assert len(server.delivered) == 3
        turns = Turns(opened.store, "far")
        assert turns.take([], theirs, opened.now)[1] == [True, True]
        assert turns.take([(job, ACCEPTED) for job in theirs], [], opened.now)[0] == [
            State.ACCEPTED,
            State.ACCEPTED,
        ]
        turns.close()
    assert opened.sum().accepted == 5


def leave(house: House, reader: str, tmp_path: Path) -> None:
    with house.store.read() as tx:
        link = tx.scalar(sa.select(subscribers.c.link_id).where(subscribers.c.id == reader))
    assert link is not None
    departure.leave(
        house.store, Journal(tmp_path / "journal.jsonl"), bytes(link), house.now, "page"
    )


def erase(house: House, reader: str, tmp_path: Path) -> None:
    departure.erase(house.store, Journal(tmp_path / "journal.jsonl"), reader, house.now)


def halt(house: House, _reader: str, _path: Path) -> None:
    with house.store.write() as tx:
        ledger.halt(tx, PERIOD, house.now)


@pytest.mark.parametrize("end", [leave, erase, halt])
@pytest.mark.parametrize("power_lost", [True, False])
def test_who_is_taken_out_before_anybody_looked_after_a_dead_sender(
    house: House, tmp_path: Path, end: Callable[[House, str, Path], None], power_lost: bool
) -> None:
    """A power cut may have taken the beginning of a mail that arrived: nobody may say that it did not."""
    house.readers(3)
    house.open()
    here = whereabouts.here()
    gone = dataclasses.replace(here, pid=2**30, process_started="1")
    with house.store.write() as tx:
        ledger.register(
            tx,
            "dead",
            dataclasses.replace(gone, boot_id="the boot before") if power_lost else gone,
            house.now,
        )
        (job,) = ledger.claim(tx, LANE, "dead", 1, house.now)
    end(house, job.subscriber_id, tmp_path)
    assert house.states()[job.subscriber_id] == ("in_doubt" if power_lost else "excluded")
    assert house.sum().exact


STEPS = {
    "claim": "SELECT d.id FROM deliveries AS d WHERE d.period = '2026-11'"
    " AND d.state IN ('queued', 'deferred') AND d.due_at <= 1 ORDER BY d.due_at LIMIT 9",
    "return": "UPDATE deliveries SET claim_id = NULL"
    " WHERE claim_id = 's' AND state IN ('claimed', 'sending') AND state = 'claimed'",
    "expire": "UPDATE deliveries SET reason = 'x' WHERE state IN ('queued', 'deferred')"
    " AND period IN (SELECT period FROM issues WHERE closes_at <= 1)",
    "begin": "UPDATE deliveries SET attempts = 1 WHERE id = 'x' AND state = 'claimed'",
}


@pytest.mark.parametrize("step", STEPS)
def test_no_step_of_a_batch_reads_the_whole_ledger(sqlite_house: House, step: str) -> None:
    with sqlite_house.store.read() as tx:
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {STEPS[step]}").all()
    assert not [row for row in plan if row[3].startswith("SCAN deliveries")], plan
    assert not [row for row in plan if row[3].startswith("SCAN d")], plan


def test_a_desk_keeps_no_more_rows_in_memory_than_a_batch(sqlite_house: House) -> None:
    from newsletter.delivery import desk

    house = sqlite_house
    house.readers(300)
    house.open()
    most = 0
    lock = threading.Lock()

    class Watched(desk.Desk):
        def _turn(self) -> None:
            nonlocal most
            super()._turn()
            with lock:
                held = len(self.pool) + sum(line.job is not None for line in self.calls.every)
                most = max(most, held)

    with relay() as server, pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "Desk", Watched)
        patch.setattr(desk, "BATCH", 10)
        assert house.send(smtp(server), connections=2).accepted == 300
    assert 0 < most <= 2 * 10 + 2
