"""`newsletter feedback`: a Maildir by hand, a mail server's pipe, the operator's word."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "feedback"))
sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

import corpus
from feedback_house import Sent

from newsletter import config, wiring
from newsletter.delivery.feedback import Kind

PROGRAM = Path(sys.executable).with_name("newsletter")


@pytest.fixture
def sent(letter: Path) -> Sent:
    """The publication in the current folder, its first issue sent to two readers."""
    settings = config.load(letter)
    house = wiring.House(settings)
    made = Sent(settings, house.store, house.vault, house.clock(), house.journal)
    made.readers(2)
    made.issue()
    return made


@pytest.fixture
def maildir(sent: Sent, tmp_path: Path) -> Path:
    """One bounce, one complaint, one letter of a person, one forgery, one bomb."""
    folder = tmp_path / "bounces"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    gone, angry = sent.states()
    forged = corpus.Ours(f"b+{'A' * 32}@bounces.example.org", "")
    mails = (
        corpus.postfix(sent.ours(gone)),
        corpus.arf(sent.ours(angry)),
        corpus.person(sent.ours(gone)),
        corpus.postfix(forged),
        b"Content-Type: message/rfc822\r\n\r\n" * 50,
    )
    for number, raw in enumerate(mails):
        file = folder / "new" / f"{number}.M1.host"
        file.write_bytes(raw)
        os.utime(file, (sent.now.timestamp(), sent.now.timestamp()))
    return folder


def test_collect_tells_numbers_and_what_to_look_at(
    sent: Sent, maildir: Path, newsletter: Callable[..., Any]
) -> None:
    ran = newsletter("feedback", "collect", "--maildir", str(maildir))
    assert ran.code == 0
    assert ran.out.splitlines() == [
        "mails 5: 2 acted on, 1 forged, 1 no report, 1 unreadable",
        "effects: 2 suppressed",
    ]
    for code in ("NL649", "NL650", "NL651"):
        assert f"warning[{code}]" in ran.err
    assert sorted(sent.states().values()) == ["bounced", "complained"]
    assert "example" not in ran.out


def test_collect_answers_a_script_in_json(maildir: Path, newsletter: Callable[..., Any]) -> None:
    ran = newsletter("--quiet", "feedback", "collect", "--maildir", str(maildir), "--json")
    told = json.loads(ran.out)
    assert told["effects"] == {"suppressed": 2}
    assert told["issues"] == ["2026-11"]
    assert ran.err == ""


def test_a_place_that_is_away_does_not_hide_what_the_other_brought(
    sent: Sent, letter: Path, maildir: Path, newsletter: Callable[..., Any]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with (letter / "newsletter.toml").open("a", encoding="utf-8") as toml:
        toml.write(
            f'\n[feedback]\nmaildir = "{maildir}"\n\n[feedback.imap]\nhost = "127.0.0.1"\n'
            f'port = {port}\nsecurity = "none"\nuser = "u"\npassword = "env:NEWSLETTER_KEY_FILE"\n'
        )
    ran = newsletter("feedback", "collect")
    assert ran.code == 2
    assert "error[NL646]" in ran.err
    assert "Of what was read before, 5 mails were taken in." in ran.err
    assert "Nothing was done" not in ran.err
    assert sorted(sent.states().values()) == ["bounced", "complained"]


def test_collect_without_a_place_says_so(letter: Path, newsletter: Callable[..., Any]) -> None:
    ran = newsletter("feedback", "collect")
    assert ran.code == 2
    assert "error[NL648]" in ran.err


def pipe(
    letter: Path, raw: bytes, *words: str, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [PROGRAM, "feedback", "collect", "--stdin", *words],
        cwd=letter,
        env={**os.environ, **environment},
        input=raw,
        capture_output=True,
        timeout=60,
        check=False,
    )


def test_a_mail_servers_pipe_hands_over_one_mail(sent: Sent, letter: Path) -> None:
    """The envelope's recipient is what Postfix and Exim put into the environment."""
    leaver, stays = sent.states()
    mailbox = f"leave+{sent.ours(leaver).leave}@bounces.example.org"
    raw = corpus.leave_mail("undisclosed@example.org")
    ran = pipe(letter, raw, ORIGINAL_RECIPIENT=mailbox)
    assert (ran.returncode, ran.stdout) == (0, b"")
    assert sent.standing(leaver) == "unsubscribed"
    mailbox = f"leave+{sent.ours(stays).leave}@bounces.example.org"
    assert pipe(letter, raw, "--recipient", mailbox).returncode == 0
    assert sent.standing(stays) == "unsubscribed"


