"""A test mail: an issue's own bytes, marked as a test, to one mailbox that somebody names.

frozen? -> its frozen editions; else -> what would be frozen now
each edition -> "[Test] subject", a token that opens nothing -> the configured transport

No reader is involved, so no ledger is: nothing is counted, nothing is kept,
and its leave link leaves nobody.
"""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from newsletter.config import Settings
from newsletter.delivery import message
from newsletter.delivery.headers import Letterhead
from newsletter.delivery.message import Content
from newsletter.delivery.outcome import Envelope, Outcome, Transport
from newsletter.issue import freeze, frozen
from newsletter.issue.compose import compose
from newsletter.issue.edition import Edition
from newsletter.issue.period import Period

MARK = "[Test] "
DEAD_TOKEN = "TEST-MAIL-NO-TOKEN-OPENS-NOTHING"
"""32 characters, as long as a token and never one: its tag is wrong (subscribers/tokens.py)."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One test mail: its language, and what the relay said to it."""

    language: str
    outcome: Outcome


def editions(settings: Settings, period: Period) -> tuple[Edition, ...]:
    """The frozen editions of `period`; before its approval, what would be frozen now.

    Raises:
        Findings: a frozen byte changed, or the texts cannot be made into an issue.
    """
    if period in frozen.periods(settings):
        return freeze.load(settings, period).editions
    return compose(settings, period).editions


def mail_of(
    settings: Settings, edition: Edition, period: Period, to: str, now: dt.datetime
) -> bytes:
    """The message as a reader would get it, but for the mark, the token, the Date and the Message-ID."""
    letterhead = Letterhead.of(settings)
    content = Content(MARK + edition.subject, edition.html, edition.text)
    template = message.issue(letterhead, content, str(period), now)
    message_id = f"<test.{secrets.token_hex(16)}@{letterhead.domain}>"
    return template.fill(to, message_id, DEAD_TOKEN)


def send_test(
    settings: Settings,
    transport: Transport,
    period: Period,
    wanted: Sequence[Edition],
    to: str,
    now: dt.datetime,
) -> list[Tried]:
    """Send each of `wanted` to `to`, a mailbox with an ASCII domain, over one connection."""
    sender = Letterhead.of(settings).address
    with closing(transport.connect()) as connection:
        return [
            Tried(
                edition.language,
                connection.send(
                    Envelope(sender, to, not to.isascii()),
                    mail_of(settings, edition, period, to, now),
                ),
            )
            for edition in wanted
        ]
