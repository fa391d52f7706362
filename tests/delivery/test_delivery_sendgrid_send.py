"""An issue sent by SendGrid: the ledger's promises hold on this road too, and its events find their rows."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sendgrid_fake
import sqlalchemy as sa
from delivery_house import House
from sendgrid_fake import ACCEPT, HANG, KEY, Answer, Fake, error

from newsletter.delivery import feedback
from newsletter.delivery.feedback import sendgrid as sendgrid_events
from newsletter.delivery.loop import Stop
from newsletter.delivery.transports.sendgrid import DOUBTS, SendGridTransport, Service
from newsletter.delivery.transports.sendgrid_line import Patience
from newsletter.store.tables import attempts, deliveries
from newsletter.subscribers.journal import Journal

SCRIPT = Path(__file__).with_name("sendgrid_process.py")
QUICK = Patience(connect=0.5, send=0.5, answer=0.5, rest=0.2)


@pytest.fixture
def service() -> Iterator[Fake]:
    with sendgrid_fake.fake() as far:
        yield far


def by_sendgrid(far: Fake, patience: Patience | None = None) -> SendGridTransport:
    """Patient, as it is in life, unless the service is to stay silent."""
    return SendGridTransport(Service(far.url, lambda: KEY, patience=patience or Patience()))


def copies(far: Fake) -> Counter[str]:
    """How often each reader was offered to the service, whatever it answered."""
    return Counter(body["personalizations"][0]["to"][0]["email"] for body in far.requests)


def test_everybody_gets_one_and_every_request_names_its_own_row(
    house: House, service: Fake
) -> None:
    house.readers(12)
    house.open()
    report = house.send(by_sendgrid(service))
    assert (report.stop, report.accepted) == (Stop.DONE, 12)
    assert house.sum().exact
    with house.store.read() as tx:
        rows = set(tx.scalars(sa.select(deliveries.c.id)))
        pinned = set(tx.scalars(sa.select(deliveries.c.message_id)))
    people = [body["personalizations"][0] for body in service.requests]
    assert {person["custom_args"]["newsletter_delivery"] for person in people} == rows
    assert {person["headers"]["Message-ID"] for person in people} == pinned
    assert max(copies(service).values()) == 1
    links = {body["content"][0]["value"].split()[-1] for body in service.requests}
    assert len(links) == 12


def test_one_refused_address_rejects_one_reader(sqlite_house: House, service: Fake) -> None:
    def refuse(body: dict[str, Any]) -> Answer:
        to = body["personalizations"][0]["to"][0]["email"]
        if to.startswith("reader3@"):
            return error(400, f"{to} is not valid", "personalizations.0.to.0.email")
        return ACCEPT

    house = sqlite_house
    house.readers(6)
    house.open()
    service.behave = refuse
    house.send(by_sendgrid(service))
    account = house.sum()
    assert (account.accepted, account.rejected, account.pending) == (5, 1, 0)
    with house.store.read() as tx:
        replies = list(tx.scalars(sa.select(attempts.c.reply).where(attempts.c.code == 553)))
    assert replies == ["… is not valid"]


@pytest.mark.parametrize(
    "answer", [error(401, "no"), error(403, "no"), Answer(413)], ids=["401", "403", "413"]
)
def test_what_is_about_us_pauses_the_sender_and_rejects_nobody(
    sqlite_house: House, service: Fake, answer: Answer
) -> None:
    house = sqlite_house
    house.readers(30)
    house.open()
    service.behave = answer
    report = house.send(by_sendgrid(service), connections=3)
    assert report.stop is Stop.PAUSED
    assert len(service.requests) <= 3
    account = house.sum()
    assert (account.pending, account.rejected, account.in_doubt) == (30, 0, 0)
    service.behave = ACCEPT
    assert house.send(by_sendgrid(service)).accepted == 30


@pytest.mark.parametrize("answer", [Answer(500), Answer(200), HANG], ids=["500", "200", "silence"])
def test_an_ill_service_leaves_few_in_doubt_and_nobody_is_asked_twice(
    sqlite_house: House, service: Fake, answer: Answer | str
) -> None:
    house = sqlite_house
    house.readers(40)
    house.open()
    service.behave = answer
    report = house.send(by_sendgrid(service, QUICK), connections=4)
    assert report.stop is Stop.PAUSED
    doubts = house.sum().in_doubt
    assert DOUBTS <= doubts <= DOUBTS + 4
    service.behave = ACCEPT
    house.now += dt.timedelta(minutes=2)  # whoever was begun when the rest began waits a minute
    house.send(by_sendgrid(service))
    account = house.sum()
    assert account.exact
    assert (account.in_doubt, account.accepted, account.pending) == (doubts, 40 - doubts, 0)
    assert max(copies(service).values()) == 1


def test_a_service_that_is_down_costs_no_doubt(sqlite_house: House, service: Fake) -> None:
    house = sqlite_house
    house.readers(5)
    house.open()
    service.down()
    assert house.send(by_sendgrid(service)).stop is Stop.PAUSED
    assert house.sum().pending == 5
    service.up()
    assert house.send(by_sendgrid(service)).accepted == 5


def test_a_limit_puts_the_rest_of_the_letter_off_and_loses_nobody(
    sqlite_house: House, service: Fake
) -> None:
    def limited(body: dict[str, Any]) -> Answer:
        if len(service.requests) > 5:
            return error(429, "too many requests", **{"Retry-After": "600"})
        return ACCEPT

    house = sqlite_house
    house.readers(20)
    house.open()
    service.behave = limited
    report = house.send(by_sendgrid(service, QUICK), connections=2)
    assert report.stop is Stop.PAUSED
    assert "too many requests" in report.why
    assert len(service.requests) <= 7
    account = house.sum()
    assert (account.accepted, account.pending, account.in_doubt) == (5, 15, 0)


def test_killed_in_the_middle_of_a_request_the_row_is_in_doubt_and_nobody_gets_two(
    house: House, service: Fake
) -> None:
    house.readers(30)
    house.open()
    here = threading.Semaphore(0)

    def hold(body: dict[str, Any]) -> Answer | str:
        if len(service.requests) <= 10:
            return ACCEPT
        here.release()
        return HANG  # the request is read; perhaps it was taken, perhaps not

    service.behave = hold
    process = start(house, service.url)
    assert here.acquire(timeout=20)
    assert here.acquire(timeout=20)  # both connections wait for their answers
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    service.behave = ACCEPT
    out, _ = start(house, service.url).communicate(timeout=30)
    assert out.strip() == "done"
    account = house.sum()
    assert account.exact
    assert (account.in_doubt, account.accepted, account.pending) == (2, 28, 0)
    assert max(copies(service).values()) == 1
    assert len(copies(service)) == 30


def start(house: House, url: str) -> subprocess.Popen[str]:
    database = house.store._writer.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), database, str(house.settings.root), url],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_an_event_settles_the_row_whose_request_was_lost(
    house: House, service: Fake, tmp_path: Path
) -> None:
    house.readers(2)
    house.open()
    service.behave = Answer(raw=b"")
    house.send(by_sendgrid(service), connections=1)
    assert house.sum().in_doubt == 2
    journal = Journal(tmp_path / "journal.jsonl")
    told = [
        {
            "event": kind,
            "sg_event_id": f"e{number}",
            "reason": "550 5.1.1 unknown",
            "email": "reader@example.org",
            **body["personalizations"][0]["custom_args"],
        }
        for number, (kind, body) in enumerate(
            zip(["delivered", "bounce"], service.requests, strict=True)
        )
    ]
    events = sendgrid_events.read(json.dumps(told).encode(), house.now)
    feedback.apply_all(house.store, journal, events, house.now)
    account = house.sum()
    assert account.exact
    assert account.in_doubt == 0
    assert Counter(house.states().values()) == {"accepted": 1, "bounced": 1}
