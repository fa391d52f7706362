"""/data with nothing but an address: one answer for everybody, and a mail only to whom it is about."""

from __future__ import annotations

import datetime as dt
import json
import logging
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.web.house import NOW, Answer, House, form, make_house

from newsletter.store import tables
from newsletter.subscribers import suppression
from newsletter.subscribers.address import Address
from newsletter.subscribers.address import read as read_address
from newsletter.subscribers.retention import Terms, tidy
from newsletter.subscribers.states import Reason, State
from newsletter.web import bucket, networks
from newsletter.web.app import build

SOMEBODY = "203.0.113.7"


def enquire(house: House, address: str, language: str = "en", **more: str) -> Answer:
    fields = {"address": address, "language": language, "website": ""}
    return house.post("/data", fields, **more)  # type: ignore[arg-type]


def mails(house: House) -> list[tuple[str, str]]:
    """Whom a mail with a data link waits for, and in which language."""
    with house.store.read() as tx:
        table = tables.notices
        rows = tx.execute(
            sa.select(table.c.subscriber_id, table.c.language).where(table.c.kind == "data")
        )
        return [(who, language) for who, language in rows]


def link(house: House) -> str:
    """The path in the newest mail with a data link."""
    with house.store.read() as tx:
        table = tables.notices
        newest = tx.execute(
            sa.select(table.c.confirmation_id)
            .where(table.c.kind == "data")
            .order_by(table.c.made_at.desc())
        ).first()
    assert newest is not None
    return f"/data/{house.parts.vault.data_token(newest[0])}"


def complained(house: House, address: str) -> None:
    read = read_address(address)
    assert isinstance(read, Address)
    with house.store.write() as tx:
        suppression.add(tx, house.parts.vault.suppression_key(read), Reason.COMPLAINED, NOW)


def at(house: House, moment: dt.datetime) -> None:
    house.app = build(replace(house.parts, clock=lambda: moment))


def test_the_form_is_there_in_every_language(house: House) -> None:
    for tag, words in (("en", "hold about me"), ("ru", "обо мне"), ("de", "über mich")):
        page = house.get("/data", query=f"lang={tag}")
        assert page.status == 200
        assert words in page.text
        assert 'method="post" action="/data"' in page.text
        assert f'name="language" value="{tag}"' in page.text
        assert 'name="address" type="email"' in page.text
        assert 'name="website" tabindex="-1"' in page.text
        assert "<script" not in page.text


def test_a_known_reader_is_mailed_a_link_in_their_own_language(house: House) -> None:
    person = house.reader("anna@example.org", "ru")
    assert "E-Mail mit einem Link" in enquire(house, "anna@example.org", "de").text
    assert mails(house) == [(person.id, "ru")]
    shown = house.post(link(house), {"action": "show"})
    assert "anna@example.org" in shown.text


def test_known_unknown_and_suppressed_get_the_same_answer(house: House) -> None:
    house.reader("anna@example.org")
    house.subscribe("pending@example.org")
    complained(house, "bert@example.org")
    unknown = enquire(house, "nobody@example.org")
    assert unknown.status == 200
    others = [
        enquire(house, "anna@example.org"),
        enquire(house, "anna@example.org"),
        enquire(house, "pending@example.org"),
        enquire(house, "bert@example.org"),
        house.post("/data", {"address": "anna@example.org", "language": "en", "website": "x"}),
    ]
    for other in others:
        assert (other.status, other.headers, other.body) == (
            unknown.status,
            unknown.headers,
            unknown.body,
        )
    assert len(mails(house)) == 2


def test_unknown_suppressed_and_robot_leave_no_trace(house: House) -> None:
    house.reader("anna@example.org")
    complained(house, "bert@example.org")
    before = house.state()
    enquire(house, "nobody@example.org")
    enquire(house, "bert@example.org")
    house.post("/data", {"address": "anna@example.org", "language": "en", "website": "x"})
    house.get("/data")
    house.ask("HEAD", "/data")
    assert house.state() == before


def test_known_and_unknown_take_the_same_time(house: House) -> None:
    steps = set()
    for name in ("anna", "nobody"):
        times = []
        for n in range(5):
            address = f"{name}-{n}@example.org"
            if name == "anna":
                house.reader(address)
            began = time.perf_counter()
            assert enquire(house, address).status == 200
            times.append(time.perf_counter() - began)
        assert min(times) >= bucket.STEP
        steps.add(int(min(times) / bucket.STEP))
    assert len(mails(house)) == 5
    assert steps == {1}


def test_link_and_mail_are_there_together_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError("no space left")

    house.reader("anna@example.org")
    before = house.state()
    monkeypatch.setattr("newsletter.web.enquiry.notices.enqueue", no_room)
    assert enquire(house, "anna@example.org").status == 500
    assert house.state() == before


