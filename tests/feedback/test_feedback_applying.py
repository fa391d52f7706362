"""What comes back changes what the table says, once, and nothing else."""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa
from feedback_house import Sent

from newsletter.delivery import departure, feedback
from newsletter.delivery.feedback import Applied, Effect, Event, Kind
from newsletter.delivery.feedback.applying import FRESH
from newsletter.store.tables import FEEDBACK_KINDS, deliveries, feedback_events, subscribers
from newsletter.subscribers.journal import Kind as Written


def test_the_kinds_are_those_of_the_table() -> None:
    assert tuple(kind.value for kind in Kind) == FEEDBACK_KINDS


def test_a_mailbox_that_is_gone_is_marked_and_suppressed_and_still_a_reader(sent: Sent) -> None:
    gone, fine = sent.readers(2)
    sent.issue()
    assert sent.bounce(gone, "5.1.1") == Applied(Effect.SUPPRESSED, "2026-11")
    assert sent.states() == {gone: "bounced", fine: "accepted"}
    assert sent.why(gone) == {"bounced"}
    assert sent.standing(gone) == "confirmed"
    assert sent.why(fine) == set()


def test_bounced_and_complained_stand_inside_accepted_and_the_sum_stays_exact(sent: Sent) -> None:
    gone, angry, _, _ = sent.readers(4)
    sent.issue()
    sent.bounce(gone, "5.1.1")
    sent.hear(Kind.COMPLAINED, sent.delivery(angry))
    account = sent.sum()
    assert (account.audience, account.accepted, account.bounced, account.complained) == (4, 4, 1, 1)
    assert account.exact


def test_whoever_bounced_gets_no_next_issue(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    gone, fine = sent.readers(2)
    sent.issue()
    sent.bounce(gone, "5.1.1")
    sent.issue(2)
    assert sent.sum("2026-12").audience == 1
    assert sent.state(fine, "2026-12") == "accepted"


def test_a_bounce_takes_the_reader_out_of_what_has_not_begun(sent: Sent) -> None:
    (gone,) = sent.readers(1)
    sent.issue()
    sent.issue(2, state="queued")
    sent.now -= dt.timedelta(days=26)
    sent.bounce(gone, "5.1.1")
    assert sent.state(gone, "2026-12") == "excluded"
    assert sent.sum("2026-12").excluded_why == {"bounced": 1}


def test_the_second_copy_of_an_event_changes_nothing(sent: Sent) -> None:
    (gone,) = sent.readers(1)
    sent.issue()
    sent.bounce(gone, "4.2.2")
    assert sent.bounce(gone, "4.2.2").effect is Effect.REPLAYED
    with sent.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(feedback_events)) == 1


def test_an_event_about_nobody_here_is_not_kept(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    assert sent.hear(Kind.BOUNCED, "0" * 32, enhanced="5.1.1").effect is Effect.UNKNOWN
    with sent.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(feedback_events)) == 0


@pytest.mark.parametrize("state", ["claimed", "sending", "deferred", "queued"])
def test_an_early_bounce_waits_until_its_delivery_has_settled(
    sqlite_sent: Sent, state: str
) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue(state=state)
    assert sent.bounce(gone, "5.1.1").effect is Effect.WAITING
    assert sent.state(gone) == state
    assert feedback.apply_waiting(sent.store, sent.now) == []
    sent.bring("accepted")
    assert feedback.apply_waiting(sent.store, sent.now) == [Applied(Effect.SUPPRESSED, "2026-11")]
    assert sent.state(gone) == "bounced"
    assert feedback.apply_waiting(sent.store, sent.now) == []


@pytest.mark.parametrize("state", ["rejected", "excluded"])
def test_an_early_bounce_of_a_mail_that_was_never_taken_is_forgotten(
    sqlite_sent: Sent, state: str
) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue(state="sending")
    sent.bounce(reader, "5.1.1")
    sent.bring(state)
    assert feedback.apply_waiting(sent.store, sent.now) == [Applied(Effect.NOTHING)]
    assert sent.state(reader) == state
    assert sent.why(reader) == set()


