"""Notices: mails that are no issue. They wait in their own lane and go out by the same loop.

    confirm   "is this you?", with the link that confirms
    data      the link to what is held about a person
    word      to the publisher: an issue was due and not approved, or ended in doubt

A notice promotes nothing: who has not confirmed gets no newsletter in disguise.
"""

from __future__ import annotations

import base64
import datetime as dt
import secrets
from enum import StrEnum
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store.tables import notices

WORTH = dt.timedelta(hours=24)
"""How long a notice is worth sending: a link that comes a day late is asked for again."""


class Word(StrEnum):
    """What the publisher is told about an issue."""

    NOT_APPROVED = "not-approved"
    """It was due and nobody had approved it, so it was not sent. Told once a day."""
    IN_DOUBT = "in-doubt"
    """It was sent, and for somebody nobody can say whether. Told once."""


def enqueue(
    tx: Connection,
    kind: Literal["confirm", "data"],
    subscriber_id: str,
    confirmation_id: bytes,
    language: str,
    consent_epoch: int,
    now: dt.datetime,
) -> str:
    """Queue a notice in the transaction that caused it; its id."""
    notice_id = secrets.token_hex(16)
    # Values beside the statement, not in it: it is compiled once for all.
    tx.execute(
        sa.insert(notices),
        {
            "id": notice_id,
            "kind": kind,
            "subscriber_id": subscriber_id,
            "confirmation_id": confirmation_id,
            "language": language,
            **_fresh(consent_epoch, now),
        },
    )
    return notice_id


def tell(
    tx: Connection, word: Word, period: str, language: str, now: dt.datetime, *, day: int = 0
) -> bool:
    """Queue a word to the publisher about `period`, once a `day`; False when it was told before.

    `day` counts from the due moment: the first is 0.
    """
    notice_id = f"word.{word}.{period}" + (f".{day}" if day else "")
    if tx.scalar(sa.select(notices.c.id).where(notices.c.id == notice_id)) is not None:
        return False
    tx.execute(
        sa.insert(notices).values(
            id=notice_id, kind="word", subscriber_id="", language=language, **_fresh(0, now)
        )
    )
    return True


def word_of(notice_id: str) -> tuple[Word, str]:
    """What the notice `word.not-approved.2026-12` (or `….2026-12.3`, on day 3) is about: word and period."""
    _, word, period, *_ = notice_id.split(".")
    return Word(word), period


def _fresh(consent_epoch: int, now: dt.datetime) -> dict[str, object]:
    # The domain is put behind the name when the message is composed.
    name = base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()
    return {
        "state": "queued",
        "message_id": name,
        "consent_epoch": consent_epoch,
        "attempts": 0,
        "due_at": now,
        "made_at": now,
        "closes_at": now + WORTH,
    }
