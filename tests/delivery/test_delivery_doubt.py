"""Doubts: what is known of them, what a mail log proves, what becomes of them; and that nothing is sent."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House

from newsletter.delivery import doubt, ledger
from newsletter.delivery.doubt import Cover, Effect, Judged, Word
from newsletter.delivery.doubt.judging import SLOWEST
from newsletter.delivery.ledger import Job, Resolved, whereabouts
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.mtalog import Format, Proof
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State
from newsletter.flows import resolve
from newsletter.store.tables import attempts, deliveries, feedback_events, past_senders
from newsletter.subscribers.journal import Journal

SECOND = dt.timedelta(seconds=1)
OK = Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250, "2.0.0", "Ok")
CUT = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="the line was cut")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal")


class Sending:
    """A sender, one mail after another, a second apart."""

    def __init__(self, house: House, sender: str = "me") -> None:
        self.house, self.sender = house, sender
        with house.store.write() as tx:
            ledger.register(tx, sender, whereabouts.here(), house.now)
            self.jobs = ledger.claim(tx, LANE, sender, 100, house.now)

    def mail(self, outcome: Outcome | None) -> Job:
        """Send the next; None: it is begun and never ends."""
        job = self.jobs.pop(0)
        self.house.now += SECOND
        with self.house.store.write() as tx:
            assert ledger.begin(tx, job, self.sender, self.house.now)
        self.house.now += SECOND
        if outcome is not None:
            with self.house.store.write() as tx:
                ledger.settle(tx, job, outcome, self.sender, self.house.now)
        return job

    def end(self) -> None:
        with self.house.store.write() as tx:
            ledger.return_(tx, self.sender)
            ledger.sign_off(tx, self.sender)


def sent(house: House, outcomes: Sequence[Outcome | None], readers: int = 0) -> list[Job]:
    """An issue of which these mails were tried, in this order."""
    house.readers(readers or len(outcomes))
    house.open()
    sending = Sending(house)
    jobs = [sending.mail(outcome) for outcome in outcomes]
    sending.end()
    return jobs


def name(job: Job) -> str:
    return job.message_id.strip("<>")


def exim(*jobs: Job, more: str = "") -> bytes:
    """A log that has these, in this order."""
    lines = [
        f"2026-11-21 10:00:{at:02d} 1vMabc-{at:06d}-Ab <= letter@x H=localhost P=esmtp S=3 id={name(job)}\n"
        for at, job in enumerate(jobs)
    ]
    return ("".join(lines) + more).encode()


def case(house: House) -> doubt.Case:
    with house.store.read() as tx:
        found = doubt.case(tx, PERIOD)
    assert found is not None
    return found


def look(house: House, log: bytes, form: Format = Format.AUTO) -> tuple[Judged, ...]:
    """When the server has had its time for every mail."""
    later = house.now + SLOWEST
    return resolve.look(house.store, case(house), [io.BytesIO(log)], form, None, later).judged


def settle(house: House, journal: Journal, log: bytes, word: Word = Word()) -> list[Effect]:  # noqa: B008
    return doubt.settle(house.store, journal, PERIOD, look(house, log), word, house.now)


def state_of(house: House, job: Job) -> tuple[str, str | None]:
    with house.store.read() as tx:
        row = tx.execute(
            sa.select(deliveries.c.state, deliveries.c.reason).where(deliveries.c.id == job.id)
        ).one()
    return (row[0], row[1])


# What is known.


def test_a_doubt_shows_when_it_began_who_sent_it_and_what_was_said(house: House) -> None:
    before = house.now
    (job,) = sent(house, [CUT])
    (found,) = case(house).doubts
    here = whereabouts.here()

    assert (found.id, found.message_id, found.tries) == (job.id, name(job), 1)
    assert found.begun_at == before + SECOND
    assert found.since == before + 2 * SECOND
    assert (found.stage, found.reply) == ("terminator", "the line was cut")
    assert found.sender is not None
    assert (found.sender.host, found.sender.boot_id, found.sender.pid) == (
        here.host,
        here.boot_id,
        here.pid,
    )
    assert (found.sender.ended, found.sender.here) == ("alive", False)


def test_a_sender_that_died_is_still_known_when_its_row_is_gone(house: House) -> None:
    house.readers(2)
    house.open()
    sending = Sending(house)
    sending.mail(None)
    dead = Whereabouts(whereabouts.here().host, "another boot", 4711, "1")
    with house.store.write() as tx:
        ledger.recover(tx, dead, house.now)
    doubts = case(house).doubts

    assert [each.why for each in doubts] == ["sender power lost"] * 2
    assert {each.sender and each.sender.ended for each in doubts} == {"power lost"}
    assert {each.stage for each in doubts} == {None}
    assert sorted(each.begun_at is None for each in doubts) == [False, True]
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(past_senders)) == 1


def test_no_field_of_a_doubt_names_a_reader(sqlite_house: House) -> None:
    sent(sqlite_house, [OK, CUT])

    assert "reader" not in repr(case(sqlite_house))


def test_addresses_are_there_for_who_has_the_key(sqlite_house: House) -> None:
    (job,) = sent(sqlite_house, [CUT])
    with sqlite_house.store.read() as tx:
        ((delivery, reader, sealed),) = doubt.addresses(tx, [job.id])

    assert delivery == job.id
    assert sqlite_house.vault.open_address(reader, sealed) == "reader0@example.org"


def test_who_is_under_way_is_counted_beside_the_doubts(sqlite_house: House) -> None:
    sqlite_house.readers(3)
    sqlite_house.open()
    Sending(sqlite_house).mail(CUT)

    assert case(sqlite_house).under_way == 2


# What a log proves.


def test_what_the_server_queued_is_accepted(house: House, journal: Journal) -> None:
    _, job, _ = jobs = sent(house, [OK, CUT, OK])

    assert settle(house, journal, exim(*jobs)) == [Effect.ACCEPTED]
    assert state_of(house, job) == ("accepted", "resolved by the mail log")
    with house.store.read() as tx:
        last = tx.execute(sa.select(attempts).order_by(attempts.c.id.desc()).limit(1)).one()
    assert (last.claim_id, last.stage) == ("mail log", "evidence")
    assert last.reply == "exim 1vMabc-000001-Ab queued: accepted"


def test_what_the_server_refused_is_rejected(sqlite_house: House, journal: Journal) -> None:
    (job,) = sent(sqlite_house, [CUT])
    log = (
        f"Nov 21 10:00:00 mx postfix/cleanup[1]: 4XqT2f1kVz: message-id=<{name(job)}>\n"
        "Nov 21 10:00:00 mx postfix/cleanup[1]: 4XqT2f1kVz: milter-reject: END-OF-MESSAGE"
        " from localhost[127.0.0.1]: 5.7.1 no; from=<a@b>\n"
    )

    assert settle(sqlite_house, journal, log.encode()) == [Effect.REJECTED]
    assert state_of(sqlite_house, job)[0] == "rejected"


def test_a_bounce_in_the_log_goes_through_the_door_for_whatever_comes_back(
    house: House, journal: Journal
) -> None:
    (job,) = sent(house, [CUT])
    log = exim(
        job,
        more="2026-11-21 10:00:09 1vMabc-000000-Ab ** a@b R=x T=y: SMTP error from remote mail"
        " server after RCPT TO:<a@b>: 550 5.1.1 no such user\n",
    )

    assert settle(house, journal, log) == [Effect.BOUNCED]
    assert state_of(house, job) == ("bounced", "report 550 5.1.1")
    with house.store.read() as tx:
        (event,) = tx.execute(sa.select(feedback_events)).all()
    assert (event.kind, event.source, event.delivery_id) == ("bounced", "log", job.id)
    assert settle(house, journal, log) == []


def test_a_mail_in_no_log_stays_in_doubt(sqlite_house: House, journal: Journal) -> None:
    before, job, after = sent(sqlite_house, [OK, CUT, OK])

    assert settle(sqlite_house, journal, exim(before, after)) == [Effect.STAYS]
    assert state_of(sqlite_house, job)[0] == "in_doubt"


def test_only_a_complete_log_says_that_a_mail_was_not_taken(house: House, journal: Journal) -> None:
    before, job, after = sent(house, [OK, CUT, OK])
    log, complete = exim(before, after), Word(complete=True)

    assert settle(house, journal, log, complete) == [Effect.NOT_TAKEN]
    assert state_of(house, job)[0] == "in_doubt"
    assert settle(house, journal, log, Word(complete=True, not_taken=State.QUEUED)) == [
        Effect.AGAIN
    ]
    assert state_of(house, job)[0] == "queued"


@pytest.mark.parametrize(
    ("there", "cover"),
    [
        ([0, 1, 3, 4], Cover.WHOLE),
        ([1, 3, 4], Cover.HOLES),
        ([0, 3, 4], Cover.HOLES),
        ([0, 1, 4], Cover.HOLES),
        ([0, 1], Cover.PART),
        ([3, 4], Cover.PART),
        ([], Cover.PART),
        ([3, 4, 0, 1], Cover.ORDER),
    ],
)
def test_a_log_is_as_good_as_the_mails_of_ours_that_it_names(
    there: list[int], cover: Cover, sqlite_house: House, journal: Journal
) -> None:
    jobs = sent(sqlite_house, [OK, OK, CUT, OK, OK])
    log = exim(*(jobs[at] for at in there))
    (judged,) = look(sqlite_house, log)
    word = Word(complete=True, not_taken=State.REJECTED)

    assert (judged.proof, judged.cover) == (Proof.ABSENT, cover)
    effect = Effect.REJECTED if cover is Cover.WHOLE else Effect.STAYS
    assert settle(sqlite_house, journal, log, word) == [effect]


@pytest.mark.parametrize("begun", [False, True])
def test_a_server_that_may_still_be_at_work_is_not_silent(
    begun: bool, sqlite_house: House, journal: Journal
) -> None:
    """Exim scanned a mail for 25 seconds after its sender was dead, and delivered it then."""
    before, job, after = sent(sqlite_house, [OK, CUT, OK])
    (found,) = case(sqlite_house).doubts
    assert found.since is not None
    headers = f"Nov 21 10:00:00 mx postfix/cleanup[1]: BBBBBB: message-id=<{name(job)}>\n"
    log = exim(before, after, more=headers if begun else "")
    word = Word(complete=True, not_taken=State.QUEUED)

    def settle_at(now: dt.datetime) -> tuple[Cover, Effect]:
        files = [io.BytesIO(log)]
        looked = resolve.look(sqlite_house.store, case(sqlite_house), files, Format.AUTO, None, now)
        (effect,) = doubt.settle(sqlite_house.store, journal, PERIOD, looked.judged, word, now)
        return looked.judged[0].cover, effect

    assert settle_at(found.since + SLOWEST - SECOND) == (Cover.EARLY, Effect.STAYS)
    assert settle_at(found.since + SLOWEST) == (Cover.WHOLE, Effect.AGAIN)


def test_the_last_mail_of_all_has_nobody_after_it(sqlite_house: House) -> None:
    before, _ = sent(sqlite_house, [OK, CUT])

    assert look(sqlite_house, exim(before))[0].cover is Cover.PART


def test_a_neighbour_that_began_before_the_doubt_ended_proves_no_end(
    sqlite_house: House,
) -> None:
    """Two connections: the server may have logged the other one first and then stopped logging."""
    sqlite_house.readers(3)
    sqlite_house.open()
    sending = Sending(sqlite_house)
    first = sending.mail(OK)
    slow, other = sending.jobs
    with sqlite_house.store.write() as tx:
        for job in (slow, other):
            ledger.begin(tx, job, "me", sqlite_house.now)
        ledger.settle(tx, slow, CUT, "me", sqlite_house.now + SECOND)
        ledger.settle(tx, other, OK, "me", sqlite_house.now + 2 * SECOND)
    sending.end()

    assert look(sqlite_house, exim(first, other))[0].cover is Cover.PART


def test_a_doubt_that_a_word_ended_is_no_neighbour(sqlite_house: House) -> None:
    jobs = sent(sqlite_house, [OK, CUT, CUT, OK])
    with sqlite_house.store.write() as tx:
        ledger.resolve(tx, PERIOD, jobs[1].id, State.ACCEPTED, sqlite_house.now)

    assert look(sqlite_house, exim(jobs[0], jobs[3]))[0].cover is Cover.WHOLE


def test_headers_without_a_queue_entry_count_as_little_as_no_line(
    sqlite_house: House, journal: Journal
) -> None:
    before, job, after = sent(sqlite_house, [OK, CUT, OK])

    def postfix(one: Job, queue_id: str, taken: bool) -> str:
        line = f"Nov 21 10:00:00 mx postfix/cleanup[1]: {queue_id}: message-id=<{name(one)}>\n"
        queued = f"Nov 21 10:00:00 mx postfix/qmgr[1]: {queue_id}: from=<a@b>, size=3, nrcpt=1 (queue active)\n"
        return line + (queued if taken else "")

    log = postfix(before, "AAAAAA", True) + postfix(job, "BBBBBB", False)
    held = "Nov 21 10:00:00 mx postfix/cleanup[1]: BBBBBB: milter-hold: END-OF-MESSAGE from x; y\n"
    rest = postfix(after, "CCCCCC", True)
    word = Word(complete=True, not_taken=State.REJECTED)

    assert settle(sqlite_house, journal, (log + rest).encode()) == [Effect.STAYS]
    assert settle(sqlite_house, journal, (log + held + rest).encode(), word) == [Effect.STAYS]
    assert settle(sqlite_house, journal, (log + rest).encode(), word) == [Effect.REJECTED]


def test_the_same_evidence_is_written_down_once(sqlite_house: House, journal: Journal) -> None:
    before, _, after = sent(sqlite_house, [OK, CUT, OK])
    for _ in range(3):
        settle(sqlite_house, journal, exim(before, after))

    (found,) = case(sqlite_house).doubts
    assert found.evidence == (
        "mail log: not in the exim log, which has our mails before and after it",
    )
    assert (found.stage, found.reply) == ("terminator", "the line was cut")


def test_opensmtpd_finds_ours_by_the_return_path(
    sqlite_house: House, publication: Callable[..., object]
) -> None:
    from newsletter.subscribers.tokens import ID_BYTES, Purpose

    before, job, after = sent(sqlite_house, [OK, CUT, OK])

    def line(one: Job) -> str:
        token = sqlite_house.vault.token(Purpose.BOUNCE, bytes.fromhex(one.id)[:ID_BYTES])
        return (
            f"Nov 21 10:00:00 mx smtpd[1]: 5c0ffee15c0ffee1 smtp envelope evpid={one.id[:16]}"
            f" from=<b+{token}@bounces.example.org> to=<a@b>\n"
        )

    log = "".join(line(each) for each in (before, job, after)).encode()
    found = resolve.look(
        sqlite_house.store,
        case(sqlite_house),
        [io.BytesIO(log)],
        Format.AUTO,
        sqlite_house.vault,
        sqlite_house.now,
    )

    assert [each.proof for each in found.judged] == [Proof.TAKEN]
    assert len(found.log.found) == 3


# What can be done, and until when.


def test_nobody_is_sent_it_again_after_the_issue_closed(house: House, journal: Journal) -> None:
    before, job, after = sent(house, [OK, CUT, OK])
    closes = case(house).closes_at
    word = Word(complete=True, not_taken=State.QUEUED)
    assert case(house).may_send_again(closes - SECOND)
    house.now = closes

    assert not case(house).may_send_again(house.now)
    assert settle(house, journal, exim(before, after), word) == [Effect.TOO_LATE]
    assert state_of(house, job)[0] == "in_doubt"


def test_a_sender_that_may_still_answer_is_waited_for(house: House, journal: Journal) -> None:
    house.readers(1)
    house.open()
    sending = Sending(house)
    job = sending.mail(CUT)
    bounced = exim(job, more="2026-11-21 10:00:09 1vMabc-000000-Ab ** a@b: no\n")

    assert case(house).doubts[0].sender is not None
    assert case(house).doubts[0].sender.here  # type: ignore[union-attr]
    assert settle(house, journal, exim(job)) == [Effect.ALIVE]
    assert settle(house, journal, bounced) == [Effect.ALIVE]
    sending.end()
    assert settle(house, journal, exim(job)) == [Effect.ACCEPTED]


def test_a_word_ends_the_last_doubt_and_closes_the_issue(house: House, tmp_path: Path) -> None:
    _, job = sent(house, [OK, CUT])
    assert house.sum().closed_at is None
    came = resolve.by_word(
        house.settings, house.store, PERIOD, job.id, State.ACCEPTED, house.now, lambda _: None
    )

    assert came is Resolved.DONE
    assert house.sum().closed_at == house.now
    assert house.sum().exact
    assert (house.settings.path("content/record") / "chain.jsonl").is_file()


def test_a_word_stands_among_the_attempts_and_counts_as_no_try(house: House) -> None:
    """The tally of a dead sender is held against its own tries; a word must not look like one."""
    _, job = sent(house, [OK, CUT])
    with house.store.write() as tx:
        ledger.resolve(tx, PERIOD, job.id, State.QUEUED, house.now)
        rows = tx.execute(
            sa.select(attempts.c.claim_id, attempts.c.outcome, attempts.c.reply)
            .where(attempts.c.delivery_id == job.id)
            .order_by(attempts.c.id)
        ).all()

    assert [tuple(row) for row in rows] == [
        ("me", "in_doubt", "the line was cut"),
        ("operator", "resolved", "queued"),
    ]


def test_neighbours_are_found_in_one_walk_over_many(house: House) -> None:
    outcomes = [OK] * 40
    for at in (0, 7, 8, 21, 39):
        outcomes[at] = CUT
    jobs = sent(house, outcomes)
    with house.store.read() as tx:
        around = doubt.neighbours(tx, case(house))
    names = [name(job) for job in jobs]

    assert around[jobs[0].id].before == ()
    assert around[jobs[0].id].after == tuple(names[1:4])
    assert around[jobs[7].id].before == tuple(names[4:7])
    assert around[jobs[7].id].after == tuple(names[9:12])
    assert around[jobs[8].id].before == tuple(names[4:7])
    assert around[jobs[39].id].before == tuple(names[36:39])
    assert around[jobs[39].id].after == ()


def test_a_mail_whose_beginning_a_power_cut_took_is_judged_by_the_whole_issue(
    sqlite_house: House, journal: Journal
) -> None:
    sqlite_house.readers(6)
    sqlite_house.open()
    sending = Sending(sqlite_house)
    first = [sending.mail(OK) for _ in range(3)]
    dead = Whereabouts(whereabouts.here().host, "another boot", 4711, "1")
    with sqlite_house.store.write() as tx:
        tx.execute(
            sa.update(deliveries).where(deliveries.c.id.in_([sending.jobs[1].id, sending.jobs[2].id]))
            .values(state="queued", claim_id=None)
        )  # fmt: skip
        ledger.recover(tx, dead, sqlite_house.now)
    (lost,) = case(sqlite_house).doubts
    after = Sending(sqlite_house, "next")
    rest = [after.mail(OK), after.mail(OK)]
    after.end()

    assert lost.begun_at is None
    assert look(sqlite_house, exim(*first, *rest))[0].cover is Cover.WHOLE
    assert look(sqlite_house, exim(*first[1:], *rest))[0].cover is Cover.HOLES
    assert look(sqlite_house, exim(*first))[0].cover is Cover.PART
