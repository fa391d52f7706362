"""Notices: what they say, in which language, with which link, to whom, and that they go out once."""

from __future__ import annotations

import ast
import email
import email.policy
import re
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa
from babel.messages.pofile import read_po
from delivery_house import LANE, House, smtp
from scripted_relay import Step, relay

from newsletter import resources
from newsletter.delivery import departure, ledger, notices
from newsletter.delivery.ledger import NOTICES, whereabouts
from newsletter.delivery.notices import Word
from newsletter.delivery.report import Stop
from newsletter.language import SPOKEN
from newsletter.store.tables import confirmations, subscribers
from newsletter.store.tables import notices as table
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.journal import Journal

LINK = bytes(range(8))


def asked(house: House, kind: str = "confirm", language: str = "en", link: bytes = LINK) -> str:
    """Somebody asked; the subscriber's id."""
    mailbox = f"{link.hex()}@example.org"
    row = people.new_row(house.vault, Address(mailbox, mailbox), language, house.now)
    with house.store.write() as tx:
        tx.execute(sa.insert(subscribers), [row])
        tx.execute(
            sa.insert(confirmations).values(
                id=link,
                subscriber_id=row["id"],
                purpose=kind,
                language=language,
                asked_at=house.now,
                expires_at=house.now,
            )
        )
        notices.enqueue(tx, kind, str(row["id"]), link, language, 0, house.now)  # type: ignore[arg-type]
    return str(row["id"])


def posted(house: House, number: int = 1) -> list[EmailMessage]:
    with relay() as server:
        house.send(smtp(server), lanes=[NOTICES])
    assert len(server.delivered) == number
    return [
        email.message_from_bytes(raw, policy=email.policy.default)  # type: ignore[misc]
        for _, raw in server.delivered
    ]


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize("language", SPOKEN)
@pytest.mark.parametrize("kind", ["confirm", "data"])
def test_a_notice_carries_its_own_link_in_text_and_html(
    sqlite_house: House, kind: str, language: str
) -> None:
    house = sqlite_house
    asked(house, kind, language)
    (mail,) = posted(house)
    for part in ("plain", "html"):
        found = re.search(rf"http://127\.0\.0\.1:8000/{kind}/([\w-]{{32}})", text_of(mail, part))
        assert found is not None
        read = house.vault.read_confirm_token if kind == "confirm" else house.vault.read_data_token
        assert read(found[1]) == LINK
    assert f'lang="{language}"' in text_of(mail, "html")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@letter.example.org>")
    assert not [name for name in mail if name.lower().startswith("list-")]


def test_a_notice_names_no_host_but_ours(sqlite_house: House) -> None:
    house = sqlite_house
    asked(house)
    (mail,) = posted(house)
    assert set(re.findall(r"https?://[^/\s\"'<]+", text_of(mail, "html"))) == {
        "http://127.0.0.1:8000"
    }
    assert "<img" not in text_of(mail, "html")


def test_a_notice_goes_out_once(house: House) -> None:
    asked(house)
    posted(house)
    posted(house, 0)


def test_notices_and_an_issue_go_through_the_same_loop_together(house: House) -> None:
    house.readers(4)
    house.open()
    asked(house)
    with relay() as server:
        report = house.send(smtp(server), lanes=[NOTICES, LANE])
    assert report.accepted == 5
    assert house.sum().accepted == 4


@pytest.mark.parametrize("waiting", range(1, 10))
def test_no_notice_is_lost_between_an_issue_s_mails(sqlite_house: House, waiting: int) -> None:
    house = sqlite_house
    house.readers(8)
    house.open()
    for at in range(waiting):
        asked(house, link=bytes([at]) * 8)
    with relay() as server:
        report = house.send(smtp(server), lanes=[NOTICES, LANE], connections=4)
    assert report.accepted == len(server.accepted) == 8 + waiting


def test_an_issue_does_not_wait_for_the_end_of_a_flood_of_sign_ups(sqlite_house: House) -> None:
    """On the only connection: one of four is a notice, and what the issue leaves is for them again."""
    house = sqlite_house
    house.readers(8)
    house.open()
    for at in range(60):
        asked(house, link=bytes([at]) * 8)
    with relay() as server:
        house.send(smtp(server), lanes=[NOTICES, LANE], connections=1)

    ours = [number for number, (_, raw) in enumerate(server.delivered) if b"List-Id" in raw]
    assert len(ours) == 8
    assert ours[-1] < 24
    assert len(server.delivered) == 68


def test_sign_ups_that_the_server_refuses_pause_no_issue(sqlite_house: House) -> None:
    """Five refusals for our sake among twenty pause a sender; these were a stranger's choice."""
    house = sqlite_house
    readers = house.readers(8)
    house.open()
    for at in range(12):
        asked(house, link=bytes([at]) * 8)
    strangers = tuple(f"{at:02x}" * 8 for at in range(12))

    def rcpt(line: str) -> str:
        return "550 5.7.1 blocked" if any(each in line for each in strangers) else "250 ok"

    with relay({Step.RCPT: rcpt}) as server:
        report = house.send(smtp(server), lanes=[NOTICES, LANE], connections=1)

    assert report.stop is Stop.DONE
    assert house.sum().accepted == len(readers)


