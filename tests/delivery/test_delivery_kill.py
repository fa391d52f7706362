"""kill -9 of a real sending process, then send again: nobody twice, nobody without a state."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import House, smtp
from scripted_relay import Step, relay

from newsletter.delivery import desk, ledger
from newsletter.delivery.ledger import whereabouts
from newsletter.delivery.loop import Stop
from newsletter.store.tables import senders

READERS = 120
SCRIPT = Path(__file__).with_name("sender_process.py")


def start(house: House, port: int, connections: int) -> subprocess.Popen[str]:
    url = house.store._writer.url.render_as_string(hide_password=False)
    database = url.removeprefix("sqlite:///") if house.store.dialect == "sqlite" else url
    return subprocess.Popen(
        [
            sys.executable,
            str(SCRIPT),
            database,
            str(house.settings.root),
            str(port),
            str(connections),
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_killed_at_any_moment_and_sent_again_nobody_gets_two_and_nobody_is_lost(
    house: House,
) -> None:
    kill_and_send_again(house, 4, random.Random(1))


def test_with_one_connection_a_kill_costs_at_most_one_doubt(sqlite_house: House) -> None:
    kill_and_send_again(sqlite_house, 1, random.Random(0))


def kill_and_send_again(house: House, connections: int, dice: random.Random) -> None:
    house.readers(READERS)
    house.open()
    reached = threading.Condition()
    got = 0

    def dot(to: str) -> str:
        nonlocal got
        with reached:
            got += 1
            reached.notify_all()
        return "250 ok"

    kills = 0
    with relay({Step.DOT: dot}) as server:
        for target in sorted(dice.sample(range(2, READERS - 10), 3)):
            process = start(house, server.port, connections)
            with reached:
                reached.wait_for(lambda: got >= target or process.poll() is not None, timeout=20)  # noqa: B023
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
        last = start(house, server.port, connections)
        out, _ = last.communicate(timeout=30)
        assert last.returncode == 0, out
    copies = Counter(to for to, _ in server.delivered)
    account = house.sum()
    assert kills >= 2
    assert max(copies.values()) == 1
    assert account.exact
    assert account.pending == 0
    assert account.in_doubt <= kills * connections
    assert account.accepted + account.in_doubt == READERS
    unserved = READERS - len(copies)
    assert unserved <= account.in_doubt


def test_a_stopped_process_is_alive_and_keeps_its_claims(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(40)
    house.open()
    # Both connections wait for their answers, so nobody holds the database when it stops.
    at_the_dot, go_on = threading.Semaphore(0), threading.Event()

    def dot(to: str) -> str:
        at_the_dot.release()
        go_on.wait(20)
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        first = start(house, server.port, 2)
        assert all(at_the_dot.acquire(timeout=20) for _ in range(2))
        os.kill(first.pid, signal.SIGSTOP)
        go_on.set()
        second = start(house, server.port, 2)
        second.communicate(timeout=30)
        assert house.sum().in_doubt == 0
        os.kill(first.pid, signal.SIGCONT)
        first.communicate(timeout=30)
    assert house.sum().accepted == 40
    assert Counter(server.accepted).most_common(1)[0][1] == 1


def test_a_sender_that_was_taken_for_dead_claims_and_begins_nothing_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "BATCH", 1)  # the next claim comes soon
    house.readers(12)
    house.open()
    elsewhere = replace(whereabouts.here(), host="another machine")
    judged = threading.Event()

    def dot(to: str) -> str:
        if not judged.is_set():
            judged.set()
            with house.store.write() as tx:
                late = house.now + ledger.LEASE + dt.timedelta(minutes=1)
                assert ledger.recover(tx, elsewhere, late).in_doubt
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        report = house.send(smtp(server), connections=2)
        assert report.stop is Stop.PAUSED
        assert len(server.delivered) <= 2 * 2
        assert "claimed" not in house.states().values()
        with house.store.read() as tx:
            assert tx.scalar(sa.select(sa.func.count()).select_from(senders)) == 0
        house.send(smtp(server), connections=2)
        assert Counter(to for to, _ in server.delivered).most_common(1)[0][1] == 1
    assert house.sum().pending == 0
    assert house.sum().accepted + house.sum().in_doubt == 12
