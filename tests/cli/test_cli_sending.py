"""issue, send, status and deliveries against the built-in inbox: real SMTP on this machine."""

from __future__ import annotations

import datetime as dt
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from http.server import (
    BaseHTTPRequestHandler,
    HTTPServer,
    SimpleHTTPRequestHandler,
    ThreadingHTTPServer,
)
from pathlib import Path
from typing import Any

import pytest

from newsletter import config, wiring
from newsletter.cli.desk import Desk
from newsletter.cli.rehearsal import rehearse, trial_house
from newsletter.cli.serve import NEVER, rebuild
from newsletter.errors import CouldNotRun
from newsletter.flows.open import open_issue
from newsletter.inbox import Inbox
from newsletter.issue import freeze
from newsletter.issue.edition import TOKEN_SLOT
from newsletter.issue.period import Period
from newsletter.site import lock

Newsletter = Callable[..., Any]
PROGRAM = Path(sys.executable).with_name("newsletter")


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    with Inbox() as box:
        yield box


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test's own output is what counts."""


@pytest.fixture
def site(letter: Path) -> Iterator[str]:
    """Where the letter's public/ is served, as a publisher's web server would."""
    (letter / "public").mkdir()
    handler = partial(Quiet, directory=str(letter / "public"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def readers(letter: Path, site: str, inbox: Inbox, newsletter: Newsletter) -> Callable[[int], str]:
    """`readers(5)`: the letter approved, site and relay that answer, five readers; the month it is for."""

    def make(number: int) -> str:
        _set(letter, f"port = {inbox.smtp_port}")
        _set(letter, f'url = "{site}"')
        wording = next((letter / "content/consent/en").iterdir()).read_text("utf-8").strip()
        consent = '"' + wording.replace('"', '""') + '"'
        rows = [f"r{n}@example.org,en,2025-05-01,form,{consent}" for n in range(number)]
        header = "address,language,consented_at,source,consent_text"
        (letter.parent / "in.csv").write_text("\n".join([header, *rows]) + "\n", "utf-8")
        assert newsletter("subscribers", "import", "../in.csv").code == 0
        assert newsletter("issue", "approve", "--by", "Editor").code == 0
        return next(letter.glob("content/issues/*/edition.toml")).parent.name

    return make


def _set(letter: Path, line: str) -> None:
    """Replace the first line of newsletter.toml that sets the same key."""
    file, key = letter / "newsletter.toml", line.partition(" = ")[0]
    file.write_text(re.sub(rf"(?m)^{key} = .+$", line, file.read_text("utf-8"), count=1), "utf-8")


def test_words_of_the_sample_are_told_before_they_reach_a_reader(
    letter: Path, newsletter: Newsletter
) -> None:
    newsletter("new", "article", "Mine")
    ran = newsletter("issue", "approve", "--by", "Editor", "--offline")

    assert ran.code == 0
    assert re.search(
        r"still says “Write here what you would say to a friend”\n  --> content/issues/\S+/letter.en.md\n",
        ran.err,
    )
    assert "still says “A sample item, invented”" in ran.err
    assert "the article `mine` is as `newsletter new article` made it" in ran.err


def test_a_draft_is_written_and_nothing_is_approved(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("issue", "draft")

    assert ran.code == 0
    assert "<html" in (letter / ran.out.strip()).read_text("utf-8")
    assert not list(letter.glob("content/issues/*/edition.toml"))
    assert "not approved" in newsletter("issue", "show").out


def test_an_approval_freezes_and_a_withdrawal_thaws(letter: Path, newsletter: Newsletter) -> None:
    approved = newsletter("issue", "approve", "--by", "Editor")
    shown = json.loads(newsletter("issue", "show", "--json").out)
    taken_back = newsletter("issue", "withdraw")

    assert approved.code == 0
    assert shown["manifest"] == approved.out.strip()
    assert shown["holds"] is True
    assert taken_back.code == 0
    assert not list(letter.glob("content/issues/*/edition.toml"))
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_nobody_unknown_approves(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("issue", "approve", "--by", "Editr")

    assert ran.code == 2
    assert "did you mean `Editor`?" in ran.err


def test_what_is_not_approved_is_not_sent(letter: Path, newsletter: Newsletter) -> None:
    for words in (["send"], ["send", "--to-inbox"], ["send", "--dry-run"]):
        ran = newsletter(*words)

        assert ran.code == 1, words
        assert "error[NL460]" in ran.err


def test_a_trial_shows_the_mail_and_counts_as_nothing(letter: Path, newsletter: Newsletter) -> None:
    newsletter("issue", "approve", "--by", "Editor")

    first = newsletter("send", "--to-inbox")
    second = newsletter("send", "--to-inbox")

    assert (first.code, second.code) == (0, 0)
    assert (
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"
        in (letter / first.out.strip()).read_bytes()
    )
    assert "nothing counts as sent" in second.err
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_a_trial_without_a_wording_does_not_begin(letter: Path, newsletter: Newsletter) -> None:
    newsletter("issue", "approve", "--by", "Editor")
    for path in letter.glob("content/consent/en/*"):
        path.unlink()

    assert "error[NL142]" in newsletter("send", "--to-inbox").err


def test_a_trial_that_reaches_no_inbox_says_so(
    letter: Path, inbox: Inbox, newsletter: Newsletter
) -> None:
    newsletter("issue", "approve", "--by", "Editor")
    settings = config.load(letter)
    issue = freeze.load(settings, next(letter.glob("content/issues/*/edition.toml")).parent.name)
    inbox.stop()

    with (
        trial_house(settings, issue, inbox.smtp_port) as house,
        pytest.raises(CouldNotRun) as told,
    ):
        rehearse(house, issue, threading.Event())

    assert told.value.findings[0].code == "NL143"


def test_each_reader_gets_one_and_a_second_send_changes_nothing(
    readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    month = readers(7)
    newsletter("build")
    foretold = newsletter("send", "--dry-run")
    first = newsletter("send", month)
    second = newsletter("send", month)
    asked = newsletter("send", month, "--dry-run")
    [account] = json.loads(newsletter("status", month, "--json").out)["issues"]

    assert "to 7 readers (en 7)" in foretold.out
    assert (foretold.code, first.code, second.code) == (0, 0, 0)
    assert "nobody was sent anything now" in second.err
    assert (asked.code, asked.err) == (0, "nobody would be sent anything: nobody waits\n")
    assert len({mail.recipients for mail in inbox.messages}) == len(inbox.messages) == 7
    assert (account["accepted"], account["exact"], account["state"]) == (7, True, "closed")
    assert newsletter("send", month, "--quiet").out == ""


def test_another_build_changes_no_answer_and_the_archive_is_made_good(
    letter: Path,
    readers: Callable[[int], str],
    inbox: Inbox,
    newsletter: Newsletter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    month = readers(2)
    assert newsletter("build").code == 0  # the page that the mails link to is there
    monkeypatch.setattr(wiring, "PATIENCE_SECONDS", 0.1)
    archive = letter / "public/issues/index.html"

    with lock.alone(letter / ".cache" / "site"):
        sent = newsletter("send", month)
        unlisted = archive.read_text("utf-8")
        desk = Desk(letter)
        with desk.house() as house:
            later = rebuild(desk, house)  # `run` serves the last good site meanwhile
    again = newsletter("send", month)

    assert (sent.code, len(inbox.messages)) == (0, 2)
    assert re.search(r"accepted +2\n", sent.out)
    assert "error[NL305]" in sent.err
    assert "Nothing was done" not in sent.err
    assert f"/issues/{month}/" not in unlisted
    assert later < NEVER
    assert again.code == 0
    assert f"/issues/{month}/" in archive.read_text("utf-8")


def test_a_relay_that_is_off_marks_nothing_as_sent_and_a_halt_ends_it(
    readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    month = readers(3)
    too_soon = newsletter("issue", "halt", month)
    inbox.stop()

    off = newsletter("send", month)
    halted = newsletter("issue", "halt", month)
    again = newsletter("send", month)

    assert "error[NL144]" in too_soon.err
    assert off.code == 3
    assert "0 of 3 accepted" in off.err
    assert "nothing is marked as sent" in off.err
    assert "`newsletter send` when it is typed again" in off.err
    assert f"newsletter send {month}" in off.err
    assert "3 readers will not get it" in halted.err
    assert "halted 3" in halted.out
    assert "halted; was begun" in newsletter("schedule").out
    assert again.code == 0
    assert "nobody was sent anything now" in again.err
    withdrawn = newsletter("issue", "withdraw", month).err
    assert "error[NL465]" in withdrawn
    assert "was opened, and halted" in withdrawn
    assert "issue halt" not in withdrawn


def test_an_issue_is_halted_without_the_key_and_without_a_road(
    readers: Callable[[int], str],
    newsletter: Newsletter,
    letter: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever has to stop it has no time to look for either."""
    month = readers(3)
    with wiring.House(config.load(letter)) as house:
        open_issue(house.parts, Period(*map(int, month.split("-"))), house.clock(), early=True)
    monkeypatch.delenv("NEWSLETTER_KEY_FILE")
    _set(letter, 'host = "smtp.provider.net"')

    halted = newsletter("issue", "halt", month)

    assert halted.code == 0
    assert "3 readers will not get it" in halted.err


def test_what_is_not_in_doubt_cannot_be_resolved(
    readers: Callable[[int], str], newsletter: Newsletter
) -> None:
    month = readers(1)
    newsletter("send", month)

    ran = newsletter("deliveries", "resolve", month, "0" * 32, "--again", "--yes")

    assert ran.code == 2
    assert "error[NL137]" in ran.err
    listed = newsletter("deliveries", "list", month)
    assert (listed.out, listed.err) == ("", f"{month} has no other delivery than the 1 accepted\n")
    assert "accepted" in newsletter("deliveries", "list", month, "--state", "accepted").out


def test_ctrl_c_says_what_was_not_tried_and_how_to_go_on(
    letter: Path, readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    month = readers(60)
    file = letter / "newsletter.toml"
    slow = file.read_text("utf-8").replace("[delivery]", "[delivery]\nrate_per_second = 20")
    file.write_text(slow, "utf-8")
    sender = subprocess.Popen(
        [PROGRAM, "send", month],
        cwd=letter,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    inbox.wait_for(5)

    sender.send_signal(signal.SIGINT)
    _, err = sender.communicate(timeout=30)
    came = len(inbox.messages)
    file.write_text(slow.replace("rate_per_second = 20", ""), "utf-8")
    rest = newsletter("send", month)

    assert sender.returncode == 3
    assert (
        f"interrupted\n  {month} · {came} of 60 accepted, 0 in doubt, {60 - came} not tried" in err
    )
    assert f"go on with:   newsletter send {month}" in err
    assert "Traceback" not in err
    assert rest.code == 0
    assert len({mail.recipients for mail in inbox.messages}) == len(inbox.messages) == 60


def test_run_serves_the_site_and_posts_a_confirmation_within_a_second(
    letter: Path, inbox: Inbox, newsletter: Newsletter
) -> None:
    _set(letter, f"port = {inbox.smtp_port}")
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write('\n[web]\nbind = "127.0.0.1:0"\n')
    service = subprocess.Popen([PROGRAM, "run"], cwd=letter, stderr=subprocess.PIPE, text=True)
    try:
        assert service.stderr
        assert "site and forms: http://127.0.0.1:" in service.stderr.readline()
        assert newsletter("subscribers", "add", "anna@example.org").code == 0
        begun = time.monotonic()
        [mail] = inbox.wait_for(1)
        took = time.monotonic() - begun
    finally:
        service.terminate()
        _, err = service.communicate(timeout=30)

    assert mail.recipients == ("anna@example.org",)
    assert took < 2
    assert service.returncode == 0
    assert "stopped" in err


def test_a_busy_port_is_a_finding(letter: Path, inbox: Inbox, newsletter: Newsletter) -> None:
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as file:
        file.write(f'\n[web]\nbind = "127.0.0.1:{inbox.web_port}"\n')

    ran = newsletter("run")

    assert ran.code == 2
    assert "error[NL152]" in ran.err
    assert f"127.0.0.1:{inbox.web_port}" in ran.err


def test_the_schedule_of_a_year_has_twelve_moments(letter: Path, newsletter: Newsletter) -> None:
    ran = newsletter("schedule", "--for", "2027")
    told = json.loads(newsletter("schedule", "--for", "2027", "--json").out)

    assert len(ran.out.splitlines()) == 12
    assert [each["period"] for each in told["issues"]] == [
        f"2027-{month:02}" for month in range(1, 13)
    ]
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_a_site_that_does_not_answer_keeps_the_mail_back(
    letter: Path, readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    month = readers(2)
    newsletter("issue", "withdraw", month)
    _set(letter, 'url = "http://127.0.0.1:9"')
    newsletter("issue", "approve", "--by", "Editor")

    foretold = newsletter("send", month, "--dry-run")
    ran = newsletter("send", month)

    assert (foretold.code, ran.code) == (1, 1)
    assert "error[NL709]" in ran.err
    assert "error[NL709]" in foretold.err
    assert "to 2 readers" in foretold.out
    assert inbox.messages == ()


def test_a_host_that_answers_to_everything_keeps_the_mail_back(
    letter: Path, readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    """A parked name, or another's site on that port."""

    class Parked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>This domain is for sale</title>")

        def log_message(self, *_: object) -> None: ...

    month = readers(2)
    newsletter("issue", "withdraw", month)
    with HTTPServer(("127.0.0.1", 0), Parked) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        _set(letter, f'url = "http://127.0.0.1:{host.server_port}"')
        newsletter("issue", "approve", "--by", "Editor")
        ran = newsletter("send", "--early", month)
        host.shutdown()

    assert ran.code == 1
    assert "error[NL709]" in ran.err
    assert inbox.messages == ()


def test_a_test_mail_is_the_issue_marked_and_counts_as_nothing(
    letter: Path, readers: Callable[[int], str], inbox: Inbox, newsletter: Newsletter
) -> None:
    month = readers(2)
    frozen = (letter / f"content/issues/{month}/en.html").read_text("utf-8")

    ran = newsletter("issue", "test", month, "--to", "editor@example.org")
    (mail,) = inbox.messages

    assert ran.code == 0
    assert mail.recipients == ("editor@example.org",)
    assert mail.subject.startswith("[Test] ")
    token = str(mail.one_click).rpartition("/")[2]
    assert str(mail.html).replace(token, TOKEN_SLOT).split() == frozen.split()
    assert json.loads(newsletter("status", "--json").out)["issues"] == []
    assert newsletter("subscribers", "show", "editor@example.org").code != 0
    assert "editor@example.org" not in ran.out + ran.err


def test_a_test_mail_may_be_had_before_the_approval_and_says_when_it_was_not_taken(
    letter: Path, inbox: Inbox, newsletter: Newsletter
) -> None:
    _set(letter, f"port = {inbox.smtp_port}")
    before = newsletter("issue", "test", "--to", "editor@example.org", "--language", "en")
    nobody = newsletter("issue", "test", "--to", "editor@example.org", "--language", "xx")
    inbox.stop()
    after = newsletter("issue", "test", "--to", "editor@example.org")

    assert before.code == 0
    assert "error[NL133]" in nobody.err
    assert after.code == 2
    assert "error[NL155]" in after.err


def test_a_database_that_refuses_in_the_middle_is_told_with_where_readers_stand(
    letter: Path,
    readers: Callable[[int], str],
    inbox: Inbox,
    newsletter: Newsletter,
    process: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    month = readers(5)
    _set(letter, 'transport = "smtp"\nconnections = 1')
    with closing(sqlite3.connect(letter / "subscribers" / "newsletter.db")) as database:
        database.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON deliveries WHEN new.state = 'accepted'"
            " AND (SELECT count(*) FROM deliveries WHERE state = 'accepted') >= 2"
            " BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    ran = process("send", "--early", month, cwd=letter)  # whose end forgets what it knew
    with closing(sqlite3.connect(letter / "subscribers" / "newsletter.db")) as database:
        database.execute("DROP TRIGGER full")
    again = newsletter("send", "--early", month)

    assert ran.returncode == 2
    assert "error[NL145]: the database refused: database or disk is full" in ran.stderr
    assert f"{month}: 2 of 5 accepted, 0 in doubt, 3 not tried or waiting." in ran.stderr
    assert f"go on with: newsletter send {month}" in ran.stderr
    assert again.code == 3  # the mail whose outcome could not be kept is in doubt
    assert "accepted         4" in again.out


def test_whoever_confirms_after_an_early_send_is_told_the_next_month(
    letter: Path, readers: Callable[[int], str], newsletter: Newsletter
) -> None:
    _set(letter, 'day = "last"')  # not before the sample's own dates, which are today's
    month = Period(*map(int, readers(1).split("-")))
    beginning = dt.datetime.combine(month.first_day, dt.time(), dt.UTC)
    with wiring.House(config.load(letter)) as house:
        before = house.next_issue(beginning)
        newsletter("send", "--early", str(month))
        after = house.next_issue(beginning)

    assert before is not None
    assert after is not None
    assert before.date() == month.on("last")
    assert after.date() == month.following().on("last")


def test_doctor_says_that_a_ledger_does_not_add_up(
    letter: Path, readers: Callable[[int], str], newsletter: Newsletter
) -> None:
    month = readers(2)
    newsletter("send", "--early", month)
    with closing(sqlite3.connect(letter / "subscribers" / "newsletter.db")) as database:
        database.execute("UPDATE issues SET audience = 99")
        database.commit()
    told = newsletter("doctor", "--offline")
    status = newsletter("status", month)
    newsletter("doctor", "--offline", "--adopt")
    after = newsletter("status", month)

    assert (told.code, status.code, after.code) == (1, 2, 0)
    assert "error[NL621]" in told.err
    assert "error[NL621]" in status.err


def test_doctor_misses_a_database_that_was_there(
    letter: Path, readers: Callable[[int], str], newsletter: Newsletter
) -> None:
    month = readers(1)
    newsletter("send", "--early", month)
    for file in letter.glob("subscribers/newsletter.db*"):
        file.unlink()

    told = newsletter("doctor", "--offline")

    assert told.code == 1
    assert f"newsletter.db is gone, and {month} was sent from it" in told.err
    assert not (letter / "subscribers" / "newsletter.db").exists()


def test_notices_go_on_when_the_database_that_refused_them_is_free_again(
    letter: Path, inbox: Inbox, newsletter: Newsletter
) -> None:
    _set(letter, f"port = {inbox.smtp_port}")
    newsletter("subscribers", "add", "late@example.org")
    file = letter / "subscribers" / "newsletter.db"
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TRIGGER locked BEFORE UPDATE ON notices"
            " BEGIN SELECT RAISE(ABORT, 'database is locked'); END"
        )
    running = subprocess.Popen(
        [PROGRAM, "run", "--no-web"], cwd=letter, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    try:
        for line in running.stderr:
            assert "Traceback" not in line
            if "notices wait: NL145 the database refused: database is locked" in line:
                break
        with closing(sqlite3.connect(file, timeout=30)) as database:
            database.execute("DROP TRIGGER locked")
        assert inbox.wait_for(1, 20)
    finally:
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=20)
