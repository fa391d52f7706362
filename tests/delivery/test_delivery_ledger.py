"""The ledger on both databases: opening, claims, guards, recovery, sums."""

from __future__ import annotations

import datetime as dt
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House, approved

from newsletter.delivery import law, ledger
from newsletter.delivery.ledger import AlreadySent, Job, Opened, Refused, whereabouts
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State
from newsletter.errors import CouldNotRun
from newsletter.schedule.witness import Witness, adopt
from newsletter.store.tables import attempts, deliveries, issues, senders, subscribers
from newsletter.subscribers import people

ACCEPTED = Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250, "2.0.0", "queued")
LATER = Outcome(Kind.DEFERRED, Stage.RCPT, 450, "4.2.1", "greylisted")
NEVER = Outcome(Kind.REJECTED, Stage.RCPT, 550, "5.1.1", "unknown")
OURS = Outcome(Kind.OUR_FAULT, Stage.MAIL, 550, "5.7.1", "not you")
UNKNOWN = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR)
US = Whereabouts("host", "boot", 1, "10")


def claim(house: House, sender: str = "me", limit: int = 10) -> list[Job]:
    with house.store.write() as tx:
        if not tx.scalar(sa.select(senders.c.pid).where(senders.c.claim_id == sender)):
            ledger.register(tx, sender, US, house.now)
        return ledger.claim(tx, LANE, sender, limit, house.now)


def begin(house: House, job: Job, sender: str = "me") -> bool:
    with house.store.write(durable=False) as tx:
        return ledger.begin(tx, job, sender)


def settle(house: House, job: Job, outcome: Outcome, sender: str = "me") -> State | None:
    with house.store.write(durable=False) as tx:
        return ledger.settle(tx, job, outcome, sender, house.now)


def recover(house: House, started: str | None, ours: Whereabouts = US) -> ledger.Recovered:
    with house.store.write() as tx:
        return ledger.recover(tx, ours, house.now, lambda pid: started)


def test_opening_fixes_the_audience_in_each_reader_s_language(house: House) -> None:
    house.readers(2, "en")
    house.readers(1, "ru", first=2)
    house.readers(1, "de-AT", first=3)
    house.readers(1, "fr", first=4)
    opened = house.open()
    assert isinstance(opened, Opened)
    assert opened.audience == 5
    with house.store.read() as tx:
        languages = sorted(tx.scalars(sa.select(deliveries.c.language)))
        ids = set(tx.scalars(sa.select(deliveries.c.message_id)))
    assert languages == ["de", "en", "en", "en", "ru"]
    assert len(ids) == 5
    assert house.sum().pending == 5


def test_who_left_or_never_confirmed_is_no_audience(sqlite_house: House) -> None:
    house = sqlite_house
    stays, leaves = house.readers(2)
    mailbox = "pending@example.org"
    from newsletter.subscribers.address import Address

    pending = people.new_row(house.vault, Address(mailbox, mailbox), "en", house.now)
    with house.store.write() as tx:
        tx.execute(sa.insert(subscribers), [pending])
        people.leave(tx, leaves, house.now, "page")
    house.open()
    assert set(house.states()) == {stays}


def test_a_suppressed_reader_is_no_audience_though_confirmed(sqlite_house: House) -> None:
    house = sqlite_house
    stays, bounces = house.readers(2)
    with house.store.write() as tx:
        tx.execute(
            sa.text(
                "INSERT INTO suppressions (key, reason, since) "
                "SELECT suppression_key, 'bounced', 0 FROM subscribers WHERE id = :id"
            ),
            {"id": bounces},
        )
    house.open()
    assert set(house.states()) == {stays}


def test_the_same_issue_again_says_when_it_was_sent_and_changes_nothing(house: House) -> None:
    house.readers(2)
    house.open()
    before = house.sum()
    house.now += dt.timedelta(days=2)
    again = house.open()
    assert isinstance(again, AlreadySent)
    assert again.when == before.opened_at
    assert again.same
    assert house.sum() == before


def test_another_issue_in_the_same_month_is_refused_by_the_database(house: House) -> None:
    house.readers(1)
    house.open()
    other = house.open(approved(number=2, manifest="b" * 64))
    assert isinstance(other, AlreadySent)
    assert not other.same
    with house.store.write() as tx, pytest.raises(sa.exc.IntegrityError):
        tx.execute(
            sa.insert(issues).from_select(
                [column.name for column in issues.c],
                sa.select(
                    *[sa.literal(99) if column.name == "number" else column for column in issues.c]
                ),
            )
        )


