"""Leaving by mail is offered beside one click, and never instead of it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from feedback_house import Sent

from newsletter.config import Settings
from newsletter.delivery import ledger
from newsletter.delivery.feedback import Effect
from newsletter.delivery.press import Press
from newsletter.errors import CouldNotRun

TOML = """
[publication]
title = "Test letter"
url = "http://127.0.0.1:8000"
languages = ["en", "ru", "de"]
[sender]
name = "Test letter"
address = "letter@letter.example.org"
postal_address = "Example street 1"
list_id = "letter.letter.example.org"
bounce_domain = "bounces.example.org"
[feedback]
maildir = "bounces"
leave_by_mail = true
"""


def composed(sent: Sent, settings: Settings) -> bytes:
    sent.issue(state="queued")
    press = Press(settings, sent.vault)
    with sent.store.write() as tx:
        press.load(tx, "2026-11")
        (job,) = ledger.claim(tx, ledger.Lane("2026-11"), "s" * 16, 1, sent.now)
    return press.compose(job, sent.now)[1]


def unsubscribe(raw: bytes) -> str:
    (line,) = re.findall(rb"^List-Unsubscribe: (.*)\r$", raw, re.MULTILINE)
    return line.decode("ascii")


def test_the_https_link_comes_first_and_the_mailbox_after_it(
    sqlite_sent: Sent, publication: Callable[..., Settings]
) -> None:
    sent = sqlite_sent
    sent.readers(1)
    raw = composed(sent, publication(toml=TOML))
    value = unsubscribe(raw)
    token = value.split("/leave/")[1].partition(">")[0]
    assert value == (
        f"<http://127.0.0.1:8000/leave/{token}>,"
        f" <mailto:leave+{token}@bounces.example.org?subject=leave>"
    )
    assert b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in raw
    assert sent.vault.read_mail_token(token) is not None


def test_a_mail_to_the_offered_mailbox_leaves(
    sqlite_sent: Sent, publication: Callable[..., Settings]
) -> None:
    """As a mail program writes it: to the address, with the subject, in a quoted name."""
    sent = sqlite_sent
    (leaver,) = sent.readers(1)
    raw = composed(sent, publication(toml=TOML))
    found = re.search(r"<mailto:([^?>]+)\?subject=(\w+)>", unsubscribe(raw))
    assert found is not None
    mail = f'From: "Anna" <anna@mailbox.example>\r\nTo: "Leave" <{found[1]}>\r\nSubject: {found[2]}\r\n\r\n'
    assert sent.hears(mail.encode()).effects == {Effect.LEFT: 1}
    assert sent.standing(leaver) == "unsubscribed"


def test_without_a_reader_of_that_mailbox_nobody_is_told_of_it(
    sqlite_sent: Sent, publication: Callable[..., Settings]
) -> None:
    sqlite_sent.readers(1)
    settings = publication(toml=TOML.replace("leave_by_mail = true", ""))
    assert "mailto" not in unsubscribe(composed(sqlite_sent, settings))


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (TOML.replace('bounce_domain = "bounces.example.org"', ""), "needs [sender] bounce_domain"),
        (TOML + '[feedback.imap]\nhost = "127.0.0.1"\n', "needs `user` and `password`"),
        (TOML + '[feedback.imap]\nhots = "127.0.0.1"\n', "unknown key `feedback.imap.hots`"),
        (TOML.replace("leave_by_mail", "every_minutes = 0\nleave_by_mail"), "every_minutes"),
    ],
)
def test_settings_that_cannot_work_are_refused(
    publication: Callable[..., Settings], toml: str, words: str
) -> None:
    with pytest.raises(CouldNotRun) as caught:
        publication(toml=toml)
    assert words in " ".join(finding.what for finding in caught.value.findings)
