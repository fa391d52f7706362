"""A reader's whole way on PostgreSQL: in, about, out, back and gone. The rest is the same code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from tests.web.house import HOST, House, form, make_house

from newsletter.store import open_store, tables
from newsletter.subscribers.people import Person
from newsletter.subscribers.states import State

pytestmark = pytest.mark.postgres


@pytest.fixture
def house(tmp_path: Path, postgres_url: str) -> Iterator[House]:
    store = open_store(postgres_url)
    for house in make_house(tmp_path, None, store=store):
        assert house.store.dialect == "postgresql"
        yield house


def only(house: House) -> Person:
    (person,) = house.people()
    return person


def link(house: House, kind: str) -> str:
    """The path in the newest mail of `kind`."""
    with house.store.read() as tx:
        table = tables.confirmations
        newest = tx.execute(
            sa.select(table.c.id)
            .join(tables.notices, tables.notices.c.confirmation_id == table.c.id)
            .where(tables.notices.c.kind == kind, table.c.used_at.is_(None))
        ).scalar_one()
    make = house.parts.vault.confirm_token if kind == "confirm" else house.parts.vault.data_token
    return f"/{kind}/{make(newest)}"


def test_a_reader_comes_changes_leaves_looks_and_is_erased(house: House) -> None:
    assert house.subscribe("anna@example.org", "ru").status == 200
    assert only(house).state is State.PENDING
    confirm = link(house, "confirm")
    before = house.state()
    assert house.get(confirm).status == 200
    assert house.state() == before
    assert house.post(confirm).status == 200
    assert only(house).state is State.CONFIRMED

    token = house.mail_token(only(house))
    changed = house.post(f"/preferences/{token}", {"action": "language", "language": "de"})
    assert 'value="de" checked' in changed.text
    assert only(house).language == "de"

    assert house.post("/data", {"address": "anna@example.org", "language": "en"}).status == 200
    data = link(house, "data")
    assert house.post(f"/leave/{token}").status == 200
    assert only(house).state is State.UNSUBSCRIBED
    assert house.post(confirm).status == 404

    held = house.post(data, {"action": "show"}, headers={"Accept": "application/json"}).json
    assert (held["address"], held["state"]) == ("anna@example.org", "unsubscribed")
    assert [record["happened"] for record in held["consent"]] == ["given", "withdrawn"]
    assert house.post(data, {"action": "erase"}).status == 200
    assert house.people() == []
    with house.store.read() as tx:
        for table in (tables.confirmations, tables.consent_payloads):
            assert tx.scalar(sa.select(sa.func.count()).select_from(table)) == 0
        assert set(tx.execute(sa.select(tables.suppressions.c.reason)).scalars()) <= {
            "left",
            "erased",
        }
    assert [entry.kind.value for entry in house.parts.journal.entries() if entry] == [
        "leave",
        "erase",
    ]


def test_known_unknown_and_left_get_the_same_answers(house: House) -> None:
    asked = house.subscribe("anna@example.org")
    house.post(link(house, "confirm"))
    again = house.subscribe("anna@example.org")
    enquiries = [
        house.post("/data", {"address": address, "language": "en"})
        for address in ("anna@example.org", "nobody@example.org", "anna@example.org")
    ]
    assert (again.status, again.headers, again.body) == (asked.status, asked.headers, asked.body)
    assert len({(one.status, tuple(one.headers), one.body) for one in enquiries}) == 1
    with house.store.read() as tx:
        kinds = sorted(tx.execute(sa.select(tables.notices.c.kind)).scalars())
    assert kinds == ["confirm", "data"]


def test_many_at_once_are_all_kept_and_the_same_address_once(house: House) -> None:
    def ask(name: str) -> int:
        """One sign-up on an event loop of its own, beside others."""
        headers = [
            (b"host", HOST.encode()),
            (b"content-type", b"application/x-www-form-urlencoded"),
        ]
        body = urlencode(form(name)).encode()
        asked = house._ask("POST", "/subscribe", [body], headers, "", "127.0.0.1")
        return asyncio.run(asked).status

    names = [f"reader-{n}@example.org" for n in range(8)] * 2
    with ThreadPoolExecutor(16) as visitors:
        assert list(visitors.map(ask, names)) == [200] * 16
    assert len(house.people()) == 8
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.notices)) == 8
