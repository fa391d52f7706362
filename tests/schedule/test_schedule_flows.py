"""The month as it happens: due, unapproved, sent, sent again, halted, restored. Real files, database, relay."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from delivery_house import House, smtp
from month_files import DECEMBER, DUE, FILES, TOML
from scripted_relay import Scripted, Step, relay

from newsletter.config import Settings
from newsletter.delivery.ledger import AlreadySent, Opened, Refused
from newsletter.delivery.loop import Stop
from newsletter.delivery.states import State
from newsletter.errors import CouldNotRun, Findings
from newsletter.flows.approve import approve
from newsletter.flows.close import close
from newsletter.flows.halt import halt
from newsletter.flows.open import open_issue, witness_of
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent, send
from newsletter.flows.tick import decision, tick
from newsletter.issue import chain
from newsletter.issue.period import Period
from newsletter.schedule.month import Verdict
from newsletter.schedule.witness import adopt
from newsletter.store import open_store
from newsletter.store.tables import deliveries, notices
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock


@dataclass
class Month:
    """A publication, its relay, and a clock to move."""

    house: House
    server: Scripted
    missing: set[str] = field(default_factory=set)
    """Pages of the site that do not answer."""
    rebuilt: list[dt.datetime] = field(default_factory=list)

    @property
    def now(self) -> dt.datetime:
        return self.house.now

    @now.setter
    def now(self, moment: dt.datetime) -> None:
        self.house.now = moment

    @property
    def parts(self) -> Parts:
        house = self.house
        return Parts(
            house.settings,
            house.store,
            house.vault,
            smtp(self.server),
            house.clock,
            rebuild=lambda: self.rebuilt.append(self.now),
            readable=lambda url: url not in self.missing,
        )

    def approve(self, period: Period = DECEMBER) -> None:
        approve(self.house.settings, period, "Editor", self.now)

    def sent(self, **more: object) -> Sent:
        found = send(self.parts, DECEMBER, **more)  # type: ignore[arg-type]
        assert isinstance(found, Sent), found
        return found

    def told(self) -> list[str]:
        with self.house.store.read() as tx:
            return list(tx.scalars(sa.select(notices.c.id).order_by(notices.c.id)))

    def readers(self) -> set[str]:
        return {to for to, _ in self.server.delivered}


@pytest.fixture
def month(
    sqlite_store: object, publication: Callable[..., Settings], tmp_path: Path
) -> Iterator[Month]:
    from newsletter.store import Store

    assert isinstance(sqlite_store, Store)
    settings = publication(FILES, TOML)
    vault = unlock(sqlite_store, RootKey(bytes(range(32))), DUE)
    with relay() as server:
        yield Month(House(settings, sqlite_store, vault, DUE), server)


def test_an_approved_issue_goes_out_at_its_due_moment_and_not_before(month: Month) -> None:
    month.house.readers(5)
    month.approve()
    month.now = DUE - dt.timedelta(minutes=1)
    found, sent = tick(month.parts)
    assert (found.verdict, sent) == (Verdict.NOT_YET, None)
    month.now = DUE
    found, sent = tick(month.parts)
    assert isinstance(sent, Sent)
    assert isinstance(sent.opening, Opened)
    assert sent.account.accepted == 5
    assert sent.account.state == "closed"
    month.now += dt.timedelta(minutes=1)
    found, sent = tick(month.parts)
    assert (found.verdict, sent) == (Verdict.SENT, None)
    assert len(month.server.delivered) == 5


def test_an_unapproved_issue_is_not_sent_and_its_publisher_is_told_once_a_day(month: Month) -> None:
    month.house.readers(2)
    for _ in range(60):
        found, sent = tick(month.parts)
        assert (found.verdict, sent) == (Verdict.UNAPPROVED, None)
        month.now += dt.timedelta(hours=1)
    assert month.server.delivered == []
    word = "word.not-approved.2026-12"
    assert month.told() == [word, f"{word}.1", f"{word}.2"]
    month.approve()
    _, sent = tick(month.parts)
    assert isinstance(sent, Sent)
    assert sent.account.accepted == 2


def test_a_machine_that_was_off_catches_up_and_after_that_only_by_hand(month: Month) -> None:
    month.house.readers(1)
    month.approve()
    month.now = DUE + dt.timedelta(days=6, minutes=1)
    found, sent = tick(month.parts)
    assert (found.verdict, sent) == (Verdict.MISSED, None)
    assert month.sent().account.accepted == 1


def test_an_issue_that_nobody_approved_is_told_of_until_its_days_are_over(month: Month) -> None:
    month.house.readers(1)
    for _ in range(20):
        tick(month.parts)
        month.now += dt.timedelta(hours=12)
    assert decision(month.parts).verdict is Verdict.MISSED
    assert len(month.told()) == 7, "on the day it was due, and on six more"


def test_send_again_says_when_it_was_sent_and_changes_nothing(month: Month) -> None:
    month.house.readers(3)
    month.approve()
    month.sent()
    record = month.house.settings.path("content/record/2026-12.json").read_bytes()
    month.now += dt.timedelta(days=3)
    month.house.readers(2, first=3)
    again = month.sent()
    assert isinstance(again.opening, AlreadySent)
    assert again.opening.when == DUE
    assert again.report is None
    assert len(month.server.delivered) == 3
    assert month.house.settings.path("content/record/2026-12.json").read_bytes() == record


def test_before_it_is_due_only_early_and_only_in_its_month(month: Month) -> None:
    month.house.readers(1)
    month.approve()
    month.now = DUE - dt.timedelta(hours=5)
    refused = send(month.parts, DECEMBER)
    assert isinstance(refused, Refused)
    assert refused.code == "NL701"
    month.now = DUE - dt.timedelta(hours=12)  # November
    refused = send(month.parts, DECEMBER, early=True)
    assert isinstance(refused, Refused)
    assert refused.code == "NL611"
    month.now = DUE - dt.timedelta(hours=5)
    assert month.sent(early=True).account.accepted == 1


def test_a_byte_changed_after_the_approval_stops_the_send(month: Month) -> None:
    month.house.readers(1)
    month.approve()
    path = month.house.settings.path("content/issues/2026-12/en.html")
    path.write_bytes(path.read_bytes().replace(b"cells", b"Cells", 1))
    with pytest.raises(Findings):
        send(month.parts, DECEMBER)
    assert month.server.delivered == []


def test_once_opened_content_is_not_read_again(month: Month) -> None:
    month.house.readers(4)
    month.approve()
    opened = open_issue(month.parts, DECEMBER, month.now)
    assert isinstance(opened, Opened)
    shutil.rmtree(month.house.settings.path("content"))
    assert month.sent().account.accepted == 4


def test_a_relay_that_is_off_sends_nothing_and_the_next_tick_goes_on(month: Month) -> None:
    month.house.readers(3)
    month.approve()
    month.server.script = {Step.GREETING: "554 closed"}
    sent = month.sent()
    assert sent.report is not None
    assert sent.report.stop is Stop.PAUSED
    assert (sent.account.accepted, sent.account.pending) == (0, 3)
    month.server.script = {}
    month.now += dt.timedelta(minutes=5)
    tick(month.parts)
    assert month.house.sum("2026-12").accepted == 3
    assert month.house.sum("2026-12").state == "closed"


def test_a_doubt_is_told_to_the_publisher_and_printed_in_the_record(month: Month) -> None:
    month.house.readers(9)
    month.approve()
    month.server.script = {
        Step.DOT: lambda to: "(drop)" if to == "reader2@example.org" else "250 ok"
    }
    account = month.sent().account
    assert (account.accepted, account.in_doubt, account.state) == (8, 1, "open")
    assert month.told() == ["word.in-doubt.2026-12"]
    record = json.loads(month.house.settings.path("content/record/2026-12.json").read_text())
    assert record["totals"] == {
        "audience": 9,
        "accepted": 8,
        "bounced": 0,
        "complained": 0,
        "rejected": 0,
        "excluded": 0,
        "in_doubt": "<5",
        "pending": 0,
    }
    assert "example.org" not in json.dumps(record)
    later = close(month.parts, "2026-12", month.now + dt.timedelta(days=5))
    assert later.state == "closed"


def test_a_halted_issue_stays_halted(month: Month) -> None:
    month.house.readers(6)
    month.approve()
    open_issue(month.parts, DECEMBER, month.now)
    halted = halt(month.parts, DECEMBER, month.now)
    assert halted is not None
    assert halted.spared == 6
    assert halt(month.parts, DECEMBER, month.now) is None
    tick(month.parts)
    again = month.sent()
    assert isinstance(again.opening, AlreadySent)
    assert again.report is None
    assert month.server.delivered == []


def test_the_next_month_is_sent_to_whoever_is_a_reader_then(month: Month) -> None:
    month.house.readers(2)
    month.approve()
    month.sent()
    month.now = dt.datetime(2027, 1, 1, 8, tzinfo=dt.UTC)
    month.house.readers(1, first=2)
    month.approve(Period(2027, 1))
    _, sent = tick(month.parts)
    assert isinstance(sent, Sent)
    assert sent.account.accepted == 3
    assert len(month.server.delivered) == 5


def test_the_word_for_now_is_the_decision_s(month: Month) -> None:
    assert decision(month.parts).verdict is Verdict.UNAPPROVED
    month.approve()
    assert decision(month.parts).verdict is Verdict.DUE


def copy_of(month: Month, folder: Path) -> None:
    source = folder.parent / "people" / "newsletter.db"
    with month.house.store.write() as tx:
        tx.execute(sa.text("SELECT 1"))
    folder.mkdir(mode=0o700)
    import sqlite3

    with sqlite3.connect(source) as one, sqlite3.connect(folder / "newsletter.db") as other:
        one.backup(other)
    (folder / "newsletter.db").chmod(0o600)


@pytest.mark.parametrize("moment", ["before opening", "after opening", "after the first mails"])
def test_a_restored_database_is_behind_its_witness_and_sends_nobody_a_second_mail(
    month: Month, tmp_path: Path, moment: str
) -> None:
    house = month.house
    house.readers(8)
    month.approve()
    if moment == "before opening":
        witness_of(month.parts).insist(house.store)
        copy_of(month, tmp_path / "backup")
    opened = open_issue(month.parts, DECEMBER, month.now)
    assert isinstance(opened, Opened)
    if moment == "after opening":
        copy_of(month, tmp_path / "backup")
    if moment == "after the first mails":
        month.server.script = {Step.RCPT: ["250 ok"] * 3 + ["450 4.2.0 later"]}
        month.sent()
        copy_of(month, tmp_path / "backup")
        month.server.script = {}
        month.now += dt.timedelta(hours=1)
    month.sent()
    served = month.readers()
    assert len(served) == 8
    before = len(month.server.delivered)

    house.store = open_store(f"sqlite:///{tmp_path / 'backup' / 'newsletter.db'}")
    with pytest.raises(CouldNotRun) as stopped:
        send(month.parts, DECEMBER)
    assert stopped.value.findings[0].code == "NL702"
    adopt(house.store, witness_of(month.parts), month.now)
    again = send(month.parts, DECEMBER)
    assert isinstance(again, Refused if moment == "before opening" else Sent)
    tick(month.parts)
    assert len(month.server.delivered) == before
    if isinstance(again, Sent):
        assert house.sum("2026-12")[State.IN_DOUBT] + again.account.accepted == 8
    house.store.close()


def test_no_mail_leaves_before_its_page_answers(month: Month) -> None:
    month.house.readers(2)
    month.approve()
    month.missing.add("http://127.0.0.1:8000/issues/2026-12/")

    refused = send(month.parts, DECEMBER)

    assert isinstance(refused, Refused)
    assert refused.code == "NL709"
    assert month.readers() == set()
    month.missing.clear()
    month.sent()
    assert len(month.readers()) == 2
    assert len(month.rebuilt) == 3, "before each opening, and once after sending"


def test_a_database_that_has_sent_and_has_no_witness_sends_nothing(month: Month) -> None:
    month.house.readers(1)
    month.approve()
    month.sent()
    witness_of(month.parts).path.unlink()
    with pytest.raises(CouldNotRun) as stopped:
        send(month.parts, Period(2027, 1))
    assert stopped.value.findings[0].code == "NL704"
    adopt(month.house.store, witness_of(month.parts), month.now)
    again = send(month.parts, DECEMBER)
    assert isinstance(again, Sent)
    assert again.report is None


def _told(month: Month) -> list[str]:
    path = month.house.settings.path("content/record") / chain.NAME
    read = chain.read(path.read_bytes() if path.exists() else b"")
    assert not read.broken
    return [f"{line.period} {line.event}" for line in read.lines]


def test_a_tick_tells_the_public_chain_what_a_crash_left_out(month: Month) -> None:
    """The process died between the commit that closed the issue and the line that tells of it."""
    month.house.readers(6)
    month.approve()
    month.sent()
    path = month.house.settings.path("content/record") / chain.NAME
    whole = path.read_bytes()
    for lost in (1, 2):
        path.write_bytes(b"".join(whole.splitlines(keepends=True)[:-lost]))
        month.now += dt.timedelta(minutes=1)
        tick(month.parts)
        assert path.read_bytes() == whole

    assert _told(month) == ["2026-12 opened", "2026-12 closed"]


def test_a_tick_tells_of_late_bounces_within_ten_minutes(month: Month) -> None:
    month.house.readers(6)
    month.approve()
    month.sent()
    with month.house.store.write() as tx:
        tx.execute(sa.update(deliveries).values(state="bounced"))
    for minute in range(1, 11):
        month.now = DUE + dt.timedelta(minutes=minute)
        tick(month.parts)

    assert _told(month) == ["2026-12 opened", "2026-12 closed", "2026-12 amended"]


def test_a_chain_that_somebody_changed_stops_no_letter_and_is_told(month: Month) -> None:
    month.house.readers(6)
    month.approve()
    folder = month.house.settings.path("content/record")
    folder.mkdir(parents=True)
    (folder / chain.NAME).write_text("{}\n")
    heard: list[Exception] = []
    _, sent = tick(replace(month.parts, complain=heard.append))

    assert isinstance(sent, Sent)
    assert sent.account.accepted == 6
    assert {f.code for each in heard if isinstance(each, Findings) for f in each.findings} == {
        "NL660"
    }
    assert (folder / chain.NAME).read_text() == "{}\n"