@pytest.mark.parametrize(
    ("period", "code"), [("2026-12", "NL611"), ("2026-10", "NL611"), ("2025-11", "NL611")]
)
def test_an_issue_is_opened_in_its_own_month_only(
    sqlite_house: House, period: str, code: str
) -> None:
    house = sqlite_house
    house.readers(1)
    refused = house.open(approved(period))
    assert isinstance(refused, Refused)
    assert refused.code == code


def test_the_month_is_counted_in_the_publication_s_zone(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    house.now = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.UTC)  # December in Berlin
    assert isinstance(house.open(), Refused)
    assert isinstance(house.open(approved("2026-12")), Opened)


def test_the_least_gap_is_kept_across_the_end_of_a_month(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    house.now = dt.datetime(2026, 11, 28, 9, tzinfo=dt.UTC)
    house.open()
    house.now = dt.datetime(2026, 12, 1, 9, tzinfo=dt.UTC)
    refused = house.open(approved("2026-12", 2))
    assert isinstance(refused, Refused)
    assert refused.code == "NL613"
    house.now = dt.datetime(2026, 12, 12, 9, tzinfo=dt.UTC)
    assert isinstance(house.open(approved("2026-12", 2)), Opened)


def test_a_period_that_the_witness_saw_is_not_opened_again(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    refused = house.open(floor="2026-11")
    assert isinstance(refused, Refused)
    assert refused.code == "NL612"


def test_nobody_to_send_to_leaves_the_month_free(sqlite_house: House) -> None:
    house = sqlite_house
    refused = house.open()
    assert isinstance(refused, Refused)
    assert refused.code == "NL614"
    house.readers(1)
    assert isinstance(house.open(), Opened)


def test_an_edition_without_a_link_to_leave_by_is_never_opened(sqlite_house: House) -> None:
    house = sqlite_house
    import dataclasses

    issue = approved()
    bad = dataclasses.replace(issue.editions[1], text="no link")
    with pytest.raises(ValueError, match="no link to leave by"):
        house.open(dataclasses.replace(issue, editions=(issue.editions[0], bad)))


def test_two_openers_at_once_open_it_once(house: House) -> None:
    house.readers(20)
    found: list[object] = []
    gate = threading.Barrier(4)

    def run() -> None:
        gate.wait()
        found.append(house.open())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(type(each).__name__ for each in found) == ["AlreadySent"] * 3 + ["Opened"]
    assert house.sum().audience == 20


def test_two_senders_never_claim_the_same_row(house: House) -> None:
    house.readers(30)
    house.open()
    claimed = [claim(house, sender, 12) for sender in ("a", "b", "a", "b")]
    ids = [job.id for jobs in claimed for job in jobs]
    assert len(ids) == len(set(ids)) == 30


def test_a_claim_is_begun_once_and_by_its_sender_alone(house: House) -> None:
    house.readers(1)
    house.open()
    (job,) = claim(house)
    assert not begin(house, job, "somebody else")
    assert begin(house, job)
    assert not begin(house, job)


def test_a_leave_between_claim_and_begin_fences_the_mail_off(house: House) -> None:
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    with house.store.write() as tx:
        people.leave(tx, reader, house.now, "one-click")
    assert not begin(house, job)
    with house.store.write() as tx:
        assert ledger.fence(tx, job, "me", house.now) == "left"
    assert house.states() == {reader: "excluded"}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE subscribers SET state = 'unsubscribed'",
        "UPDATE subscribers SET consent_epoch = consent_epoch + 1",
        "DELETE FROM subscribers",
        "INSERT INTO suppressions (key, reason, since) "
        "SELECT suppression_key, 'bounced', 0 FROM subscribers",
        "UPDATE deliveries SET state = 'excluded'",
        "UPDATE deliveries SET claim_id = 'another'",
    ],
)
def test_each_part_of_the_guard_holds_alone(sqlite_house: House, change: str) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    (job,) = claim(house)
    with house.store.write() as tx:
        tx.execute(sa.text(change))
    assert not begin(house, job)


def test_coming_back_does_not_undo_the_exclusion(sqlite_house: House) -> None:
    house = sqlite_house
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    with house.store.write() as tx:
        people.leave(tx, reader, house.now, "one-click")
        tx.execute(
            sa.update(subscribers).values(
                state="confirmed", consent_epoch=subscribers.c.consent_epoch + 1
            )
        )
        tx.execute(sa.text("DELETE FROM suppressions"))
    assert not begin(house, job)


