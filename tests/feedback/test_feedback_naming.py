"""Only what we made names anybody: forged, mixed, replayed and pasted marks change nothing."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable
from dataclasses import replace

import corpus
import pytest
import sqlalchemy as sa
from corpus import Ours
from feedback_house import Sent

from newsletter.delivery import ledger, notices
from newsletter.delivery.feedback import Effect
from newsletter.delivery.feedback.collecting import What
from newsletter.delivery.press import Press
from newsletter.store.tables import deliveries, feedback_events
from newsletter.store.tables import notices as notice_rows
from newsletter.subscribers import people, wordings
from newsletter.subscribers.address import Address


@pytest.mark.parametrize("make", corpus.GONE.values(), ids=corpus.GONE)
def test_a_real_bounce_suppresses_in_the_words_of(
    sqlite_sent: Sent, make: Callable[[Ours], bytes]
) -> None:
    sent = sqlite_sent
    gone, fine = sent.readers(2)
    sent.issue()
    done = sent.hears(make(sent.ours(gone)))
    assert done.mails == {What.ACTED: 1}
    assert sent.states() == {gone: "bounced", fine: "accepted"}
    assert sent.why(gone) == {"bounced"}


@pytest.mark.parametrize("make", corpus.COMPLAINTS.values(), ids=corpus.COMPLAINTS)
def test_a_real_complaint_takes_the_reader_out(
    sqlite_sent: Sent, make: Callable[[Ours], bytes]
) -> None:
    sent = sqlite_sent
    angry, calm = sent.readers(2)
    sent.issue()
    sent.hears(make(sent.ours(angry)))
    assert sent.states() == {angry: "complained", calm: "accepted"}
    assert sent.why(angry) == {"left", "complained"}


def test_without_a_return_path_of_ours_the_message_id_tells(sent: Sent) -> None:
    (gone,) = sent.readers(1)
    sent.issue()
    ours = sent.ours(gone, verp="letter@letter.example.org", envelope_id="")
    assert sent.hears(corpus.report(ours)).effects == {Effect.SUPPRESSED: 1}


def test_the_envelope_id_alone_tells(sent: Sent) -> None:
    (gone,) = sent.readers(1)
    sent.issue()
    ours = sent.ours(gone, verp="letter@letter.example.org", message_id="", leave="")
    assert sent.hears(corpus.report(ours)).effects == {Effect.SUPPRESSED: 1}


@pytest.mark.parametrize("name", ["chosenchosenchosenchosench", "c0" * 16])
def test_a_message_id_that_our_key_did_not_make_names_nobody(sqlite_sent: Sent, name: str) -> None:
    """Whoever could write into the ledger could still not choose a Message-ID."""
    sent = sqlite_sent
    (victim,) = sent.readers(1)
    sent.issue()
    chosen = f"<{name}@letter.example.org>"
    with sent.store.write() as tx:
        tx.execute(sa.update(deliveries).values(message_id=chosen))
    assert sent.hears(corpus.report(Ours("letter@letter.example.org", chosen))).mails == {
        What.FORGED: 1
    }
    assert sent.why(victim) == set()


def test_an_envelope_recipient_tells_what_the_header_does_not(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue()
    ours = sent.ours(gone, message_id="", leave="", envelope_id="")
    raw = corpus.report(ours, to="undisclosed@example.org").replace(b"Return-Path: <b+", b"X: <")
    assert sent.hears(raw).mails == {What.NOT_OURS: 1}
    assert sent.hears(raw, recipients=(ours.verp,)).effects == {Effect.SUPPRESSED: 1}


def test_a_server_that_folds_capitals_takes_no_name_away(sqlite_sent: Sent) -> None:
    """Exim gives a pipe RECIPIENT in small letters; the header has it as it was."""
    sent = sqlite_sent
    one, two, three = sent.readers(3)
    sent.issue()
    piped, bare, nameless = sent.ours(one), sent.ours(two), sent.ours(three)
    assert sent.hears(corpus.exim(piped), recipients=(piped.verp.lower(),)).effects == {
        Effect.SUPPRESSED: 1
    }
    folded = corpus.exim(bare).replace(bare.verp.encode(), bare.verp.lower().encode())
    assert sent.hears(folded).effects == {Effect.SUPPRESSED: 1}
    alone = replace(nameless, verp=nameless.verp.lower(), message_id="", leave="", envelope_id="")
    assert sent.hears(corpus.report(alone)).mails == {What.NOT_OURS: 1}
    assert sent.states() == {one: "bounced", two: "bounced", three: "accepted"}


def test_a_leave_whose_capitals_were_folded_on_the_way_is_heard(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    to = f"leave+{sent.ours(reader).leave}@bounces.example.org"
    assert sent.hears(corpus.leave_mail(to), recipients=(to.lower(),)).effects == {Effect.LEFT: 1}
    assert sent.hears(corpus.leave_mail(to.lower())).mails == {What.NOT_OURS: 1}


def other_token(token: str) -> str:
    return token[:-1] + ("A" if token[-1] != "A" else "B")


def forged_token(sent: Sent, victim: str, _other: str) -> bytes:
    ours = sent.ours(victim)
    local, _, domain = ours.verp.partition("@")
    return corpus.report(replace(ours, verp=f"{other_token(local)}@{domain}"))


def guessed_id(sent: Sent, victim: str, _other: str) -> bytes:
    """The first half of a token is no secret; the second is."""
    token = sent.bounce_token(sent.delivery(victim))
    made = secrets.token_urlsafe(24)[: 32 - 11]
    return corpus.report(Ours(f"b+{token[:11]}{made}@bounces.example.org", ""))


def another_mail_inside(sent: Sent, victim: str, other: str) -> bytes:
    """The token of one delivery, the letter of another."""
    return corpus.report(replace(sent.ours(other), verp=sent.ours(victim).verp))


def another_link_inside(sent: Sent, victim: str, other: str) -> bytes:
    return corpus.report(replace(sent.ours(victim), leave=sent.ours(other).leave))


def another_envelope(sent: Sent, victim: str, other: str) -> bytes:
    return corpus.report(replace(sent.ours(victim), envelope_id=sent.ours(other).envelope_id))


def two_recipients(sent: Sent, victim: str, other: str) -> bytes:
    return corpus.report(sent.ours(victim), head=f"Delivered-To: {sent.ours(other).verp}\n")


def made_up_message_id(sent: Sent, victim: str, _other: str) -> bytes:
    return corpus.report(sent.ours(victim, message_id=f"<{'0f' * 16}@letter.example.org>"))


def made_up_message_id_of_a_notice(sent: Sent, victim: str, _other: str) -> bytes:
    return corpus.report(
        sent.ours(victim, message_id="<abcdefghijklmnopqrstuvwxyz@letter.example.org>")
    )


def message_id_of_another_domain(sent: Sent, victim: str, _other: str) -> bytes:
    """The name is right and the domain is not: it is the whole that stands in the row."""
    name = sent.ours(victim).message_id.partition("@")[0]
    return corpus.report(Ours("letter@letter.example.org", f"{name}@elsewhere.example"))


def forged_leave_link(sent: Sent, victim: str, _other: str) -> bytes:
    ours = sent.ours(victim)
    return corpus.report(replace(ours, leave=other_token(ours.leave)))


def forged_leave_mail(sent: Sent, victim: str, _other: str) -> bytes:
    token = other_token(sent.ours(victim).leave)
    return corpus.leave_mail(f"leave+{token}@bounces.example.org")


def two_leaves(sent: Sent, victim: str, other: str) -> bytes:
    one, two = (f"leave+{sent.ours(each).leave}@bounces.example.org" for each in (victim, other))
    return corpus.leave_mail(f"{one}>, <{two}")


def a_leave_link_as_a_bounce_token(sent: Sent, victim: str, _other: str) -> bytes:
    """A token is bound to its purpose."""
    leave = sent.ours(victim).leave
    return corpus.report(Ours(f"b+{leave}@bounces.example.org", ""))


def a_bounce_token_as_a_leave(sent: Sent, victim: str, _other: str) -> bytes:
    token = sent.bounce_token(sent.delivery(victim))
    return corpus.leave_mail(f"leave+{token}@bounces.example.org")


def pasted_in_the_body(sent: Sent, victim: str, _other: str) -> bytes:
    ours = sent.ours(victim)
    words = f"To: {ours.verp}\nMessage-ID: {ours.message_id}\nFinal-Recipient: {ours.reader}\n"
    nobody = Ours("letter@letter.example.org", "<theirs@elsewhere.example>")
    return corpus.report(nobody, words=words, more=f"X-Token: {ours.verp}\n")


def a_victims_address_alone(_sent: Sent, _victim: str, _other: str) -> bytes:
    return corpus.report(Ours("letter@letter.example.org", "", reader="reader0@example.org"))


def words_alone(_sent: Sent, _victim: str, _other: str) -> bytes:
    return corpus.exim_text(Ours("letter@letter.example.org", "", reader="reader0@example.org"))


FORGERIES = [
    forged_token,
    guessed_id,
    another_mail_inside,
    another_link_inside,
    another_envelope,
    two_recipients,
    made_up_message_id,
    made_up_message_id_of_a_notice,
    message_id_of_another_domain,
    forged_leave_link,
    forged_leave_mail,
    two_leaves,
    a_leave_link_as_a_bounce_token,
    a_bounce_token_as_a_leave,
    pasted_in_the_body,
    a_victims_address_alone,
    words_alone,
]


@pytest.mark.parametrize("forge", FORGERIES)
def test_a_forgery_changes_nothing(
    sqlite_sent: Sent, forge: Callable[[Sent, str, str], bytes]
) -> None:
    sent = sqlite_sent
    victim, other = sent.readers(2)
    sent.issue()
    done = sent.hears(forge(sent, victim, other))
    assert set(done.mails) <= {What.FORGED, What.NOT_OURS}
    assert not done.effects
    assert set(sent.states().values()) == {"accepted"}
    assert sent.why(victim) == sent.why(other) == set()
    assert {sent.standing(victim), sent.standing(other)} == {"confirmed"}
    with sent.store.read() as tx:
        assert tx.execute(sa.select(feedback_events)).all() == []


def test_a_replay_changes_nothing_whatever_stands_around_it(sent: Sent) -> None:
    """Three copies of one full mailbox are one, and not three issues in a row."""
    (full,) = sent.readers(1)
    sent.issue()
    raw = corpus.full_mailbox(sent.ours(full))
    done = sent.hears(raw, b"Received: from x\r\n" + raw, b"Date: tomorrow\r\n" + raw)
    assert done.effects == {Effect.MARKED: 1, Effect.REPLAYED: 2}
    assert sent.why(full) == set()


def test_a_token_of_an_older_issue_is_too_old_to_believe(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue(1)
    old = corpus.report(sent.ours(reader))
    sent.issue(2)
    assert sent.hears(old).effects == {Effect.STALE: 1}
    assert sent.state(reader, "2026-11") == "accepted"
    assert sent.state(reader, "2026-12") == "accepted"
    assert sent.why(reader) == set()


def test_a_token_of_an_issue_names_that_issue_alone(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue(1)
    raw = corpus.report(sent.ours(reader))
    sent.now += dt.timedelta(days=1)
    sent.hears(raw)
    assert sent.state(reader) == "bounced"


def _notice(sent: Sent) -> str:
    """A confirmation that was mailed to somebody new; its id."""
    address = Address("new@example.org", "new@example.org")
    with sent.store.write() as tx:
        shown = wordings.Shown(hashlib.sha256(b"I agree").hexdigest(), "en", "1", "I agree")
        wordings.register(tx, [shown], sent.now)
        asked = people.ask(tx, sent.vault, address, "en", shown.hash, sent.now)
        assert asked.subscriber_id is not None
        assert asked.confirmation_id is not None
        notice = notices.enqueue(
            tx, "confirm", asked.subscriber_id, asked.confirmation_id, "en", 0, sent.now
        )
        tx.execute(sa.update(notice_rows).values(state="accepted", settled_at=sent.now))
    return notice


def test_a_bounce_of_a_confirmation_marks_it_and_nothing_else(sent: Sent) -> None:
    (reader,) = sent.readers(1)
    sent.issue()
    notice = _notice(sent)
    with sent.store.read() as tx:
        name = tx.scalar(sa.select(notice_rows.c.message_id))
    ours = Ours(
        f"b+{sent.bounce_token(notice)}@bounces.example.org", f"<{name}@letter.example.org>"
    )
    assert sent.hears(corpus.report(ours)).effects == {Effect.MARKED: 1}
    with sent.store.read() as tx:
        assert tx.scalar(sa.select(notice_rows.c.state)) == "bounced"
    assert sent.state(reader) == "accepted"
    assert sent.sum().exact


def test_a_notice_has_a_return_path_that_names_it(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    notice = _notice(sent)
    settings = sent.settings.model_copy(
        update={
            "sender": sent.settings.sender.model_copy(
                update={"bounce_domain": "bounces.example.org"}
            )
        }
    )
    with sent.store.write() as tx:
        tx.execute(sa.update(notice_rows).values(state="queued"))
        (job,) = ledger.claim(tx, ledger.NOTICES, "s" * 16, 1, sent.now)
    envelope, _ = Press(settings, sent.vault).compose(job, sent.now)
    assert envelope.sender == f"b+{sent.bounce_token(notice)}@bounces.example.org"


def test_a_leave_by_mail_is_a_leave(sent: Sent) -> None:
    leaver, stays = sent.readers(2)
    sent.issue(state="queued")
    mailbox = f"leave+{sent.ours(leaver).leave}@bounces.example.org"
    assert sent.hears(corpus.leave_mail(mailbox)).effects == {Effect.LEFT: 1}
    assert (sent.standing(leaver), sent.standing(stays)) == ("unsubscribed", "confirmed")
    assert sent.state(leaver) == "excluded"
    assert len(list(sent.journal.entries())) == 1


def test_whoever_came_back_may_leave_by_mail_again(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    mailbox = f"leave+{sent.ours(reader).leave}@bounces.example.org"
    first, second = corpus.leave_mail(mailbox), corpus.leave_mail(mailbox, head="Date: later\n")
    sent.hears(first)
    with sent.store.write() as tx:
        tx.exec_driver_sql("UPDATE subscribers SET state = 'confirmed'")
        tx.exec_driver_sql("DELETE FROM suppressions")
    assert sent.hears(first).effects == {Effect.REPLAYED: 1}
    assert sent.standing(reader) == "confirmed"
    assert sent.hears(second).effects == {Effect.LEFT: 1}
    assert sent.standing(reader) == "unsubscribed"


@pytest.mark.parametrize("make", [corpus.vacation, corpus.ticket])
def test_out_of_office_is_neither_a_bounce_nor_a_leave(
    sqlite_sent: Sent, make: Callable[[Ours], bytes]
) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    ours = sent.ours(reader)
    leave = replace(ours, verp=f"leave+{ours.leave}@bounces.example.org")
    done = sent.hears(make(ours), make(leave))
    assert done.mails == {What.AUTOMATIC: 2}
    assert sent.state(reader) == "accepted"
    assert sent.standing(reader) == "confirmed"


def test_nothing_that_came_back_is_answered(sqlite_sent: Sent) -> None:
    """RFC 5321 §4.5.5: no mail goes out because of one that came in."""
    sent = sqlite_sent
    makers = [*corpus.GONE.values(), *corpus.COMPLAINTS.values(), corpus.vacation, corpus.person]
    readers = sent.readers(len(makers))
    sent.issue()
    marks = [sent.ours(reader) for reader in readers]
    leaves = [corpus.leave_mail(f"leave+{ours.leave}@bounces.example.org") for ours in marks]
    sent.hears(*(make(ours) for make, ours in zip(makers, marks, strict=True)), *leaves)
    with sent.store.read() as tx:
        assert tx.execute(sa.select(notice_rows)).all() == []
