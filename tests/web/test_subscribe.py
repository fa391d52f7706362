"""POST /subscribe: one answer for everybody, and a mail only for whom it is meant."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import sqlalchemy as sa
from tests.web.house import HASH, NOW, WORDINGS, House, form

from newsletter.store import tables
from newsletter.subscribers import suppression
from newsletter.subscribers.address import Address
from newsletter.subscribers.address import read as read_address
from newsletter.subscribers.states import Reason, State


def notices(house: House) -> list[tuple[str, str]]:
    with house.store.read() as tx:
        rows = tx.execute(sa.select(tables.notices.c.kind, tables.notices.c.language))
        return [(kind, language) for kind, language in rows]


def test_a_good_form_keeps_a_pending_row_and_queues_one_mail(house: House) -> None:
    answer = house.subscribe("anna@example.org", "ru")
    assert answer.status == 200
    assert [(person.state, person.language) for person in house.people()] == [(State.PENDING, "ru")]
    assert notices(house) == [("confirm", "ru")]


def test_new_pending_confirmed_left_and_suppressed_get_the_same_answer(house: House) -> None:
    new = house.subscribe("anna@example.org")
    pending = house.subscribe("anna@example.org")
    house.post(f"/confirm/{house.confirm_token()}")
    confirmed = house.subscribe("anna@example.org")
    house.post(f"/leave/{house.mail_token(house.people()[0])}")
    left = house.subscribe("anna@example.org")
    complained = read_address("bert@example.org")
    assert isinstance(complained, Address)
    with house.store.write() as tx:
        key = house.parts.vault.suppression_key(complained)
        suppression.add(tx, key, Reason.COMPLAINED, NOW)
    suppressed = house.subscribe("bert@example.org")
    robot = house.post("/subscribe", form("carl@example.org", website="https://spam.example"))
    for other in (pending, confirmed, left, suppressed, robot):
        assert (other.status, other.headers, other.body) == (new.status, new.headers, new.body)


def test_a_suppressed_address_and_a_robot_leave_no_trace(house: House) -> None:
    complained = read_address("bert@example.org")
    assert isinstance(complained, Address)
    with house.store.write() as tx:
        key = house.parts.vault.suppression_key(complained)
        suppression.add(tx, key, Reason.COMPLAINED, NOW)
    before = house.state()
    house.subscribe("bert@example.org")
    house.post("/subscribe", form("carl@example.org", website="x"))
    assert house.state() == before


def test_row_link_and_mail_are_there_together_or_not_at_all(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("newsletter.web.subscribe.notices.enqueue", no_room)
    before = house.state()
    assert house.subscribe("anna@example.org").status == 500
    assert house.state() == before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"agree": ""}, "agree"),
        ({"agree": "no"}, "agree"),
        ({"wording": ""}, "wording"),
        ({"wording": "0" * 64}, "wording"),
        ({"wording": HASH["de"]}, "wording"),
        ({"language": "xx"}, "wording"),
        ({"address": ""}, "address"),
        ({"address": "anna"}, "address"),
        ({"address": "a@b@c.example.org"}, "address"),
        ({"address": "anna@example"}, "address"),
        ({"address": "x" * 65 + "@example.org"}, "address"),
    ],
)
def test_a_form_that_cannot_be_taken_says_why_and_keeps_nothing(
    house: House, changes: dict[str, str], problem: str
) -> None:
    before = house.state()
    fields = {**form("anna@example.org"), **changes}
    answer = house.post("/subscribe", fields)
    assert answer.status == 422
    assert 'role="alert"' in answer.text
    asked = house.ask(
        "POST", "/subscribe", json.dumps(fields).encode(), {"Content-Type": "application/json"}
    )
    assert (asked.status, asked.json["problem"]) == (422, problem)
    assert house.state() == before


def test_what_was_typed_is_never_shown_again(house: House) -> None:
    answer = house.post("/subscribe", form("not an address <b>", wording="y" * 64))
    assert "not an address" not in answer.text
    assert "yyyy" not in answer.text


def test_a_form_that_was_open_while_the_wording_changed_still_counts(house: House) -> None:
    old = WORDINGS[0]
    assert house.post("/subscribe", form("anna@example.org", wording=old.hash)).status == 200
    with house.store.read() as tx:
        assert tx.scalar(sa.select(tables.confirmations.c.wording_hash)) == old.hash


def test_json_is_taken_and_answered_in_json(house: House) -> None:
    fields = {**form("anna@example.org"), "agree": True}
    answer = house.ask(
        "POST",
        "/subscribe",
        json.dumps(fields).encode(),
        {"Content-Type": "application/json; charset=utf-8"},
    )
    assert (answer.status, answer.json) == (200, {"status": "asked"})
    assert notices(house) == [("confirm", "en")]


def test_json_tells_a_front_end_the_words_to_show(house: House) -> None:
    answer = house.get("/subscribe", headers={"Accept": "application/json"}, query="lang=de")
    assert answer.json["wording"] == {"hash": HASH["de"], "text": "Ich willige ein."}


def test_the_own_form_carries_the_current_wording_of_its_language(house: House) -> None:
    page = house.get("/subscribe", query="lang=en").text
    assert f'name="wording" value="{HASH["en"]}"' in page
    assert WORDINGS[0].hash not in page
    assert "I agree to get this newsletter." in page
    assert 'name="agree" value="yes" required>' in page
    assert "checked" not in page


def test_how_long_the_link_works_is_told_as_configured(house: House) -> None:
    assert house.parts.unconfirmed == dt.timedelta(hours=48)
    assert "The link works for 48 hours." in house.subscribe("anna@example.org").text
    assert "Ссылка действует 48 часов." in house.subscribe("b@example.org", "ru").text
