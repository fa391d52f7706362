"""Leaving and being erased: journal first, one transaction, the second click changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import House, smtp
from scripted_relay import Step, relay

from newsletter.delivery import departure
from newsletter.store.tables import attempts, deliveries, subscribers, suppressions
from newsletter.subscribers.journal import Journal, Kind


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


def link_of(house: House, reader: str) -> bytes:
    with house.store.read() as tx:
        return bytes(
            tx.execute(
                sa.select(subscribers.c.link_id).where(subscribers.c.id == reader)
            ).scalar_one()
        )


def test_a_leave_is_in_the_journal_in_the_state_and_in_the_ledger(
    house: House, journal: Journal
) -> None:
    stays, leaves = house.readers(2)
    house.open()
    left = departure.leave(house.store, journal, link_of(house, leaves), house.now, "one-click")
    assert left == departure.Departed(changed=True, language="en", spared=1)
    assert house.states() == {stays: "queued", leaves: "excluded"}
    (entry,) = journal.entries()
    assert entry is not None
    assert (entry.kind, entry.subscriber_id) == (Kind.LEAVE, leaves)


def test_the_second_click_changes_nothing(sqlite_house: House, journal: Journal) -> None:
    house = sqlite_house
    (reader,) = house.readers(1)
    link = link_of(house, reader)
    departure.leave(house.store, journal, link, house.now, "page")
    before = journal.path.read_bytes()
    again = departure.leave(house.store, journal, link, house.now, "page")
    assert again == departure.Departed(changed=False, language="en")
    assert journal.path.read_bytes() == before


def test_erasing_leaves_a_keyed_hash_and_takes_the_person_out_of_what_waits(
    house: House, journal: Journal
) -> None:
    (reader,) = house.readers(1)
    house.open()
    gone = departure.erase(house.store, journal, reader, house.now)
    assert gone is not None
    assert gone.changed
    assert house.states() == {reader: "excluded"}
    assert house.sum().excluded_why == {"erased": 1}
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(subscribers)) == 0
        assert tx.scalars(sa.select(suppressions.c.reason)).all() == ["erased"]
    assert departure.erase(house.store, journal, reader, house.now) is None


def test_a_link_of_nobody_is_nobody(sqlite_house: House, journal: Journal) -> None:
    house = sqlite_house
    assert departure.leave(house.store, journal, b"\0" * 8, house.now, "page") is None
    assert not journal.path.exists()


def test_the_journal_is_written_before_the_database_is_touched(
    sqlite_house: House, tmp_path: Path
) -> None:
    """A crash between the two leaves the journal ahead; its replay finishes the leave."""
    house = sqlite_house
    (reader,) = house.readers(1)
    house.open()
    full = Journal(tmp_path / "no such folder" / "journal.jsonl")
    with pytest.raises(FileNotFoundError):
        departure.leave(house.store, full, link_of(house, reader), house.now, "page")
    assert house.states() == {reader: "queued"}


def test_erasing_takes_what_mail_servers_said_and_leaves_that_it_was_tried(
    house: House, journal: Journal
) -> None:
    gone, stays = house.readers(2)
    house.open()
    with relay({Step.RCPT: "550 5.1.1 user unknown"}) as server:
        house.send(smtp(server))
    departure.erase(house.store, journal, gone, house.now)
    with house.store.read() as tx:
        said = tx.execute(
            sa.select(deliveries.c.subscriber_id, attempts.c.reply, attempts.c.code).join_from(
                attempts, deliveries, deliveries.c.id == attempts.c.delivery_id
            )
        ).all()
    assert {tuple(row) for row in said} == {
        (gone, None, 550),
        (stays, "5.1.1 user unknown", 550),
    }