def test_a_confirmed_request_fences_its_notice_off(house: House) -> None:
    asked(house)
    with house.store.write() as tx:
        tx.execute(sa.update(subscribers).values(state="confirmed", consent_epoch=1))
    posted(house, 0)
    with house.store.read() as tx:
        assert tx.scalar(sa.select(table.c.state)) == "excluded"


def test_an_erased_person_gets_no_notice(house: House, tmp_path: Path) -> None:
    gone = asked(house, "data")
    assert departure.erase(house.store, Journal(tmp_path / "j.jsonl"), gone, house.now)
    posted(house, 0)


def test_a_notice_is_not_sent_a_day_late(house: House) -> None:
    asked(house)
    house.now += notices.WORTH
    posted(house, 0)
    with house.store.write() as tx:
        assert ledger.expire(tx, house.now) == 1


def test_a_greylisted_notice_comes_later(house: House) -> None:
    asked(house)
    with relay({Step.RCPT: "450 4.7.1 later"}) as server:
        house.send(smtp(server), lanes=[NOTICES])
    posted(house, 0)
    house.now += ledger.LEASE
    posted(house, 1)
    assert server.delivered == []


@pytest.mark.parametrize("word", Word)
@pytest.mark.parametrize("language", SPOKEN)
def test_a_word_goes_to_the_publisher_once_and_says_what_to_do(
    sqlite_house: House, word: Word, language: str
) -> None:
    house = sqlite_house
    month = house.settings.month.model_copy(update={"notify": "editor@example.org"})
    house.settings = house.settings.model_copy(update={"month": month})
    with house.store.write() as tx:
        assert notices.tell(tx, word, "2026-11", language, house.now)
        assert not notices.tell(tx, word, "2026-11", language, house.now)
    (mail,) = posted(house)
    assert mail["To"] == "editor@example.org"
    assert "newsletter " in text_of(mail)
    assert "2026-11" in mail["Subject"]


def test_every_sentence_is_translated() -> None:
    sources = "".join(
        path.read_text("utf-8")
        for folder in resources.templates("mail")
        for path in folder.glob("notice_*.j2")
    )
    said = set(re.findall(r'_\("((?:[^"\\]|\\.)*)"', sources))
    code = ast.parse((resources.PACKAGE / "delivery" / "notice_text.py").read_text("utf-8"))
    for node in ast.walk(code):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("_", "language.gettext"):
            said.add(ast.literal_eval(node.args[0]))
    assert len(said) > 15
    for language in set(SPOKEN) - {"en"}:
        with (resources.PACKAGE / "locale" / language / "notice.po").open("rb") as file:
            catalogue = read_po(file)
        translated = {str(entry.id) for entry in catalogue if entry.id and entry.string}
        assert translated == said


@pytest.mark.parametrize("kind", ["confirm", "data", "word"])
def test_plain_text_lines_are_short_or_a_link(sqlite_house: House, kind: str) -> None:
    house = sqlite_house
    if kind == "word":
        month = house.settings.month.model_copy(update={"notify": "editor@example.org"})
        house.settings = house.settings.model_copy(update={"month": month})
        with house.store.write() as tx:
            notices.tell(tx, Word.IN_DOUBT, "2026-11", "ru", house.now)
    else:
        asked(house, kind, "ru")
    (mail,) = posted(house)
    for line in text_of(mail).splitlines():
        assert len(line) <= 72 or line.startswith("http")


def test_a_notice_that_a_killed_sender_held_goes_out_with_the_next_run(house: House) -> None:
    from newsletter.delivery.ledger.whereabouts import here

    asked(house)
    with house.store.write() as tx:
        us = here()
        dead = type(us)(us.host, us.boot_id, 2**22 + 1, "1")
        ledger.register(tx, "dead", dead, house.now)
        assert len(ledger.claim(tx, NOTICES, "dead", 5, house.now)) == 1
    posted(house, 1)


def died_while_sending(house: House, sender: str) -> None:
    """A sender that begins what waits and is killed."""
    us = whereabouts.here()
    dead = whereabouts.Whereabouts(us.host, us.boot_id, 2**22 + 1, "1")
    with house.store.write() as tx:
        ledger.register(tx, sender, dead, house.now)
        (job,) = ledger.claim(tx, NOTICES, sender, 5, house.now)
        assert ledger.begin(tx, job, sender)
    with house.store.write() as tx:
        ledger.recover(tx, whereabouts.here(), house.now)


def notice_states(house: House) -> list[str]:
    with house.store.read() as tx:
        return list(tx.scalars(sa.select(table.c.state)))


def test_a_confirmation_whose_sender_was_killed_is_tried_exactly_once_more(house: House) -> None:
    asked(house)
    died_while_sending(house, "first")
    assert notice_states(house) == ["queued"]
    died_while_sending(house, "second")
    assert notice_states(house) == ["in_doubt"]
    posted(house, 0)


def test_a_confirmation_that_was_tried_once_more_arrives(sqlite_house: House) -> None:
    asked(sqlite_house)
    died_while_sending(sqlite_house, "first")
    posted(sqlite_house, 1)
    assert notice_states(sqlite_house) == ["accepted"]


def test_a_data_link_whose_sender_was_killed_stays_in_doubt(sqlite_house: House) -> None:
    asked(sqlite_house, "data")
    died_while_sending(sqlite_house, "first")
    assert notice_states(sqlite_house) == ["in_doubt"]
