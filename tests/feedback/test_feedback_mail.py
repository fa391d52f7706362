"""What mails are: the formats of mail servers, word by word; and what is none."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import corpus
import pytest
from corpus import Ours
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery.feedback import Kind, mime
from newsletter.delivery.feedback.failure import Failure, in_report, in_words
from newsletter.delivery.feedback.mail import Heard, Sort, understand
from newsletter.delivery.feedback.verdict import Weight, weigh

TOKEN = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
OTHER = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
OURS = Ours(f"b+{TOKEN}@bounces.example.org", "<one@letter.example.org>", leave=OTHER)


def weight(heard: Heard) -> Weight:
    failure = heard.failure
    return weigh(failure.code, failure.enhanced, blocked=heard.kind is Kind.BLOCKED)


@pytest.mark.parametrize("make", corpus.GONE.values(), ids=corpus.GONE)
def test_a_mailbox_that_is_gone_in_the_words_of(make: Callable[[Ours], bytes]) -> None:
    heard = understand(make(OURS))
    assert heard.kind is Kind.BOUNCED
    assert weight(heard) is Weight.GONE
    assert heard.claims.bounce_tokens == {TOKEN}
    assert heard.claims.message_ids == {"<one@letter.example.org>"}


def test_a_full_mailbox_is_a_strike_although_the_report_says_failed() -> None:
    heard = understand(corpus.full_mailbox(OURS))
    assert heard.kind is Kind.BOUNCED
    assert weight(heard) is Weight.STRIKE


def test_yahoo_says_554_and_nothing_more() -> None:
    assert weight(understand(corpus.yahoo(OURS))) is Weight.STRIKE


def test_a_refusal_for_policy_is_ours() -> None:
    assert weight(understand(corpus.blocked(OURS))) is Weight.OURS
    heard = understand(corpus.blocked_without_status(OURS))
    assert heard.kind is Kind.BLOCKED


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (corpus.delayed, Kind.DEFERRED),
        (corpus.delivered, Kind.DELIVERED),
        (corpus.relayed, Kind.DELIVERED),
        (corpus.one_of_two_behind_an_alias, Kind.DELIVERED),
        (corpus.without_action, None),
    ],
)
def test_only_failed_is_a_failure(make: Callable[[Ours], bytes], kind: Kind | None) -> None:
    heard = understand(make(OURS))
    assert (heard.sort, heard.kind) == (Sort.DSN, kind)


@pytest.mark.parametrize("make", corpus.COMPLAINTS.values(), ids=corpus.COMPLAINTS)
def test_a_complaint_names_us_by_our_own_marks(make: Callable[[Ours], bytes]) -> None:
    heard = understand(make(OURS))
    assert (heard.sort, heard.kind) == (Sort.COMPLAINT, Kind.COMPLAINED)
    assert heard.claims.message_ids == {"<one@letter.example.org>"}
    assert heard.claims.mail_tokens == {OTHER}


def test_a_complaint_may_name_the_return_path_alone() -> None:
    bare = Ours(OURS.verp, "", leave="")
    raw = corpus.arf(bare, more=f"Original-Mail-From: <{OURS.verp}>\n")
    assert understand(raw).claims.bounce_tokens == {TOKEN}


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("abuse", Kind.COMPLAINED),
        ("Fraud", Kind.COMPLAINED),
        ("opt-out", Kind.LEFT),
        ("not-spam", None),
        ("auth-failure", None),
        ("virus", None),
    ],
)
def test_what_kinds_of_feedback_mean(told: str, kind: Kind | None) -> None:
    assert understand(corpus.arf(OURS, told)).kind is kind


@pytest.mark.parametrize("make", [corpus.vacation, corpus.ticket])
def test_an_automatic_reply_is_no_bounce(make: Callable[[Ours], bytes]) -> None:
    heard = understand(make(OURS))
    assert (heard.sort, heard.kind) == (Sort.AUTOMATIC, None)


def test_another_list_in_the_same_mailbox_is_not_ours_to_judge() -> None:
    raw = b"From: list@other.example\r\nTo: editor@example.org\r\nPrecedence: bulk\r\n\r\nHello\r\n"
    assert understand(raw) == Heard(Sort.OTHER)


def test_a_person_is_no_mailer_daemon() -> None:
    assert understand(corpus.person(OURS)) == Heard(Sort.OTHER)


def test_a_mail_to_the_leave_address_is_a_leave() -> None:
    heard = understand(corpus.leave_mail(f"leave+{TOKEN}@bounces.example.org"))
    assert (heard.sort, heard.kind) == (Sort.LEAVE, Kind.LEFT)
    assert heard.claims.leave_tokens == {TOKEN}


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied\n",
        "Auto-Submitted: auto-generated; x=y\n",
        "X-Auto-Response-Suppress: All\n",
        "Precedence: bulk\n",
        "Precedence: auto_reply\n",
        "Return-Path: <>\n",
        "X-Autoreply: yes\n",
    ],
)
def test_a_program_at_the_leave_address_leaves_nobody(head: str) -> None:
    heard = understand(corpus.leave_mail(f"leave+{TOKEN}@bounces.example.org", head=head))
    assert (heard.sort, heard.kind) == (Sort.AUTOMATIC, None)


def test_auto_submitted_no_is_a_person() -> None:
    raw = corpus.leave_mail(f"leave+{TOKEN}@bounces.example.org", head="Auto-Submitted: no\n")
    assert understand(raw).kind is Kind.LEFT


def test_a_token_in_a_body_is_no_claim() -> None:
    raw = corpus.report(OURS, to="letter@letter.example.org", words=f"To: b+{OTHER}@x.example\n")
    raw = raw.replace(b"Return-Path: <b+", b"X-Nothing: <b+")
    assert understand(raw).claims.bounce_tokens == set()


def test_an_envelope_recipient_counts_like_a_header() -> None:
    raw = corpus.report(OURS, to="undisclosed")
    assert understand(raw, [OURS.verp]).claims.bounce_tokens == {TOKEN}


@pytest.mark.parametrize(
    ("status", "diagnostic", "failure"),
    [
        ("5.1.1", None, Failure(None, "5.1.1")),
        ("5.1.1 (bad mailbox)", "smtp; 550 no", Failure(550, "5.1.1")),
        ("5.0.0", "smtp; 550 5.1.1 no", Failure(550, "5.1.1")),
        (None, "smtp; 550 #5.1.1 no", Failure(550, "5.1.1")),
        ("5.1.1", "smtp; 550 5.7.1 no", Failure(550, "5.7.1")),
        ("5.1.1", "smtp; 550 4.2.2 no", Failure(550, "5.1.1")),
        ("5.0.0", "x-unix; 550 5.1.1 no", Failure(None, "5.0.0")),
        ("junk", "smtp; junk", Failure()),
        ("5.0.0", "smtp; 550 spam@550.example unknown", Failure(550, "5.0.0")),
        ("5.0.0", "smtp; 550 listed by spamhaus", Failure(550, "5.0.0", blocked=True)),
        ("5.1.1", "smtp; 550 policy", Failure(550, "5.1.1")),
        ("5.99999.1", "", Failure()),
    ],
)
def test_status_and_diagnostic_together(
    status: str | None, diagnostic: str | None, failure: Failure
) -> None:
    assert in_report(status, diagnostic) == failure


@pytest.mark.parametrize(
    "text",
    ["host 203.0.113.550 is away", "call 555-1234", "version 5.1.1.4", "at 550x", "5551 5.1.1a"],
)
def test_numbers_that_are_no_codes(text: str) -> None:
    assert in_words(text) == Failure()


# Beyond the bounds.


def nested(depth: int) -> bytes:
    head = b"From: MAILER-DAEMON\r\n"
    for at in range(depth):
        head += f'Content-Type: multipart/mixed; boundary="b{at}"\r\n\r\n--b{at}\r\n'.encode()
    return head


def returning(head: bytes, to: bytes = b"b@example.org") -> bytes:
    """A report to `to` about a mail of this head."""
    return (
        b"To: " + to + b"\r\nContent-Type: multipart/report; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n" + head
    )


@pytest.mark.parametrize(
    "bomb",
    [
        nested(40),
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 5000,
        b"Content-Type: message/rfc822\r\n\r\n" * 50,
        returning(b"".join(b"Message-ID: <%d@x>\r\n" % at for at in range(300))),
        returning(b"Message-ID: " + b"".join(b"<%d@x>" % at for at in range(2000))),
        returning(b"X: y\r\n", to=b", ".join(b"b+%032x@x" % at for at in range(2000))),
    ],
    ids=["deep", "many parts", "messages in messages", "many returned", "in a row", "many tokens"],
)
def test_a_bomb_is_unreadable_and_cheap(bomb: bytes) -> None:
    began = time.process_time()
    with pytest.raises(mime.Unreadable):
        understand(bomb)
    assert time.process_time() - began < 0.5


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\0" * 1000,
        b"\xff\xfe" * 1000,
        b"no header at all",
        b"Content-Type: multipart/report; boundary=\r\n\r\n--\r\n--\r\n",
        b"Content-Type: multipart/report; boundary=" + b"x" * 5000 + b"\r\n\r\n",
        b": : :\r\n" * 100,
        b"X" * 100_000 + b": y\r\n\r\n",
        b"Subject: x\r\n" + b" y\r\n" * 100_000,
        b"From: MAILER-DAEMON\r\nContent-Transfer-Encoding: base64\r\n\r\n====",
    ],
)
def test_junk_is_read_as_nothing(raw: bytes) -> None:
    heard = understand(raw)
    assert heard.kind is None


@pytest.mark.parametrize(
    "raw",
    [
        corpus.huge(OURS),
        b"From: MAILER-DAEMON\r\n\r\n" + b"5.1.1 " * 200_000,
        b"From: MAILER-DAEMON\r\n\r\n" + b"a@" * 500_000,
        b"From: MAILER-DAEMON\r\n\r\n" + (b"550 " * 400 + b"\n") * 600,
        b"From: " + b"<(" * 400_000 + b"\r\n\r\n",
        b"X-Failed-Recipients: x\r\n\r\n" + b"\n" * 1_000_000,
        b"X-Failed-Recipients: x\r\n\r\n" + b"-" * 1_000_000,
        b"Delivered-To: " + b"b+" * 500_000,
    ],
)
def test_a_large_mail_is_read_in_bounded_time(raw: bytes) -> None:
    began = time.process_time()
    understand(raw)
    assert time.process_time() - began < 2.0


PIECES = st.sampled_from(
    [
        b"Content-Type: multipart/report; boundary=b\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: message/feedback-report\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"From: MAILER-DAEMON\r\n",
        f"To: {OURS.verp}\r\n".encode(),
        b"Action: failed\r\nStatus: 5.1.1\r\n",
        b"Feedback-Type: abuse\r\n",
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n",
        b"\n\n",
        b" folded\r\n",
        b"550 5.1.1 no\r\n",
        b"Message-ID: <one@letter.example.org>\r\n",
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=60)), max_size=60))
def test_any_bytes_are_something(pieces: list[bytes]) -> None:
    """The parser ends, raises nothing but Unreadable, and claims only well-formed tokens."""
    try:
        heard = understand(b"".join(pieces))
    except mime.Unreadable:
        return
    assert all(len(token) == 32 for token in heard.claims.bounce_tokens)
    assert heard.failure.code is None or 200 <= heard.failure.code <= 599


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_report_is_read_or_refused(data: st.DataObject) -> None:
    raw = bytearray(corpus.postfix(OURS))
    for _ in range(data.draw(st.integers(1, 20))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 40))] = data.draw(st.binary(max_size=10))
    with contextlib.suppress(mime.Unreadable):
        understand(bytes(raw))
