"""Coming back: after a bounce by signing up anew, after a complaint by the operator's word."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest
import sqlalchemy as sa
from feedback_house import Sent

from newsletter.delivery.feedback import Kind
from newsletter.store.tables import consents, subscribers
from newsletter.subscribers import people, suppression, wordings
from newsletter.subscribers.address import Address
from newsletter.subscribers.people import Asked, Outcome
from newsletter.subscribers.states import Reason

DAY = dt.timedelta(days=1)
READER = Address("reader0@example.org", "reader0@example.org")


@pytest.fixture
def agreed(sent: Sent) -> str:
    shown = wordings.Shown(hashlib.sha256(b"I agree").hexdigest(), "en", "1", "I agree")
    with sent.store.write() as tx:
        wordings.register(tx, [shown], sent.now)
    return shown.hash


def ask(sent: Sent, wording: str, now: dt.datetime) -> Asked:
    with sent.store.write() as tx:
        return people.ask(tx, sent.vault, READER, "en", wording, now)


def bounced(sent: Sent) -> str:
    (reader,) = sent.readers(1)
    sent.issue()
    sent.bounce(reader, "5.1.1")
    return reader


def test_for_thirty_days_the_form_sends_nothing_to_a_mailbox_that_bounced(
    sent: Sent, agreed: str
) -> None:
    bounced(sent)
    assert not ask(sent, agreed, sent.now + 29 * DAY).send_notice


def test_after_thirty_days_a_new_opt_in_makes_them_a_reader_again(sent: Sent, agreed: str) -> None:
    reader = bounced(sent)
    later = sent.now + 30 * DAY
    asked = ask(sent, agreed, later)
    assert asked.send_notice
    assert asked.subscriber_id == reader
    assert sent.why(reader) == {"bounced"}  # asking proves nothing
    assert asked.confirmation_id is not None
    with sent.store.write() as tx:
        confirmed = people.confirm(tx, asked.confirmation_id, later)
    assert confirmed.outcome is Outcome.CONFIRMED
    assert sent.why(reader) == set()
    with sent.store.read() as tx:
        assert tx.scalar(sa.select(subscribers.c.consent_epoch)) == 2
        assert tx.scalar(sa.select(sa.func.count()).select_from(consents)) == 1
    with sent.store.write() as tx:
        assert people.confirm(tx, asked.confirmation_id, later).outcome is Outcome.ALREADY


def test_a_reader_who_is_mailed_is_asked_nothing(sent: Sent, agreed: str) -> None:
    sent.readers(1)
    assert not ask(sent, agreed, sent.now).send_notice


def test_an_old_bounce_does_not_undo_a_new_opt_in(sent: Sent, agreed: str) -> None:
    reader = bounced(sent)
    later = sent.now + 30 * DAY
    asked = ask(sent, agreed, later)
    assert asked.confirmation_id is not None
    with sent.store.write() as tx:
        people.confirm(tx, asked.confirmation_id, later)
    sent.bounce(reader, "5.1.2", unique="another report of the old mail")
    assert sent.why(reader) == set()


def test_a_complaint_lasts_until_the_operator_lifts_it(sent: Sent, agreed: str) -> None:
    (reader,) = sent.readers(1)
    sent.issue()
    sent.hear(Kind.COMPLAINED, sent.delivery(reader))
    years = sent.now + 2000 * DAY
    assert not ask(sent, agreed, years).send_notice
    with sent.store.write() as tx:
        key = tx.scalar(sa.select(subscribers.c.suppression_key))
        assert key is not None
        assert suppression.lift(tx, bytes(key), Reason.COMPLAINED)
    assert ask(sent, agreed, years).send_notice
