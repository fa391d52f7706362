"""The send loop against a scripted relay: who gets it, who does not, and what is said."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import errno
import threading
from collections import Counter
from pathlib import Path

import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House, smtp
from scripted_relay import DROP, HANG, Step, relay

from newsletter.delivery import departure, desk, ledger
from newsletter.delivery.ledger import recovery
from newsletter.delivery.loop import Pace, Stop
from newsletter.delivery.report import StopEvent
from newsletter.delivery.states import State
from newsletter.delivery.transports.outbox import OutboxTransport
from newsletter.delivery.transports.smtp import Patience, Relay, SmtpConnection, SmtpTransport
from newsletter.store.tables import attempts, senders
from newsletter.subscribers.journal import Journal

PACE = Pace(connections=2, drain_seconds=0.2, retries=())


def test_every_reader_gets_exactly_one_in_their_language(house: House) -> None:
    house.readers(15, "en")
    house.readers(10, "ru", first=15)
    house.open()
    with relay() as server:
        report = house.send(smtp(server), connections=4)
    assert report.stop is Stop.DONE
    assert report.accepted == 25
    assert Counter(to for to, _ in server.delivered) == Counter(
        f"reader{number}@example.org" for number in range(25)
    )
    for to, raw in server.delivered:
        mail = email.message_from_bytes(raw, policy=email.policy.default)
        language = "en" if int(to[6:-12]) < 15 else "ru"
        assert mail["To"] == to
        assert mail["Subject"] == f"November ({language})"
    assert house.sum().accepted == 25
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(senders)) == 0


def test_each_mail_s_link_names_its_own_reader(sqlite_house: House) -> None:
    house = sqlite_house
    ids = house.readers(3)
    house.open()
    with relay() as server:
        house.send(smtp(server))
    from newsletter.subscribers import people

    for to, raw in server.delivered:
        link = email.message_from_bytes(raw)["List-Unsubscribe"]
        name = house.vault.read_mail_token(link.removesuffix(">").rpartition("/")[2])
        assert name is not None
        with house.store.read() as tx:
            person = people.find_by_link(tx, name)
        assert person is not None
        assert person.id == ids[int(to[6:-12])]


def test_sending_again_sends_nothing(house: House) -> None:
    house.readers(5)
    house.open()
    with relay() as server:
        house.send(smtp(server))
        again = house.send(smtp(server))
    assert again.ended == {}
    assert len(server.delivered) == 5


def test_a_relay_that_is_off_touches_no_row(house: House) -> None:
    readers = house.readers(6)
    house.open()
    with relay() as server:
        transport = smtp(server)
    report = house.send(transport)
    assert report.stop is Stop.PAUSED
    assert "does not answer" in report.why
    assert report.not_tried == 6
    assert house.states() == dict.fromkeys(readers, "queued")


def test_a_relay_that_comes_up_late_is_tried_again(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(3)
    house.open()
    greetings = ["421 starting", "421 starting", "220 here"]
    with relay({Step.GREETING: greetings}) as server:
        pace = Pace(connections=1, retries=(0.0, 0.0))
        assert house.send(smtp(server), pace=pace).accepted == 3


@pytest.mark.parametrize(
    "script",
    [
        {Step.GREETING: "554 no"},
        {Step.HELLO: "550 no"},
        {Step.MAIL: "550 5.7.1 your domain is not welcome"},
    ],
)
def test_when_the_fault_is_ours_the_sender_pauses_and_no_reader_pays(
    sqlite_house: House, script: dict[Step, str]
) -> None:
    house = sqlite_house
    readers = house.readers(6)
    house.open()
    with relay(script) as server:
        report = house.send(smtp(server))
    assert report.stop is Stop.PAUSED
    assert "refuses us" in report.why
    assert house.states() == dict.fromkeys(readers, "queued")
    assert len(server.delivered) == 0


def test_a_greylisted_reader_holds_up_nobody_and_gets_it_later(house: House) -> None:
    house.readers(20)
    house.open()
    seen: set[str] = set()

    def greylist(line: str) -> str:
        late = line in ("RCPT TO:<reader3@example.org>", "RCPT TO:<reader7@example.org>")
        if late and line not in seen:
            seen.add(line)
            return "451 4.7.1 greylisted"
        return "250 ok"

    with relay({Step.RCPT: greylist}) as server:
        first = house.send(smtp(server))
        until = house.sum().waiting_until
        assert until is not None
        house.now = until + dt.timedelta(minutes=2)  # their waits are a little apart
        second = house.send(smtp(server))
    assert (first.accepted, second.accepted) == (18, 2)
    assert first.stop is Stop.DONE
    assert Counter(server.accepted).most_common(1)[0][1] == 1


def test_a_lost_reply_is_in_doubt_and_never_sent_again(house: House) -> None:
    house.readers(20)
    house.open()
    replies = {"reader4@example.org": DROP, "reader9@example.org": HANG}
    with relay({Step.DOT: lambda to: replies.get(to, "250 ok")}) as server:
        first = house.send(smtp(server))
        second = house.send(smtp(server))
    assert (first.accepted, first.in_doubt) == (18, 2)
    assert second.ended == {}
    assert Counter(to for to, _ in server.delivered).most_common(1)[0][1] == 1
    with house.store.read() as tx:
        assert len(ledger.lines(tx, PERIOD, [State.IN_DOUBT])) == 2


def test_a_burst_of_policy_refusals_pauses_the_issue(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(60)
    house.open()
    with relay({Step.RCPT: "550 5.7.1 blocked for spam"}) as server:
        report = house.send(smtp(server), connections=1)
    assert report.stop is Stop.PAUSED
    assert report.ended == {State.DEFERRED: 5}
    assert report.trouble is not None
    assert report.trouble.code == "NL628"
    assert (house.sum().pending, house.sum().rejected) == (60, 0)
    assert server.delivered == []


def test_readers_who_are_unknown_pause_nothing(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(60)
    house.open()
    with relay({Step.RCPT: "550 5.1.1 no such user"}) as server:
        report = house.send(smtp(server))
    assert report.stop is Stop.DONE
    assert report.ended == {State.REJECTED: 60}
    assert server.accepted == []


def test_the_stop_event_lets_messages_under_way_end_and_leaves_the_rest(house: House) -> None:
    house.readers(40)
    house.open()
    stop = threading.Event()

    def dot(to: str) -> str:
        if len(server.accepted) >= 10:
            stop.set()
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        report = house.send(smtp(server), stop=stop)
        assert report.stop is Stop.ASKED
        assert report.accepted == len(server.accepted) < 40
        assert report.not_tried == 40 - report.accepted
        assert report.in_doubt == 0
        rest = house.send(smtp(server))
    assert rest.accepted == report.not_tried
    assert Counter(server.accepted).most_common(1)[0][1] == 1


def test_a_stop_while_the_relay_keeps_silent_is_in_doubt_for_the_open_lines_only(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(10)
    house.open()
    stop = threading.Event()

    def dot(to: str) -> str:
        stop.set()
        return HANG

    with relay({Step.DOT: dot}) as server:
        report = house.send(smtp(server, Patience()), stop=stop)
    assert report.stop is Stop.ASKED
    assert 1 <= report.in_doubt <= 2
    assert house.sum().in_doubt == report.in_doubt
    assert house.sum().pending == 10 - report.in_doubt


def test_a_leave_during_the_send_is_obeyed(house: House, tmp_path: Path) -> None:
    readers = house.readers(30)
    house.open()
    with house.store.read() as tx:
        from newsletter.store.tables import subscribers

        link = tx.scalar(sa.select(subscribers.c.link_id).where(subscribers.c.id == readers[17]))
    assert link is not None
    journal = Journal(tmp_path / "journal.jsonl")
    left: list[str] = []

    def dot(to: str) -> str:
        if not left:
            left.append(to)
            assert departure.leave(house.store, journal, link, house.now, "one-click")
        return "250 ok"

    with relay({Step.DOT: dot}) as server:
        house.send(smtp(server), connections=1)
    sent = {to for to, _ in server.delivered}
    state = house.states()[readers[17]]
    assert (state == "excluded") == ("reader17@example.org" not in sent)
    assert len(sent) >= 29
    assert house.sum().exact


def test_two_senders_at_once_share_the_work_and_double_nobody(house: House) -> None:
    house.readers(60)
    house.open()
    reports = []
    with relay() as server:
        threads = [
            threading.Thread(target=lambda: reports.append(house.send(smtp(server))))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(report.accepted for report in reports) == 60
    assert Counter(to for to, _ in server.delivered) == Counter(
        f"reader{number}@example.org" for number in range(60)
    )


def test_one_damaged_address_stops_nobody_else(sqlite_house: House) -> None:
    house = sqlite_house
    bad = house.readers(8)[2]
    house.open()
    with house.store.write() as tx:
        from newsletter.store.tables import subscribers

        tx.execute(
            sa.update(subscribers).where(subscribers.c.id == bad).values(address=b"\0\1broken")
        )
    with relay() as server:
        report = house.send(smtp(server))
    assert report.accepted == 7
    assert house.states()[bad] == "deferred"


def test_the_rate_is_kept(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(6)
    house.open()
    with relay() as server:
        report = house.send(smtp(server), pace=Pace(connections=4, per_second=20, retries=()))
    assert report.accepted == 6
    assert report.seconds >= 5 / 20


def test_progress_and_witness_are_told(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(50)
    house.open()
    told: list[tuple[int, int, str]] = []
    ticks: list[int] = []
    with relay() as server:
        house.send(
            smtp(server),
            progress=lambda *words: told.append(words),
            witness=lambda tick: ticks.append(tick),
        )
    assert told[-1] == (50, 50, "sending")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)
    assert ticks == sorted(set(ticks))
    with house.store.read() as tx:
        assert ledger.clock.read(tx) == ticks[-1]


def test_who_comes_again_in_the_same_run_is_no_more_than_all(sqlite_house: House) -> None:
    """Put off at MAIL, a reader is due again after a minute; a slow run lasts longer."""
    house = sqlite_house
    house.readers(3)
    house.open()
    told: list[tuple[int, int, str]] = []
    answers = iter(["450 4.7.1 later"])

    def mail(_line: str) -> str:
        house.now += dt.timedelta(minutes=2)
        return next(answers, "250 ok")

    with relay({Step.MAIL: mail}, pipelining=False) as server:
        house.send(smtp(server), connections=1, progress=lambda *words: told.append(words))
    assert len(server.accepted) == 3
    assert told[-1][:2] == (4, 4)


def test_the_witness_is_told_before_the_first_message_of_a_batch(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(5)
    house.open()
    with relay() as server:

        def witness(tick: int) -> None:
            raise OSError("the witness's disk is full")

        with pytest.raises(OSError, match="disk is full"):
            house.send(smtp(server), witness=witness)
    assert server.delivered == []
    assert set(house.states().values()) == {"queued"}


def test_the_outbox_gets_one_file_for_each(sqlite_house: House, tmp_path: Path) -> None:
    house = sqlite_house
    house.readers(5)
    house.open()
    report = house.send(OutboxTransport(tmp_path / "outbox"))
    assert report.accepted == 5
    files = sorted((tmp_path / "outbox").iterdir())
    assert len(files) == 5
    assert {oct(file.stat().st_mode & 0o777) for file in files} == {"0o600"}


def test_no_attempt_keeps_an_address(house: House) -> None:
    house.readers(4)
    house.open()
    with relay({Step.RCPT: lambda line: f"550 5.1.1 {line[8:]} unknown"}) as server:
        house.send(smtp(server))
    with house.store.read() as tx:
        rows = tx.execute(sa.select(attempts)).all()
    assert len(rows) == 4
    assert "reader" not in repr(rows)
    assert "example.org" not in repr(rows)
    assert server.delivered == []


def test_an_altered_edition_is_not_sent(sqlite_house: House) -> None:
    house = sqlite_house
    house.readers(1)
    house.open()
    from newsletter.delivery.press import Altered
    from newsletter.store.tables import editions

    with house.store.write() as tx:
        tx.execute(sa.update(editions).values(html=editions.c.html + " "))
    with relay() as server, pytest.raises(Altered):
        house.send(smtp(server))


def test_a_relay_that_hangs_up_on_each_new_line_but_one_is_used_through_that_one(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(12)
    house.open()
    with relay({Step.GREETING: ["220 the only one", "421 too many connections"]}) as server:
        report = house.send(smtp(server), connections=3)
    assert report.stop is Stop.DONE
    assert report.accepted == 12


def test_a_line_that_is_hung_up_for_fewer_connections_leaves_its_number_to_another(
    sqlite_house: House,
) -> None:
    """The next socket gets the number of the one that was closed, and may be any line's."""
    house = sqlite_house
    house.readers(120)
    house.open()
    said = ["250 ok"] * 8 + ["450 4.7.0 too many connections"] + ["250 ok"]
    with relay({Step.RCPT: said}) as server:
        road = Relay("127.0.0.1", server.port, "none", "letter.example.org", messages=2)
        report = house.send(SmtpTransport(road), connections=8)
    assert (report.accepted, house.sum()[State.DEFERRED]) == (119, 1)
    assert max(Counter(server.accepted).values()) == 1


