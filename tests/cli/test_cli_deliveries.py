"""deliveries list --in-doubt and resolve: the evidence, the operator's word, the mail server's log."""

from __future__ import annotations

import datetime as dt
import io
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import typer
from typer.main import get_group

from newsletter import config, wiring
from newsletter.cli.app import app
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Job, Lane, whereabouts
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.issue.edition import ApprovedIssue, Edition, leave_url
from newsletter.store.tables import deliveries, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address

Newsletter = Callable[..., Any]
OK = Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250, "2.0.0", "Ok")
CUT = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="the line was cut")


@dataclass
class Sent:
    """An issue of this month whose second mail is in doubt."""

    month: str
    jobs: list[Job]

    @property
    def id(self) -> str:
        return self.jobs[1].id

    def exim(self, *which: int, more: str = "") -> str:
        lines = [
            f"2026-11-21 10:00:{at:02d} 1vMabc-{at:06d}-Ab <= letter@x H=localhost P=esmtp S=3"
            f" id={self.jobs[at].message_id.strip('<>')}\n"
            for at in which
        ]
        return "".join(lines) + more


@pytest.fixture
def ago() -> dt.timedelta:
    """How long ago it was sent: the mail server has had its time for every mail."""
    return dt.timedelta(minutes=15)


@pytest.fixture
def sent(letter: Path, ago: dt.timedelta) -> Sent:
    settings = config.load(letter)
    now = dt.datetime.now(dt.UTC)
    month = f"{now.astimezone(settings.publication.time_zone):%Y-%m}"
    now -= ago
    with wiring.House(settings) as house:
        rows = [
            people.new_row(house.vault, Address(name, name), "en", now)
            | {"state": "confirmed", "confirmed_at": now, "consent_epoch": 1}
            for name in ("anna@example.org", "ben@example.org", "cora@example.org")
        ]
        with house.store.write() as tx:
            tx.execute(sa.insert(subscribers), rows)
        link = leave_url(settings.public_url)
        edition = Edition("en", "Subject", "", f"<a href='{link}'>x</a>", link, "<p>x</p>")
        issue = ApprovedIssue(month, 1, "a" * 64, now, ("Editor",), (edition,))
        rules = ledger.Rules(settings.publication.time_zone, 14, "letter.example.org")
        ledger.open_issue(house.store, house.vault, issue, rules, now)
        with house.store.write() as tx:
            ledger.register(tx, "me", whereabouts.here(), now)
            jobs = ledger.claim(tx, Lane(month), "me", 9, now)
            for job, outcome in zip(jobs, (OK, CUT, OK), strict=True):
                now += dt.timedelta(milliseconds=10)
                ledger.begin(tx, job, "me", now)
                ledger.settle(tx, job, outcome, "me", now + dt.timedelta(milliseconds=5))
            ledger.sign_off(tx, "me")
    return Sent(month, jobs)


def state(letter: Path, delivery: str) -> str:
    with wiring.House(config.load(letter)) as house, house.store.read() as tx:
        return str(tx.scalar(sa.select(deliveries.c.state).where(deliveries.c.id == delivery)))


def test_the_evidence_of_a_doubt_is_shown_with_the_command_that_ends_it(
    sent: Sent, newsletter: Newsletter
) -> None:
    ran = newsletter("deliveries", "list", sent.month, "--in-doubt")

    assert ran.code == 3
    assert f"{sent.id}  <{sent.jobs[1].message_id.strip('<>')}>" in ran.out
    assert "reached terminator: the line was cut" in ran.out
    assert f"on {whereabouts.here().host}, boot {whereabouts.here().boot_id}" in ran.out
    assert f"newsletter deliveries resolve {sent.month} {sent.id} --again" in ran.out
    assert "Nothing is sent by itself" in ran.err
    assert "@example.org" not in ran.out.replace("letter.example.org", "") + ran.err


