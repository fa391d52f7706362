"""Several processes that send from one ledger keep the publisher's limits together."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa
from delivery_house import House, smtp
from hypothesis import given
from hypothesis import strategies as st
from scripted_relay import Step, relay
from test_delivery_kill import start

from newsletter.delivery import ledger
from newsletter.delivery.company import LOOK_SECONDS
from newsletter.delivery.ledger import whereabouts
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.loop import Pace, Stop
from newsletter.delivery.tempo import Tempo
from newsletter.store.tables import senders


def elsewhere(host: str) -> Whereabouts:
    return Whereabouts(host, "boot", 7, "1")


def register(house: House, *names: str, begun: int = 0) -> None:
    """Senders on other machines, each of its own name."""
    with house.store.write() as tx:
        for name in names:
            ledger.register(tx, name, elsewhere(name), house.now)
            tx.execute(sa.update(senders).where(senders.c.claim_id == name).values(begun=begun))


# Each one's part


@given(st.integers(1, 64), st.integers(1, 12))
def test_the_parts_are_never_more_than_the_whole(connections: int, of: int) -> None:
    parts = []
    for place in range(of):
        tempo = Tempo(connections)
        tempo.share(place, of)
        parts.append(tempo.connections(1.0))
        assert tempo.sit(64, issue=True) == parts[-1]
    assert sum(parts) <= connections
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, reverse=True)


@given(st.floats(1, 400), st.integers(2, 6))
def test_each_has_its_part_of_the_rate_and_all_of_it_when_it_is_alone_again(
    rate: float, of: int
) -> None:
    tempo = Tempo(8, rate)

    def granted(start: float) -> int:
        return sum(tempo.grant(64, start + at / 250) for at in range(2500))

    alone = granted(0.0)
    tempo.share(1, of)
    assert granted(100.0) <= alone / of + 1 + 0.05 * rate
    tempo.share(0, 1)
    assert abs(granted(200.0) - alone) <= 1 + 0.05 * rate


def test_seats_that_are_taken_count_when_the_part_becomes_smaller() -> None:
    tempo = Tempo(8)
    assert tempo.sit(6, issue=True) == 6
    tempo.share(0, 2)
    assert tempo.sit(4, issue=False) == 0
    tempo.rise(6, issue=True)
    assert tempo.sit(8, issue=True) == 4


# Who is there


def test_a_process_counts_once_and_whoever_has_begun_more_stands_in_front(house: House) -> None:
    register(house, "busy", begun=9)
    register(house, "idle")
    with house.store.write() as tx:
        for name in ("issue", "notices"):
            ledger.register(tx, name, whereabouts.here(), house.now)
        tx.execute(sa.update(senders).where(senders.c.claim_id == "issue").values(begun=3))
    with house.store.read() as tx:
        found = {name: ledger.crowd(tx, name) for name in ("busy", "issue", "notices", "idle")}
        assert found == {"busy": (0, 3), "issue": (1, 3), "notices": (1, 3), "idle": (2, 3)}
        assert ledger.crowd(tx, "taken for dead") == (0, 1)


# The loop


def test_whoever_comes_to_another_takes_half_of_the_connections(house: House) -> None:
    register(house, "elsewhere")
    house.readers(40)
    house.open()
    with relay() as server:
        report = house.send(smtp(server), connections=4)
    assert (report.accepted, server.connections) == (40, 2)


def test_one_that_there_is_no_connection_for_says_so_and_touches_nothing(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    register(house, "one", "two", begun=5)
    house.readers(3)
    house.open()
    with relay() as server:
        report = house.send(smtp(server), connections=2)
    assert (report.stop, report.not_tried, server.connections) == (Stop.PAUSED, 3, 0)
    assert "others send" in report.why
    assert set(house.states().values()) == {"queued"}


def test_those_at_work_make_room_before_a_newcomer_begins(sqlite_house: House) -> None:
    """Another process of ours is in the middle of it, on all connections there are."""
    house = sqlite_house
    house.readers(600)
    house.open()
    at_work, most = threading.Event(), 0

    def slowly(line: str) -> str:
        nonlocal most
        most = max(most, len([each for each in server.open_now if each.fileno() >= 0]))
        at_work.set()
        threading.Event().wait(0.03)
        return "250 ok"

    with relay({Step.MAIL: slowly}) as server:
        other = start(house, server.port, 4)
        assert at_work.wait(30)
        report = house.send(
            smtp(server), pace=Pace(4, drain_seconds=0.2, settle_seconds=2 * LOOK_SECONDS)
        )
        assert other.wait(30) == 0
    assert most == 4
    assert report.accepted > 0
    assert sorted(set(server.accepted)) == sorted(server.accepted)
    assert house.sum().accepted == 600


@pytest.mark.parametrize("stopped", [True, False])
def test_nobody_waits_for_others_once_asked_to_stop(sqlite_house: House, stopped: bool) -> None:
    house = sqlite_house
    register(house, "elsewhere")
    house.readers(2)
    house.open()
    stop = threading.Event()
    if stopped:
        stop.set()
    with relay() as server:
        pace = Pace(2, drain_seconds=0.2, settle_seconds=3600 if stopped else 0)
        report = house.send(smtp(server), pace=pace, stop=stop)
    assert report.accepted == (0 if stopped else 2)
