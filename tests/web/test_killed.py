"""SIGKILL while many sign up: whoever was answered is there, with exactly one mail waiting."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import sqlalchemy as sa
from bench import web as bench

from newsletter.store import tables
from newsletter.subscribers import people
from newsletter.subscribers.address import Address, read


def test_nobody_who_was_answered_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    house = bench.House.make(tmp_path)
    store, vault = house.open()
    asked = bench.addresses(400)
    requests = [bench.sign_up(vault, address) for address in asked]
    answered: set[int] = set()
    with bench.server(tmp_path) as (process, port):

        def count(number: int) -> None:
            answered.add(number)
            if len(answered) == 150:
                os.kill(process.pid, signal.SIGKILL)

        asyncio.run(bench.drive(port, requests, 32, answered=count))
    assert 150 <= len(answered) < 400
    with store.read() as tx:
        for number in answered:
            address = read(asked[number])
            assert isinstance(address, Address)
            person = people.find_by_address(tx, vault, address)
            assert person is not None
            waiting = tables.notices.c.subscriber_id == person.id
            count_of = sa.select(sa.func.count()).select_from(tables.notices).where(waiting)
            assert tx.scalar(count_of) == 1
    store.close()
