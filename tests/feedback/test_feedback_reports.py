"""What servers really sent back, recorded: Exim 4.96, OpenSMTPD 7.6, Postfix 3.7, Sendmail 8.17, notqmail, Dovecot's LMTP.

Each was given our mails for readers that the next server, or itself, refused;
names were put in the place of names, and a token of ours in the place of ours.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus import Ours
from feedback_house import Sent

from newsletter.delivery.feedback import Kind
from newsletter.delivery.feedback.collecting import What
from newsletter.delivery.feedback.mail import understand
from newsletter.delivery.feedback.verdict import Weight, weigh

REPORTS = Path(__file__).parent / "reports"
TOKEN, LEAVE = "TOKEN-TOKEN-TOKEN-TOKEN-TOKEN-12", "LEAVE-LEAVE-LEAVE-LEAVE-LEAVE-12"
MESSAGE_ID = "<0123456789abcdef0123456789abcdef@letter.example.org>"

GONE = {
    *("exim-no-such-user", "exim-no-such-user-three-lines", "exim-550-alone"),
    *("opensmtpd-no-such-user", "opensmtpd-no-such-user-three-lines", "opensmtpd-550-alone"),
    *("postfix-no-such-user", "postfix-550-alone", "postfix-lmtp-no-such-user"),
    *("sendmail-no-such-user", "sendmail-no-such-domain", "sendmail-null-mx"),
    *("qmail-no-such-user", "qmail-550-alone", "qmail-no-such-domain", "qmail-refused-here"),
}
STRIKE = {
    # Exim and OpenSMTPD name no code for what they found out themselves. Postfix says
    # 5.4.4 and 5.1.0, which a resolver of ours that is broken would make it say, too.
    *("exim-no-such-domain", "exim-null-mx", "exim-refused-here", "opensmtpd-no-such-domain"),
    *("postfix-no-such-domain", "postfix-null-mx"),
    *("exim-full", "exim-full-here", "opensmtpd-full", "postfix-full", "postfix-lmtp-over-quota"),
    *("sendmail-full", "qmail-full"),
    *("exim-gave-up", "exim-gave-up-without-an-answer", "opensmtpd-gave-up"),
    *("postfix-gave-up", "postfix-gave-up-without-an-answer"),
    *("sendmail-gave-up", "qmail-gave-up"),
}
OURS = {
    *("exim-blocked", "exim-content", "opensmtpd-blocked", "postfix-blocked"),
    *("sendmail-blocked", "sendmail-misconfigured", "qmail-blocked"),
}
DELAYED = {"opensmtpd-delayed", "postfix-delayed", "sendmail-delayed"}


def recorded(name: str, ours: Ours | None = None) -> bytes:
    """A report as it came, or with the marks of `ours` in it."""
    raw = (REPORTS / f"{name}.eml").read_bytes()
    if ours is None:
        return raw
    token = ours.verp.removeprefix("b+").partition("@")[0]
    marks = ((TOKEN, token), (LEAVE, ours.leave), (MESSAGE_ID, ours.message_id))
    for mark, mine in marks:
        raw = raw.replace(mark.encode(), mine.encode())
    return raw


def test_every_record_is_judged() -> None:
    assert {file.stem for file in REPORTS.iterdir()} == GONE | STRIKE | OURS | DELAYED


@pytest.mark.parametrize(
    ("name", "weight"),
    [
        (name, weight)
        for names, weight in ((GONE, Weight.GONE), (STRIKE, Weight.STRIKE), (OURS, Weight.OURS))
        for name in sorted(names)
    ],
)
def test_what_it_says_of_the_mailbox(name: str, weight: Weight) -> None:
    heard = understand(recorded(name))
    failure = heard.failure
    assert heard.kind in (Kind.BOUNCED, Kind.BLOCKED)
    assert weigh(failure.code, failure.enhanced, blocked=heard.kind is Kind.BLOCKED) is weight


@pytest.mark.parametrize("name", sorted(DELAYED))
def test_a_delay_says_that_it_was_taken(name: str) -> None:
    assert understand(recorded(name)).kind is Kind.DEFERRED


@pytest.mark.parametrize("name", sorted(GONE | STRIKE | OURS | DELAYED))
def test_it_names_our_mail_in_every_way_it_can(name: str) -> None:
    claims = understand(recorded(name)).claims
    assert claims.bounce_tokens == {TOKEN}
    assert claims.message_ids == {MESSAGE_ID}
    assert claims.mail_tokens == {LEAVE}
    knows_dsn = name.startswith(("exim", "postfix", "sendmail"))
    assert claims.envelope_id == (TOKEN if knows_dsn else None)


@pytest.mark.parametrize("name", sorted(GONE | STRIKE | OURS | DELAYED))
def test_its_reader_and_nobody_else_is_concerned(sqlite_sent: Sent, name: str) -> None:
    sent = sqlite_sent
    concerned, other = sent.readers(2)
    sent.issue()
    done = sent.hears(recorded(name, sent.ours(concerned)))
    assert done.mails == {What.ACTED: 1}
    state = "accepted" if name in DELAYED else "bounced"
    assert sent.states() == {concerned: state, other: "accepted"}
    assert sent.why(concerned) == ({"bounced"} if name in GONE else set())
    assert sent.why(other) == set()