def test_a_huge_mail_does_not_break_the_pipe(sent: Sent, letter: Path) -> None:
    angry, _ = sent.states()
    raw = corpus.arf(sent.ours(angry)) + b"x" * (3 << 20)
    assert pipe(letter, raw).returncode == 0
    assert sent.why(angry) == {"left", "complained"}


@pytest.mark.parametrize("missing", ["key", "database", "settings"])
def test_the_mail_server_keeps_a_mail_that_cannot_be_taken_in(
    letter: Path, tmp_path: Path, missing: str
) -> None:
    match missing:
        case "key":
            (tmp_path / "letter.key").unlink()
        case "database":
            toml = (letter / "newsletter.toml").read_text("utf-8")
            broken = toml.replace("sqlite:///subscribers/newsletter.db", "sqlite:////dev/null/x.db")
            if broken == toml:
                broken += '\n[store]\nurl = "sqlite:////dev/null/x.db"\n'
            (letter / "newsletter.toml").write_text(broken, "utf-8")
        case "settings":
            (letter / "newsletter.toml").unlink()
    ran = pipe(letter, corpus.leave_mail("x@example.org"))
    assert ran.returncode == 75, ran.stderr
    assert b"the mail server tries again" in ran.stderr
    assert b"Traceback" not in ran.stderr


def test_the_operator_lifts_a_bounce_and_a_complaint(
    sent: Sent, newsletter: Callable[..., Any]
) -> None:
    readers = _in_order(sent)
    sent.bounce(readers[0], "5.1.1")
    sent.hear(Kind.COMPLAINED, sent.delivery(readers[1]))
    ran = newsletter("feedback", "lift", "reader0@example.org")
    assert "lifted: bounced" in ran.err
    assert sent.why(readers[0]) == set()
    ran = newsletter("feedback", "lift", "reader1@example.org")
    assert "lifted: complained" in ran.err
    assert sent.why(readers[1]) == {"left"}
    ran = newsletter("feedback", "lift", "reader0@example.org")
    assert ran.code == 1
    assert "error[NL652]" in ran.err


def _in_order(sent: Sent) -> list[str]:
    from newsletter.subscribers import people
    from newsletter.subscribers.address import Address

    found = []
    for number in range(2):
        mailbox = f"reader{number}@example.org"
        with sent.store.read() as tx:
            person = people.find_by_address(tx, sent.vault, Address(mailbox, mailbox))
        assert person is not None
        found.append(person.id)
    return found


def test_stats_show_why_readers_are_suppressed(sent: Sent, newsletter: Callable[..., Any]) -> None:
    for reader in sent.states():
        sent.bounce(reader, "5.1.1")
    assert "suppressed: bounced <5" in newsletter("subscribers", "stats").out


def test_status_tells_bounced_inside_accepted(sent: Sent, newsletter: Callable[..., Any]) -> None:
    gone, _ = sent.states()
    sent.bounce(gone, "5.1.1")
    ran = newsletter("status", "2026-11")
    assert "bounced 1, complained 0" in ran.out
    told = json.loads(newsletter("status", "2026-11", "--json").out)
    assert "bounced" in json.dumps(told)


def test_run_takes_in_what_comes_back(
    sent: Sent, maildir: Path, letter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from newsletter.cli.desk import Desk
    from newsletter.cli.serve import Duties

    toml = (letter / "newsletter.toml").read_text("utf-8")
    (letter / "newsletter.toml").write_text(f'{toml}\n[feedback]\nmaildir = "{maildir}"\n', "utf-8")
    desk = Desk(letter)
    with desk.house() as house:
        duties = Duties(desk, house, threading.Event())
        duties.feedback()
        said = capsys.readouterr().err
        duties.feedback()
    assert "feedback: 2 acted on, 1 forged, 1 no report, 1 unreadable; 2 suppressed" in said
    assert "warning[NL651]" in said
    assert capsys.readouterr().err == ""
    assert sorted(sent.states().values()) == ["bounced", "complained"]


def test_doctor_says_what_is_read_and_what_is_not(
    sent: Sent, maildir: Path, letter: Path, newsletter: Callable[..., Any]
) -> None:
    assert "bounces are not read" in newsletter("doctor").out
    toml = (letter / "newsletter.toml").read_text("utf-8")
    (letter / "newsletter.toml").write_text(f'{toml}\n[feedback]\nmaildir = "{maildir}"\n', "utf-8")
    assert "5 mails wait in the Maildir" in newsletter("doctor").out
    (letter / "newsletter.toml").write_text(f'{toml}\n[feedback]\nmaildir = "none"\n', "utf-8")
    ran = newsletter("doctor")
    assert "NL645" in ran.out + ran.err
