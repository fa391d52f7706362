"""The links in our mails: a GET shows, a POST acts, and only for whom the token names."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.house import HASH, HOST, NOW, Answer, House, form

from newsletter.store import tables
from newsletter.subscribers.states import State
from newsletter.web.app import build

BOUNDARY = "x1"
MULTIPART = (
    f"--{BOUNDARY}\r\n"
    'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n'
    f"--{BOUNDARY}--\r\n"
).encode()

ONE_CLICK_BODIES = [
    pytest.param(MULTIPART, f"multipart/form-data; boundary={BOUNDARY}", id="multipart"),
    pytest.param(
        b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded", id="urlencoded"
    ),
    pytest.param(b"", None, id="empty"),
    pytest.param(b"", "multipart/form-data", id="multipart without boundary"),
    pytest.param(b"\xff\xfe\x00{", "application/json", id="nonsense"),
    pytest.param(b"x" * 100_000, "text/plain", id="too long"),
    pytest.param(b"List-Unsubscribe=One-Click", "text/x-unheard-of", id="odd type"),
]


def test_a_get_confirms_nobody(house: House) -> None:
    house.subscribe("anna@example.org", "de")
    before = house.state()
    token = house.confirm_token()
    answer = house.get(f"/confirm/{token}")
    house.ask("HEAD", f"/confirm/{token}")
    assert answer.status == 200
    assert "Möchten Sie unseren Brief?" in answer.text
    assert "Ich willige ein." in answer.text
    assert house.state() == before


def test_a_post_confirms_and_says_when_the_first_letter_comes(house: House) -> None:
    house.subscribe("anna@example.org", "ru")
    answer = house.post(f"/confirm/{house.confirm_token()}")
    assert answer.status == 200
    assert "1 декабря 2026" in answer.text
    assert house.people()[0].state is State.CONFIRMED


def test_a_second_press_on_confirm_says_the_same_and_changes_nothing(house: House) -> None:
    house.subscribe("anna@example.org")
    path = f"/confirm/{house.confirm_token()}"
    first = house.post(path)
    before = house.state()
    assert house.post(path).text == first.text
    assert house.state() == before


def test_a_confirmation_link_that_is_too_old_confirms_nobody(house: House) -> None:
    house.subscribe("anna@example.org")
    path = f"/confirm/{house.confirm_token()}"
    house.app = build(replace(house.parts, clock=lambda: NOW + dt.timedelta(hours=49)))
    assert house.post(path).status == 404
    assert house.people()[0].state is State.PENDING


def test_an_old_confirmation_link_does_not_undo_a_leave(house: House) -> None:
    house.subscribe("anna@example.org")
    path = f"/confirm/{house.confirm_token()}"
    house.post(path)
    house.post(f"/leave/{house.mail_token(house.people()[0])}")
    assert house.post(path).status == 404
    assert house.people()[0].state is State.UNSUBSCRIBED


def test_a_get_takes_nobody_off(house: House) -> None:
    path = f"/leave/{house.mail_token(house.reader())}"
    before = house.state()
    assert "Yes, take me off" in house.get(path).text
    house.ask("HEAD", path)
    assert house.state() == before


@pytest.mark.parametrize(("body", "kind"), ONE_CLICK_BODIES)
def test_one_click_works_with_any_body_and_no_context(
    house: House, body: bytes, kind: str | None
) -> None:
    """RFC 8058 §3.1, §3.2: no cookie, no Origin, nothing but perhaps a Content-Type."""
    path = f"/leave/{house.mail_token(house.reader())}"
    answer = house.ask("POST", path, body, {"Content-Type": kind} if kind else {})
    assert answer.status == 200
    assert answer.header("location") is None
    assert answer.header("set-cookie") is None
    assert house.people()[0].state is State.UNSUBSCRIBED


def test_a_second_press_on_leave_changes_nothing(house: House) -> None:
    path = f"/leave/{house.mail_token(house.reader())}"
    first = house.post(path)
    before = house.state()
    assert house.post(path).text == first.text
    assert house.state() == before


def test_whoever_leaves_is_in_the_journal_and_the_mail_provider_is_told_apart_from_the_page(
    house: House,
) -> None:
    house.ask("POST", f"/leave/{house.mail_token(house.reader('a@example.org'))}", MULTIPART)
    house.post(f"/leave/{house.mail_token(house.reader('b@example.org'))}")
    assert len([entry for entry in house.parts.journal.entries() if entry]) == 2
    with house.store.read() as tx:
        payloads = list(tx.execute(sa.select(tables.consent_payloads.c.payload)).scalars())
    sources = [json.loads(payload).get("source") for payload in payloads]
    assert [source for source in sources if source] == ["one-click", "page"]


def test_leave_answers_a_stranger_exactly_as_a_reader(house: House) -> None:
    token = house.mail_token(house.reader())
    stranger = token[:8] + token[8:][::-1]
    known = house.post(f"/leave/{token}")
    before = house.state()
    unknown = house.post(f"/leave/{stranger}")
    assert (unknown.status, unknown.body, unknown.headers) == (
        known.status,
        known.body,
        known.headers,
    )
    assert house.state() == before


def flipped(token: str) -> list[str]:
    """The token with each of its characters changed, one at a time."""
    return [
        token[:n] + ("A" if character != "A" else "B") + token[n + 1 :]
        for n, character in enumerate(token)
    ]


def test_no_token_with_a_changed_character_has_any_effect(house: House) -> None:
    person = house.reader("anna@example.org")
    house.subscribe("bert@example.org")
    confirm, mail, data = (
        house.confirm_token(),
        house.mail_token(person),
        house.data_token(person),
    )
    before = house.state()
    for bad in flipped(confirm):
        assert house.post(f"/confirm/{bad}").status == 404
    for bad in flipped(mail):
        assert house.post(f"/leave/{bad}").status == 200
        assert house.post(f"/preferences/{bad}", {"action": "language", "language": "de"})
    for bad in flipped(data):
        assert house.post(f"/data/{bad}", {"action": "show"}).status == 404
        assert house.post(f"/data/{bad}", {"action": "erase"}).status == 404
    assert house.state() == before


def test_a_token_opens_only_the_door_it_was_made_for(house: House) -> None:
    person = house.reader()
    house.subscribe("bert@example.org")
    tokens = {
        "confirm": house.confirm_token(),
        "leave": house.mail_token(person),
        "data": house.data_token(person),
    }
    before = house.state()
    for kind, token in tokens.items():
        for door in ("confirm", "leave", "preferences", "data"):
            if kind == door or (kind, door) == ("leave", "preferences"):
                continue
            for fields in (
                {"action": "show"},
                {"action": "erase"},
                {"action": "data"},
                {"action": "language", "language": "de"},
            ):
                assert "anna@" not in house.post(f"/{door}/{token}", fields).text
    assert house.state() == before


def test_a_readers_token_leaves_every_other_reader_alone(house: House) -> None:
    anna, bert = house.reader("anna@example.org"), house.reader("bert@example.org")
    house.post(f"/leave/{house.mail_token(anna)}")
    house.post(f"/preferences/{house.mail_token(anna)}", {"action": "language", "language": "ru"})
    assert house.people() == [house.people()[0], bert]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(token=st.text(min_size=1, max_size=80).filter(lambda text: "/" not in text))
def test_any_text_in_a_tokens_place_is_answered_and_does_nothing(house: House, token: str) -> None:
    before = house.state()
    for door, expected in (("confirm", 404), ("leave", 200), ("preferences", 400), ("data", 400)):
        path = f"/{door}/{token.encode('utf-8', 'replace').decode()}"
        assert house.get(path).status == 200
        assert house.post(path).status == expected
    assert house.state() == before


def test_the_letters_token_changes_the_language(house: House) -> None:
    person = house.reader(language="en")
    path = f"/preferences/{house.mail_token(person)}"
    assert 'value="en" checked' in house.get(path).text
    answer = house.post(path, {"action": "language", "language": "de"})
    assert 'value="de" checked' in answer.text
    assert 'role="status"' in answer.text
    assert house.people()[0].language == "de"


def test_a_language_that_is_not_published_is_refused(house: House) -> None:
    path = f"/preferences/{house.mail_token(house.reader())}"
    before = house.state()
    assert house.post(path, {"action": "language", "language": "fr"}).status == 400
    assert house.post(path, {"action": "drop"}).status == 400
    assert house.state() == before


def test_the_letters_token_shows_no_address_and_mails_a_data_link_to_the_reader(
    house: House,
) -> None:
    person = house.reader("anna@example.org")
    path = f"/preferences/{house.mail_token(person)}"
    assert "anna" not in house.get(path).text
    answer = house.post(path, {"action": "data"})
    assert "anna" not in answer.text
    with house.store.read() as tx:
        assert (
            tx.scalar(
                sa.select(tables.notices.c.subscriber_id).where(tables.notices.c.kind == "data")
            )
            == person.id
        )


def data(house: House, address: str = "anna@example.org", **fields: str) -> Answer:
    return house.post(f"/data/{house.data_token(house.reader(address))}", fields)


def test_the_data_page_shows_the_address_only_after_a_post(house: House) -> None:
    token = house.data_token(house.reader("anna@example.org"))
    assert "anna@example.org" not in house.get(f"/data/{token}").text
    shown = house.post(f"/data/{token}", {"action": "show"}).text
    for held in (
        "anna@example.org",
        "I agree to get this newsletter.",
        "double opt-in",
        HASH["en"],
    ):
        assert held in shown


def test_the_data_comes_as_json_to_take_along(house: House) -> None:
    answer = data(house, action="download")
    assert answer.header("content-disposition") == 'attachment; filename="held.json"'
    assert answer.json["address"] == "anna@example.org"
    assert answer.json["state"] == "confirmed"
    assert answer.json["notices"][0]["kind"] == "confirm"


def test_erasing_leaves_nothing_but_the_keyed_hash(house: House) -> None:
    person = house.reader("anna@example.org")
    token = house.data_token(person)
    assert house.post(f"/data/{token}", {"action": "erase"}).status == 200
    assert house.people() == []
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(tables.consent_payloads)) == 0
        assert list(tx.execute(sa.select(tables.suppressions.c.reason)).scalars()) == ["erased"]
    assert house.post(f"/data/{token}", {"action": "erase"}).status == 404
    assert house.post(f"/leave/{house.parts.vault.mail_token(person.link_id)}").status == 200


def test_a_data_link_works_for_a_short_time(house: House) -> None:
    token = house.data_token(house.reader())
    house.app = build(replace(house.parts, clock=lambda: NOW + dt.timedelta(hours=3)))
    assert house.post(f"/data/{token}", {"action": "show"}).status == 404


def test_a_foreign_site_cannot_post_harm_without_a_token(house: House) -> None:
    """There is no cookie to ride on: a cross-site form can do what its token can, and no more."""
    house.reader("anna@example.org")
    before = house.state()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/leave/x", "/confirm/x", "/preferences/x", "/data/x"):
        for action in ("language", "data", "show", "erase", ""):
            house.post(path, {"action": action, "language": "de"}, headers=foreign)
    house.post("/subscribe", form("anna@example.org"), headers=foreign)
    assert house.state() == before


def test_readers_who_leave_together_all_leave_and_a_double_click_is_one_leave(
    house: House,
) -> None:
    tokens = [house.mail_token(house.reader(f"reader-{n}@example.org")) for n in range(12)]
    with ThreadPoolExecutor(24) as visitors:
        answers = list(visitors.map(lambda token: at_once(house, token), tokens * 2))
    assert {answer.status for answer in answers} == {200}
    assert {person.state for person in house.people()} == {State.UNSUBSCRIBED}
    with house.store.read() as tx:
        payloads = list(tx.execute(sa.select(tables.consent_payloads.c.payload)).scalars())
    assert sum('"withdrawn"' in payload for payload in payloads) == 12


def at_once(house: House, token: str) -> Answer:
    """A one-click POST on an event loop of its own, beside others."""
    return asyncio.run(
        house._ask("POST", f"/leave/{token}", [b""], [(b"host", HOST.encode())], "", "127.0.0.1")
    )