@pytest.mark.parametrize("state", list(State)[1:])
def test_whatever_became_of_them_their_owner_is_told_and_can_erase(
    house: House, state: State
) -> None:
    if state is State.PENDING:
        house.subscribe("anna@example.org")
    else:
        person = house.reader("anna@example.org")
        if state is State.UNSUBSCRIBED:
            house.post(f"/leave/{house.mail_token(person)}")
    assert [person.state for person in house.people()] == [state]
    enquire(house, "anna@example.org")
    assert house.post(link(house), {"action": "show"}, headers=JSON).json["state"] == state.value
    assert house.post(link(house), {"action": "erase"}).status == 200
    assert house.people() == []


JSON = {"Accept": "application/json"}


def test_who_leaves_first_can_still_see_and_erase_by_the_mailed_link(house: House) -> None:
    person = house.reader("anna@example.org")
    path = f"/preferences/{house.mail_token(person)}"
    house.post(path, {"action": "data"})
    house.post(f"/leave/{house.mail_token(person)}")
    assert "anna@example.org" in house.post(link(house), {"action": "show"}).text
    assert house.post(link(house), {"action": "erase"}).status == 200
    assert house.people() == []


def test_where_there_is_one_language_none_is_chosen(tmp_path: Path) -> None:
    for languages, asks in ((("en",), False), (("en", "ru", "de"), True)):
        folder = tmp_path / languages[-1]
        folder.mkdir()
        for house in make_house(folder, None, languages=languages):
            page = house.get(f"/preferences/{house.mail_token(house.reader('anna@example.org'))}")
            assert ("In which language" in page.text) is asks
            assert "What we hold about you" in page.text


def test_one_mail_a_day_also_when_the_old_link_is_tidied_away(house: House) -> None:
    house.reader("anna@example.org")
    for hours in (0, 1, 23):
        now = NOW + dt.timedelta(hours=hours)
        at(house, now)
        tidy(house.store, Terms(), now)
        enquire(house, "anna@example.org")
        assert len(mails(house)) == 1
    at(house, NOW + dt.timedelta(hours=24))
    enquire(house, "anna@example.org")
    assert len(mails(house)) == 2


def test_a_network_has_one_measure_for_both_forms(house: House) -> None:
    person = house.reader("anna@example.org")
    for n in range(networks.PLAIN.amount - 1):
        assert enquire(house, f"x{n}@example.org", client=SOMEBODY).status == 200
    assert house.post("/subscribe", form("y@example.org"), client=SOMEBODY).status == 200
    known = enquire(house, "anna@example.org", client=SOMEBODY)
    unknown = enquire(house, "nobody@example.org", client=SOMEBODY)
    assert (known.status, known.header("retry-after")) == (429, "3600")
    assert (known.body, known.headers) == (unknown.body, unknown.headers)
    assert person.id not in [who for who, _ in mails(house)]
    assert enquire(house, "anna@example.org", client="198.51.100.7").status == 200


@pytest.mark.parametrize(
    "address", ["", "anna", "a@b@c.example.org", "anna@example", "' OR 1=1 --"]
)
def test_no_address_is_told_beside_the_field_and_not_repeated(house: House, address: str) -> None:
    answer = enquire(house, address, "de")
    assert answer.status == 422
    assert 'role="alert"' in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert not address or f'"{address}"' not in answer.text
    asked = house.ask(
        "POST",
        "/data",
        json.dumps({"address": address, "language": "de"}).encode(),
        {"Content-Type": "application/json"},
    )
    assert (asked.status, asked.json) == (422, {"problem": "address", "language": "de"})


def test_a_front_end_asks_in_json(house: House) -> None:
    person = house.reader("anna@example.org")
    answers = [
        house.ask(
            "POST",
            "/data",
            json.dumps({"address": address, "language": "en"}).encode(),
            {"Content-Type": "application/json"},
        )
        for address in ("anna@example.org", "nobody@example.org")
    ]
    assert [(answer.status, answer.json) for answer in answers] == [(200, {"status": "asked"})] * 2
    assert mails(house) == [(person.id, "en")]
    form_ = house.get("/data", headers=JSON, query="lang=ru")
    assert form_.json == {"problem": None, "language": "ru"}


def test_no_address_is_in_any_log_also_when_it_fails(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    house.reader("anna@example.org")
    assert enquire(house, "nobody@example.org").status == 200
    assert enquire(house, "anna@example.org").status == 200

    def break_(*_: object, **__: object) -> None:
        raise ValueError("anna@example.org")

    monkeypatch.setattr("newsletter.web.enquiry.mail_link", break_)
    assert enquire(house, "anna@example.org").status == 500
    assert "ValueError" in caplog.text
    assert "example.org" not in caplog.text


def test_the_pages_lead_there(house: House) -> None:
    person = house.reader()
    token = house.mail_token(person)
    for answer in (
        house.get(f"/preferences/{token}"),
        house.get(f"/leave/{token}"),
        house.post(f"/leave/{token}"),
        house.post("/data/x", {"action": "show"}),
    ):
        assert '<a href="/data?lang=en">What do you hold about me?</a>' in answer.text


def test_another_address_of_the_same_shape_is_nobody(house: House) -> None:
    house.reader("anna@example.org")
    for stranger in ("anna+x@example.org", "anna@example.com", "аnna@example.org"):
        assert enquire(house, stranger).status in (200, 422)
    assert mails(house) == []