def test_without_a_month_the_newest_is_listed_and_the_status_names_the_command(
    sent: Sent, newsletter: Newsletter
) -> None:
    ran = newsletter("deliveries", "list", "--in-doubt")
    assert ran.code == 3
    assert ran.out == newsletter("deliveries", "list", sent.month, "--in-doubt").out
    assert (
        f"in doubt: newsletter deliveries list {sent.month} --in-doubt" in newsletter("status").err
    )
    assert "every issue adds up; 1 in doubt: `newsletter status`" in newsletter("doctor").out


def test_addresses_are_shown_to_who_asks_and_has_the_key(
    sent: Sent, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = newsletter("deliveries", "list", sent.month, "--in-doubt", "--with-addresses")
    plain = newsletter("deliveries", "list", sent.month, "--in-doubt", "--json")
    whole = newsletter("deliveries", "list", sent.month, "--in-doubt", "--json", "--with-addresses")
    monkeypatch.delenv("NEWSLETTER_KEY_FILE")
    without = newsletter("deliveries", "list", sent.month, "--in-doubt", "--with-addresses")

    assert " to " in asked.out
    assert "@example.org" in asked.out.split(" to ")[1]
    assert "address" not in json.loads(plain.out)["in_doubt"][0]
    assert json.loads(whole.out)["in_doubt"][0]["address"].endswith("@example.org")
    assert without.code == 2
    assert "@example.org" not in without.out.replace("letter.example.org", "")


def test_json_says_what_can_be_done_and_until_when(sent: Sent, newsletter: Newsletter) -> None:
    said = json.loads(newsletter("deliveries", "list", sent.month, "--in-doubt", "--json").out)
    (row,) = said["in_doubt"]

    assert said["may_send_again"] is True
    assert dt.datetime.fromisoformat(said["closes_at"]) > dt.datetime.now(dt.UTC)
    assert row["sender"]["pid"] == whereabouts.here().pid
    assert row["commands"][0] == f"newsletter deliveries resolve {sent.month} {sent.id} --accepted"


@pytest.mark.parametrize(
    ("word", "came", "code"), [("accepted", "accepted", 0), ("rejected", "rejected", 0), ("again", "queued", 0)]
)  # fmt: skip
def test_a_word_ends_a_doubt(
    word: str, came: str, code: int, sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("deliveries", "resolve", sent.month, sent.id, f"--{word}", "--yes")

    assert ran.code == code
    assert state(letter, sent.id) == came
    assert (f"newsletter send {sent.month}" in ran.err) is (word == "again")
    assert newsletter("deliveries", "list", sent.month, "--in-doubt").code == 0


def test_without_a_terminal_a_word_wants_yes(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    ran = newsletter("deliveries", "resolve", sent.month, sent.id, "--again")

    assert ran.code == 2
    assert "error[NL669]" in ran.err
    assert "If it did arrive, this reader gets two" in ran.err
    assert state(letter, sent.id) == "in_doubt"


@pytest.mark.parametrize(
    "words",
    [
        ["ID"],
        ["ID", "--accepted", "--again"],
        ["--accepted"],
        [],
        ["ID", "--mta-log", "x"],
        ["--mta-log", "x", "--accepted"],
    ],
)
def test_half_a_word_is_none(words: list[str], sent: Sent, newsletter: Newsletter) -> None:
    typed = [sent.id if word == "ID" else word for word in words]
    ran = newsletter("deliveries", "resolve", sent.month, *typed)

    assert ran.code == 2
    assert "error[NL668]" in ran.err


def test_the_mail_servers_log_ends_a_doubt(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    (letter / "mail.log").write_text(sent.exim(0, 1, 2))
    tried = newsletter("deliveries", "resolve", sent.month, "--mta-log", "mail.log", "--dry-run")
    before = state(letter, sent.id)
    ran = newsletter("deliveries", "resolve", sent.month, "--mta-log", "mail.log", "--json")
    said = json.loads(ran.out)

    assert tried.code == 3
    assert "would be accepted" in tried.out
    assert before == "in_doubt"
    assert ran.code == 0
    assert (said["in_doubt"], said["log"]) == (0, {"server": "exim", "entries": 3})
    assert said["judged"][0]["words"] == "exim 1vMabc-000001-Ab queued"
    assert state(letter, sent.id) == "accepted"


def test_standard_input_is_a_log_too(
    sent: Sent, letter: Path, newsletter: Newsletter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(sent.exim(0, 1, 2).encode())))

    assert newsletter("deliveries", "resolve", sent.month, "--mta-log", "-").code == 0
    assert state(letter, sent.id) == "accepted"


def test_a_mail_in_no_log_waits_for_a_complete_one_and_a_word(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    (letter / "mail.log").write_text(sent.exim(0, 2))
    resolve = ("deliveries", "resolve", sent.month, "--mta-log", "mail.log")
    first = newsletter(*resolve)
    complete = newsletter(*resolve, "--log-is-complete")
    unsure = newsletter(*resolve, "--log-is-complete", "--again")
    again = newsletter(*resolve, "--log-is-complete", "--again", "--yes")

    assert first.code == 3
    assert "--log-is-complete" in first.err
    assert complete.code == 3
    assert "not taken; stays in doubt until you say" in complete.out
    assert "error[NL669]" in unsure.err
    assert again.code == 0
    assert "nothing was sent now" in again.err
    assert state(letter, sent.id) == "queued"


@pytest.mark.parametrize("ago", [dt.timedelta(minutes=1)])
def test_a_mail_that_the_server_may_still_scan_is_not_sent_again(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    (letter / "mail.log").write_text(sent.exim(0, 2))
    asked = ("--mta-log", "mail.log", "--log-is-complete", "--again", "--yes")
    ran = newsletter("deliveries", "resolve", sent.month, *asked)

    assert ran.code == 3
    assert "not in the exim log yet" in ran.out
    assert "ten minutes" in ran.err
    assert state(letter, sent.id) == "in_doubt"


def test_a_log_that_is_none_changes_nothing(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    (letter / "empty").write_text("no log\n")
    for name in ("empty", "missing", "."):
        ran = newsletter(
            "deliveries", "resolve", sent.month, "--mta-log", name, "--log-is-complete"
        )
        assert ran.code == 2, name
        assert "error[NL666]" in ran.err
    assert state(letter, sent.id) == "in_doubt"


def test_opensmtpd_without_a_return_path_is_refused_plainly(
    sent: Sent, letter: Path, newsletter: Newsletter
) -> None:
    (letter / "maillog").write_text(
        "Nov 21 10:00:00 mx smtpd[1]: 5c0ffee15c0ffee1 smtp envelope evpid=8d0c71aa01020304"
        " from=<letter@x> to=<a@b>\n"
    )

    assert (
        "error[NL667]"
        in newsletter("deliveries", "resolve", sent.month, "--mta-log", "maillog").err
    )


def test_who_is_not_accepted_is_listed_with_addresses_on_request(
    sent: Sent, newsletter: Newsletter
) -> None:
    plain = newsletter("deliveries", "list", sent.month)
    whole = newsletter("deliveries", "list", sent.month, "--with-addresses")

    assert (plain.code, whole.code) == (0, 0)
    assert "@example.org" not in plain.out.replace("letter.example.org", "")
    assert whole.out.strip().endswith("@example.org")


def test_every_command_of_the_page_on_doubts_can_be_typed() -> None:
    page = (Path(__file__).parents[2] / "docs/doubt.md").read_text("utf-8")
    typed = [line for line in page.splitlines() if line.startswith(("newsletter ", "journalctl "))]
    root = get_group(app)
    top = typer.Context(root, info_name="newsletter")

    assert len(typed) >= 8
    for line in typed:
        words = shlex.split(line.rpartition("| ")[2])[1:]
        command = root.get_command(top, words[0])
        while hasattr(command, "commands"):
            words = words[1:]
            command = command.commands[words[0]]
        assert command is not None
        known = {each for param in command.params for each in param.opts}
        assert {word for word in words if word.startswith("--")} <= known, line