def test_a_bounce_settles_a_delivery_in_doubt(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (gone,) = sent.readers(1)
    sent.issue(state="in_doubt")
    sent.bounce(gone, "5.1.1")
    assert sent.state(gone) == "bounced"


@pytest.mark.parametrize("kind", [Kind.DELIVERED, Kind.DEFERRED])
def test_whoever_has_it_proves_that_it_was_taken(sent: Sent, kind: Kind) -> None:
    doubted, sure = sent.readers(2)
    sent.issue(state="in_doubt")
    assert sent.hear(kind, sent.delivery(doubted)) == Applied(Effect.EVIDENCE, "2026-11")
    assert sent.states() == {doubted: "accepted", sure: "in_doubt"}
    again = sent.hear(kind, sent.delivery(doubted), unique="another report")
    assert again == Applied(Effect.NOTHING)


def test_a_refusal_for_our_sake_marks_and_suppresses_nobody(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    refused, blocked = sent.readers(2)
    sent.issue()
    assert sent.bounce(refused, "5.7.1", code=550) == Applied(Effect.MARKED, "2026-11")
    sent.hear(Kind.BLOCKED, sent.delivery(blocked), code=550)
    assert set(sent.states().values()) == {"bounced"}
    assert sent.why(refused) == sent.why(blocked) == set()


def test_a_full_mailbox_is_suppressed_after_three_issues_in_a_row(sent: Sent) -> None:
    (full,) = sent.readers(1)
    effects = []
    for number in (1, 2, 3):
        period = sent.issue(number)
        effects.append(sent.bounce(full, "4.2.2", period).effect)
    assert effects == [Effect.MARKED, Effect.MARKED, Effect.SUPPRESSED]


def test_an_issue_that_stayed_taken_begins_the_count_anew(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (full,) = sent.readers(1)
    for number, comes_back in ((1, True), (2, False), (3, True), (4, True)):
        period = sent.issue(number)
        if comes_back:
            assert sent.bounce(full, "5.2.2", period).effect is Effect.MARKED
    assert sent.why(full) == set()


def test_a_stale_bounce_is_kept_and_changes_nothing(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    late = sent.now + FRESH + dt.timedelta(seconds=1)
    assert sent.bounce(reader, "5.1.1", at=late) == Applied(Effect.STALE)
    assert sent.state(reader) == "accepted"
    assert sent.why(reader) == set()


def test_a_mail_of_an_older_consent_does_not_suppress_who_came_back(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (back,) = sent.readers(1)
    sent.issue()
    with sent.store.write() as tx:
        tx.execute(sa.update(subscribers).values(consent_epoch=3))
    assert sent.bounce(back, "5.1.1") == Applied(Effect.MARKED, "2026-11")
    assert sent.why(back) == set()


def test_a_complaint_takes_the_reader_out_for_good_journal_first(sent: Sent) -> None:
    (angry,) = sent.readers(1)
    sent.issue()
    assert sent.hear(Kind.COMPLAINED, sent.delivery(angry)).effect is Effect.SUPPRESSED
    assert sent.state(angry) == "complained"
    assert sent.standing(angry) == "unsubscribed"
    assert sent.why(angry) == {"left", "complained"}
    (entry,) = sent.journal.entries()
    assert entry is not None
    assert (entry.kind, entry.subscriber_id) == (Written.COMPLAINT, angry)


def test_a_complaint_does_not_wait_for_its_delivery(sent: Sent) -> None:
    (angry,) = sent.readers(1)
    sent.issue(state="sending")
    sent.hear(Kind.COMPLAINED, sent.delivery(angry))
    assert "complained" in sent.why(angry)
    assert sent.state(angry) == "sending"
    sent.bring("accepted")
    feedback.apply_waiting(sent.store, sent.now)
    assert sent.state(angry) == "complained"


def test_a_complaint_survives_a_restore(sent: Sent) -> None:
    (angry,) = sent.readers(1)
    sent.issue()
    with sent.store.read() as tx:
        (person,) = tx.execute(sa.select(subscribers.c.suppression_key, subscribers.c.id))
    sent.journal.append(
        Written.COMPLAINT, person.id, bytes(person.suppression_key), epoch=1, now=sent.now
    )
    sent.journal.catch_up(sent.store)
    assert sent.why(angry) == {"left", "complained"}


def test_a_complaint_may_name_the_reader_alone(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (angry,) = sent.readers(1)
    with sent.store.read() as tx:
        link = bytes(tx.execute(sa.select(subscribers.c.link_id)).scalar_one())
    event = Event(Kind.COMPLAINED, "a report", "arf", sent.now, link_id=link)
    assert feedback.apply(sent.store, sent.journal, event, sent.now).effect is Effect.SUPPRESSED
    assert "complained" in sent.why(angry)


def test_a_leave_that_came_back_is_a_leave_like_any_other(sent: Sent) -> None:
    (leaver,) = sent.readers(1)
    sent.issue(state="queued")
    assert sent.hear(Kind.LEFT, sent.delivery(leaver)).effect is Effect.LEFT
    assert sent.standing(leaver) == "unsubscribed"
    assert sent.why(leaver) == {"left"}
    assert sent.state(leaver) == "excluded"


def test_a_bounce_of_somebody_erased_is_counted_and_nothing_else(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (erased,) = sent.readers(1)
    sent.issue()
    delivery = sent.delivery(erased)
    departure.erase(sent.store, sent.journal, erased, sent.now)
    assert sent.hear(Kind.BOUNCED, delivery, enhanced="5.1.1") == Applied(Effect.MARKED, "2026-11")
    assert sent.sum().bounced == 1


def test_a_complaint_after_a_bounce_still_counts_for_the_reader(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    sent.bounce(reader, "4.2.2")
    sent.hear(Kind.COMPLAINED, sent.delivery(reader))
    assert sent.state(reader) == "bounced"  # an end
    assert "complained" in sent.why(reader)


@pytest.mark.parametrize(
    "wrong",
    [
        {"delivery_id": None},
        {"link_id": b"12345678"},
        {"enhanced": "somebody@example.org"},
        {"code": 7},
        {"source": "a long story"},
        {"at": dt.datetime(2026, 1, 1)},  # noqa: DTZ001
        {"unique": ""},
    ],
)
def test_an_event_that_says_nonsense_cannot_be_made(
    wrong: dict[str, object], now: dt.datetime
) -> None:
    good: dict[str, object] = {
        "kind": Kind.BOUNCED,
        "unique": "x",
        "source": "dsn",
        "at": now,
        "delivery_id": "0" * 32,
    }
    Event(**good)  # type: ignore[arg-type]
    with pytest.raises(ValueError):
        Event(**good | wrong)  # type: ignore[arg-type]


def test_what_is_kept_of_an_event_names_nobody(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (reader,) = sent.readers(1)
    sent.issue()
    sent.bounce(reader, "5.1.1", unique="reader0@example.org said so")
    with sent.store.read() as tx:
        row = tx.execute(sa.select(feedback_events)).one()
        assert "example.org" not in repr(tuple(row))
        assert tx.scalar(sa.select(deliveries.c.reason)) == "report 5.1.1"


def refuse(sent: Sent, period: str, reasons: dict[str, str]) -> None:
    """Servers refused these readers in the dialogue."""
    with sent.store.write() as tx:
        for reader, why in reasons.items():
            tx.execute(
                sa.update(deliveries)
                .where(deliveries.c.period == period, deliveries.c.subscriber_id == reader)
                .values(state="rejected", reason=why, settled_at=sent.now)
            )


def weigh(sent: Sent, period: str) -> int:
    with sent.store.write() as tx:
        return feedback.weigh_rejected(tx, period, sent.now)


def test_whom_a_server_refused_for_good_is_not_tried_again(sent: Sent) -> None:
    gone, ours, full, late = sent.readers(4)
    period = sent.issue()
    why = {gone: "rcpt 550 5.1.1", ours: "rcpt 550 5.7.1", full: "rcpt 552 5.2.2", late: "expired"}
    refuse(sent, period, why)
    assert weigh(sent, period) == 1
    assert [sent.why(reader) for reader in (gone, ours, full, late)] == [
        {"bounced"},
        set(),
        set(),
        set(),
    ]
    assert sent.state(gone) == "rejected"


def test_refusals_and_reports_count_together(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (full,) = sent.readers(1)
    refuse(sent, sent.issue(1), {full: "rcpt 552 5.2.2"})
    sent.bounce(full, "4.2.2", sent.issue(2))
    period = sent.issue(3)
    refuse(sent, period, {full: "terminator 552 5.2.2"})
    assert weigh(sent, period) == 1
    assert sent.why(full) == {"bounced"}


def test_a_complaint_of_somebody_erased_is_counted_and_nothing_else(sqlite_sent: Sent) -> None:
    sent = sqlite_sent
    (erased,) = sent.readers(1)
    sent.issue()
    delivery = sent.delivery(erased)
    departure.erase(sent.store, sent.journal, erased, sent.now)
    assert sent.hear(Kind.COMPLAINED, delivery) == Applied(Effect.MARKED, "2026-11")


def test_a_complaint_whose_commit_fails_is_a_leave_after_all(sqlite_sent: Sent) -> None:
    """The process dies between journal and transaction: the next start finds it in the journal."""
    sent = sqlite_sent
    (angry,) = sent.readers(1)
    sent.issue()
    delivery = sent.delivery(angry)
    with sent.store.write() as tx:
        tx.exec_driver_sql(
            "CREATE TRIGGER full BEFORE INSERT ON feedback_events"
            " BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
    with pytest.raises(sa.exc.DatabaseError):
        sent.hear(Kind.COMPLAINED, delivery)
    assert sent.why(angry) == set()
    sent.journal.catch_up(sent.store)
    assert sent.why(angry) == {"left", "complained"}
    with sent.store.write() as tx:
        tx.exec_driver_sql("DROP TRIGGER full")
    assert sent.hear(Kind.COMPLAINED, delivery).effect is Effect.SUPPRESSED
    assert sent.state(angry) == "complained"


def test_a_thousand_early_bounces_do_not_keep_the_next_from_being_applied(
    sqlite_sent: Sent,
) -> None:
    sent = sqlite_sent
    early, settled = sent.readers(2)
    sent.issue(state="sending")
    for reader in (early, settled):
        sent.bounce(reader, "4.2.2")
    with sent.store.write() as tx:
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.subscriber_id == settled)
            .values(state="accepted", settled_at=sent.now)
        )
    assert len(feedback.apply_waiting(sent.store, sent.now, most=1)) == 1
    assert sent.states() == {early: "sending", settled: "bounced"}