def test_excluding_takes_out_what_has_not_begun_and_nothing_else(house: House) -> None:
    waiting, claimed, sending, done = house.readers(4)
    house.open()
    jobs = {job.subscriber_id: job for job in claim(house)}
    with house.store.write() as tx:
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.subscriber_id == waiting)
            .values(state="queued", claim_id=None)
        )
    begin(house, jobs[sending])
    begin(house, jobs[done])
    settle(house, jobs[done], ACCEPTED)
    with house.store.write() as tx:
        for reader in (waiting, claimed, sending, done):
            ledger.exclude(tx, reader, "left", house.now)
    assert house.states() == {
        waiting: "excluded",
        claimed: "excluded",
        sending: "sending",
        done: "accepted",
    }
    assert house.sum().excluded_why == {"left": 2}


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (ACCEPTED, "accepted"),
        (LATER, "deferred"),
        (NEVER, "rejected"),
        (OURS, "queued"),
        (UNKNOWN, "in_doubt"),
    ],
)
def test_each_outcome_settles_into_its_state(house: House, outcome: Outcome, state: str) -> None:
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    assert settle(house, job, outcome) == state
    assert house.states() == {reader: state}


def test_a_deferred_row_waits_for_its_step_of_the_ladder(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    waits = []
    for _ in range(8):
        (job,) = claim(house)
        begin(house, job)
        settle(house, job, LATER)
        assert claim(house) == []
        until = house.sum().waiting_until
        assert until is not None
        waits.append((until - house.now).total_seconds() / 60)
        house.now = until
    steps = [5, 15, 30, 60, 120, 240, 240, 240]
    assert all(step <= wait < 1.25 * step for step, wait in zip(steps, waits, strict=True))
    assert len({wait / step for step, wait in zip(steps, waits, strict=True)}) == len(steps)


def test_who_still_waits_when_the_issue_closes_is_rejected_as_expired(sqlite_house: House) -> None:
    house = sqlite_house
    (reader,) = house.readers(1)
    house.open()
    assert house.sum().closes_at == house.now + dt.timedelta(days=5)
    house.now += dt.timedelta(days=5)
    assert claim(house) == []
    with house.store.write() as tx:
        assert ledger.expire(tx, house.now) == 1
        assert ledger.close(tx, PERIOD, house.now)
        assert not ledger.close(tx, PERIOD, house.now)
    assert house.states() == {reader: "rejected"}
    assert house.sum().state == "closed"


def test_an_issue_of_the_month_s_end_closes_with_the_month(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    house.now = dt.datetime(2026, 11, 29, 9, tzinfo=dt.UTC)
    house.open()
    assert house.sum().closes_at == dt.datetime(2026, 11, 30, 23, tzinfo=dt.UTC)


def three(house: House) -> tuple[str, str, str]:
    """One reader accepted, one SENDING, one CLAIMED, all by "me"."""
    house.readers(3)
    house.open()
    done, flying, waiting = claim(house)
    begin(house, done)
    settle(house, done, ACCEPTED)
    begin(house, flying)
    return done.subscriber_id, flying.subscriber_id, waiting.subscriber_id


def test_a_sender_that_died_leaves_its_claims_and_doubts_what_it_began(house: House) -> None:
    done, flying, waiting = three(house)
    assert recover(house, None) == ledger.Recovered(1, 1)
    assert house.states() == {done: "accepted", flying: "in_doubt", waiting: "queued"}
    assert recover(house, None) == ledger.Recovered(0, 0)


def test_a_reused_process_number_is_not_the_sender(sqlite_house: House) -> None:
    house = sqlite_house
    three(house)
    assert recover(house, "99999") == ledger.Recovered(1, 1)


def test_a_live_sender_is_never_robbed(sqlite_house: House) -> None:
    house = sqlite_house
    three(house)
    house.now += dt.timedelta(days=1)
    assert recover(house, US.process_started) == ledger.Recovered(0, 0)


def test_after_a_power_cut_claims_are_in_doubt_too(house: House) -> None:
    done, flying, waiting = three(house)
    ours = Whereabouts("host", "another boot", 7, "70")
    assert recover(house, "10", ours) == ledger.Recovered(0, 2)
    assert house.states() == {done: "accepted", flying: "in_doubt", waiting: "in_doubt"}


def test_a_sender_on_another_host_is_trusted_until_its_lease_runs_out(house: House) -> None:
    three(house)
    ours = Whereabouts("elsewhere", "another boot", 7, "70")
    assert recover(house, None, ours) == ledger.Recovered(0, 0)
    house.now += ledger.LEASE
    assert recover(house, None, ours) == ledger.Recovered(0, 2)
    with house.store.write() as tx:
        assert not ledger.renew(tx, "me", house.now)


def test_a_sender_whose_process_is_hidden_is_trusted_until_its_lease_runs_out(house: House) -> None:
    """hidepid, or ProtectProc in a unit: /proc shows nothing of another account's processes."""
    three(house)
    assert recover(house, whereabouts.HIDDEN) == ledger.Recovered(0, 0)
    house.now += ledger.LEASE
    assert recover(house, whereabouts.HIDDEN) == ledger.Recovered(0, 2)


def test_this_very_process_is_alive_and_a_number_nobody_has_is_not() -> None:
    here = whereabouts.here()
    assert whereabouts.started(here.pid) == here.process_started
    assert whereabouts.started(2**22 + 1) is None


@pytest.mark.parametrize(
    ("late", "state"),
    [
        (ACCEPTED, "accepted"),
        (NEVER, "rejected"),
        (LATER, "queued"),
        (OURS, "queued"),
        (UNKNOWN, "in_doubt"),
    ],
)
def test_a_sender_s_own_late_answer_is_evidence(
    sqlite_house: House, late: Outcome, state: str
) -> None:
    house = sqlite_house
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    recover(house, None)
    assert house.states() == {reader: "in_doubt"}
    settle(house, job, late)
    assert house.states() == {reader: state}


@pytest.mark.parametrize("how", ["halted", "closed"])
def test_a_late_no_leaves_nobody_waiting_in_an_issue_that_has_ended(house: House, how: str) -> None:
    """Certainly not taken, and nobody is sent it any more: the sum of a closed issue has no "pending"."""
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    recover(house, None)
    if how == "halted":
        with house.store.write() as tx:
            ledger.halt(tx, PERIOD, house.now)
    else:
        house.now = house.sum().closes_at
    with house.store.write() as tx:
        assert ledger.close(tx, PERIOD, house.now)
    assert settle(house, job, LATER) is State.REJECTED
    assert house.states() == {reader: "rejected"}
    assert house.sum().pending == 0


def test_a_late_answer_of_another_attempt_is_no_evidence(sqlite_house: House) -> None:
    house = sqlite_house
    import dataclasses

    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    recover(house, None)
    assert settle(house, dataclasses.replace(job, attempt=2), ACCEPTED) is None
    assert settle(house, job, ACCEPTED, "somebody else") is None
    assert house.states() == {reader: "in_doubt"}


def test_a_late_answer_does_not_settle_the_attempt_of_another_sender(house: House) -> None:
    (reader,) = house.readers(1)
    house.open()
    (first,) = claim(house, "slow")
    begin(house, first, "slow")
    recover(house, None)
    with house.store.write() as tx:
        ledger.resolve(tx, PERIOD, first.id, State.QUEUED, house.now)
    (second,) = claim(house, "next")
    assert second.attempt == 2
    begin(house, second, "next")
    assert settle(house, first, ACCEPTED, "slow") is None
    assert house.states() == {reader: "sending"}
    assert settle(house, second, NEVER, "next") is State.REJECTED


def test_a_try_whose_commit_was_answered_by_a_cut_is_written_down_once(house: House) -> None:
    """Nobody heard that it was kept, so it is told again; the audit must not take it for two mails."""
    house.readers(1)
    house.open()
    (job,) = claim(house)
    with house.store.write() as tx:
        assert ledger.begin(tx, job, "me", house.now)
    settle(house, job, LATER)
    house.now += dt.timedelta(hours=1)
    (again,) = claim(house)
    with house.store.write() as tx:
        assert ledger.begin(tx, again, "me", house.now)
    assert settle(house, again, ACCEPTED) is State.ACCEPTED
    assert settle(house, again, ACCEPTED) is None
    with house.store.read() as tx:
        found, findings = law.held(tx)
        outcomes = list(tx.scalars(sa.select(attempts.c.outcome).order_by(attempts.c.id)))
    assert outcomes == ["deferred", "accepted"]
    assert found[PERIOD].copies == 1
    assert findings == []


def test_a_mail_that_was_taken_after_the_operator_sent_it_again_counts_as_a_second(
    house: House,
) -> None:
    """A plain 250 at the first try is told, too, when its delivery has gone another way since."""
    house.readers(1)
    house.open()
    (first,) = claim(house, "slow")
    begin(house, first, "slow")
    recover(house, None)
    with house.store.write() as tx:
        ledger.resolve(tx, PERIOD, first.id, State.QUEUED, house.now)
    (second,) = claim(house, "next")
    begin(house, second, "next")
    assert settle(house, second, ACCEPTED, "next") is State.ACCEPTED
    assert settle(house, first, ACCEPTED, "slow") is None
    with house.store.read() as tx:
        found, findings = law.held(tx)
    assert found[PERIOD].copies == 2
    assert [finding.code for finding in findings] == ["NL665"]


def in_doubt(house: House) -> tuple[str, str]:
    """A reader in doubt and the delivery's id."""
    (reader,) = house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    recover(house, None)
    return reader, job.id


@pytest.mark.parametrize("after", [State.ACCEPTED, State.REJECTED, State.QUEUED])
def test_the_operator_s_word_ends_a_doubt(sqlite_house: House, after: State) -> None:
    house = sqlite_house
    reader, delivery = in_doubt(house)
    with house.store.write() as tx:
        done = ledger.resolve(tx, PERIOD, delivery, after, house.now)
        again = ledger.resolve(tx, PERIOD, delivery, after, house.now)
    assert (done, again) == (ledger.Resolved.DONE, ledger.Resolved.UNKNOWN)
    assert house.states() == {reader: after}


def test_a_doubt_is_not_resolved_while_its_sender_lives_nor_sent_after_the_end(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    settle(house, job, UNKNOWN)
    with house.store.write() as tx:
        found = ledger.resolve(tx, PERIOD, job.id, State.QUEUED, house.now)
        assert found is ledger.Resolved.SENDER_ALIVE
        ledger.sign_off(tx, "me")
        late = house.now + dt.timedelta(days=5)
        found = ledger.resolve(tx, PERIOD, job.id, State.QUEUED, late)
        assert found is ledger.Resolved.TOO_LATE
        assert ledger.resolve(tx, PERIOD, job.id, State.REJECTED, late) is ledger.Resolved.DONE


def test_a_doubt_keeps_the_issue_open_until_the_ladder_ends(sqlite_house: House) -> None:
    house = sqlite_house
    in_doubt(house)
    with house.store.write() as tx:
        assert not ledger.close(tx, PERIOD, house.now)
        assert ledger.close(tx, PERIOD, house.now + dt.timedelta(days=5))


def test_a_halted_issue_goes_no_further(house: House) -> None:
    done, flying, waiting = three(house)
    with house.store.write() as tx:
        assert ledger.halt(tx, PERIOD, house.now) == 1
        assert ledger.halt(tx, PERIOD, house.now) is None
    assert house.states() == {done: "accepted", flying: "sending", waiting: "excluded"}
    assert house.sum().excluded_why == {"halted": 1}
    assert claim(house) == []


def test_a_restored_database_doubts_everybody_who_waits(house: House) -> None:
    done, flying, waiting = three(house)
    with house.store.write() as tx:
        assert ledger.doubt_everything(tx, house.now) == 2
    assert house.states() == {done: "accepted", flying: "in_doubt", waiting: "in_doubt"}


def test_sums_notice_a_row_that_is_missing(house: House) -> None:
    house.readers(2)
    house.open()
    with house.store.write() as tx:
        tx.execute(sa.text("DELETE FROM deliveries WHERE id = (SELECT min(id) FROM deliveries)"))
    with pytest.raises(CouldNotRun) as stopped:
        house.sum()
    with house.store.read() as tx:
        assert ledger.uneven(tx) == list(stopped.value.findings)
    (found,) = stopped.value.findings
    assert (found.code, "opened for 2 readers and holds 1" in found.what) == ("NL621", True)


def test_an_audience_that_was_altered_is_adopted_as_it_is(
    sqlite_house: House, tmp_path: Path
) -> None:
    house, witness = sqlite_house, Witness(tmp_path / "witness.json")
    house.readers(2)
    house.open()
    witness.record(house.store)
    with house.store.write() as tx:
        tx.execute(sa.text("UPDATE issues SET audience = 99"))
    with pytest.raises(CouldNotRun):
        house.sum()
    adopt(house.store, witness, house.now)
    assert house.sum().audience == 2
    with house.store.read() as tx:
        assert ledger.uneven(tx) == []


def test_lines_name_the_delivery_and_the_last_reply_and_nobody(house: House) -> None:
    house.readers(1)
    house.open()
    (job,) = claim(house)
    begin(house, job)
    settle(house, job, NEVER)
    with house.store.read() as tx:
        (line,) = ledger.lines(tx, PERIOD, [State.REJECTED])
    assert (line.id, line.reason, line.last_reply) == (job.id, "rcpt 550 5.1.1", "unknown")
    assert "@example.org" not in repr(line).replace("@letter.example.org", "")