def test_nothing_due_dials_nobody(sqlite_house: House) -> None:
    transport = SmtpTransport(Relay("127.0.0.1", 9, "none", "example.org"))
    assert sqlite_house.send(transport, lanes=[ledger.NOTICES]).stop is Stop.DONE
    assert LANE.period == PERIOD


def test_a_commit_that_fails_sends_nothing_more_and_the_same_process_goes_on_later(
    sqlite_house: House,
) -> None:
    house = sqlite_house
    house.readers(6)
    house.open()
    refuse = (
        "CREATE TRIGGER full BEFORE UPDATE ON deliveries WHEN new.state = 'accepted'"
        " AND (SELECT count(*) FROM deliveries WHERE state = 'accepted') >= 2"
        " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    )
    with house.store.write() as tx:
        tx.exec_driver_sql(refuse)
    with relay() as server:
        with pytest.raises(sa.exc.DatabaseError, match="full"):
            house.send(smtp(server), connections=1)
        assert len(server.delivered) == 3  # whose outcome could not be kept; and no fourth
        with house.store.write() as tx:
            tx.exec_driver_sql("DROP TRIGGER full")
        house.send(smtp(server), connections=1)
        assert len({to for to, _ in server.delivered}) == len(server.delivered) == 6
    assert (house.sum().accepted, house.sum()[State.IN_DOUBT]) == (6, 0), "it knew what came of it"


REFUSE = """
CREATE TRIGGER full BEFORE UPDATE ON deliveries WHEN new.state = 'accepted'
BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END
"""


@pytest.mark.parametrize("overtaken", [False, True])
def test_who_was_under_way_when_the_database_refused_is_no_doubt_once_it_takes_the_answer(
    sqlite_house: House, overtaken: bool
) -> None:
    """Also where another process took this sender for dead meanwhile: then the answer is a late one."""
    house = sqlite_house
    house.readers(2)
    house.open()
    with house.store.write() as tx:
        tx.exec_driver_sql(REFUSE)
    first, late = threading.Semaphore(1), threading.Semaphore(0)

    def answer(_: str) -> str:
        if not first.acquire(blocking=False):
            late.acquire(timeout=0.2)
        return "250 ok"

    with relay({Step.DOT: answer}) as server:
        pace = Pace(connections=2, drain_seconds=10.0, retries=())
        with pytest.raises(sa.exc.DatabaseError, match="full"):
            house.send(smtp(server), pace=pace)
        with house.store.write() as tx:
            tx.exec_driver_sql("DROP TRIGGER full")
            if overtaken:
                here = ledger.whereabouts.here()
                found = recovery.recover(tx, here, house.now, lambda pid: None)
                assert found.in_doubt
        house.send(smtp(server))
        assert len({to for to, _ in server.delivered}) == len(server.delivered) == 2
    assert (house.sum().accepted, house.sum()[State.IN_DOUBT]) == (2, 0)


def test_a_relay_that_says_nothing_is_told_as_no_progress(
    sqlite_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "SILENT_SECONDS", 0.0)
    sqlite_house.readers(3)
    sqlite_house.open()
    told: list[tuple[int, int, str]] = []
    stop = threading.Event()

    def progress(*news: tuple[int, int, str]) -> None:
        told.append(news)  # type: ignore[arg-type]
        stop.set()

    with relay({Step.GREETING: [HANG]}) as server:
        sqlite_house.send(smtp(server, Patience(*[60.0] * 6)), stop=stop, progress=progress)
    assert told[0] == (0, 3, "sending")


def test_asked_a_second_time_the_loop_awaits_no_answer(sqlite_house: House) -> None:
    sqlite_house.readers(2)
    sqlite_house.open()
    stop = StopEvent()

    def hang(_: str) -> str:
        stop.at_once = True
        stop.set()
        return HANG

    with relay({Step.DOT: hang}) as server:
        road = smtp(server, Patience(*[60.0] * 6))
        pace = Pace(connections=2, drain_seconds=60.0, retries=())
        report = sqlite_house.send(road, stop=stop, pace=pace)
    assert report.in_doubt
    assert report.seconds < 30


def test_a_sender_that_cannot_open_its_lines_is_no_company_of_the_next(house: House) -> None:
    """Its process lives on: nobody else would ever take its row in the ledger for a dead one's."""
    house.readers(2)
    house.open()
    with relay() as server:

        class Exhausted(SmtpTransport):
            def connect(self) -> SmtpConnection:
                raise OSError(errno.EMFILE, "Too many open files")

        with pytest.raises(OSError, match="Too many"):
            house.send(Exhausted(smtp(server).relay))
        house.send(smtp(server))
    with house.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(senders)) == 0
    assert house.sum().accepted == 2
