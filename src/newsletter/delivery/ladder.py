"""When a deferred message is tried again, and when nobody tries any more. Pure."""

from __future__ import annotations

import datetime as dt
import hashlib
from zoneinfo import ZoneInfo

MINUTE = dt.timedelta(minutes=1)

STEPS = tuple(minutes * MINUTE for minutes in (5, 15, 30, 60, 120, 240))
"""Waits after the first, second, ... try; the last repeats.

Five minutes pass most greylists (Postfix begins with 300 s too); from the
third try on it is the half hour that RFC 5321 §4.5.4.1 asks for.
"""

LENGTH = dt.timedelta(days=5)
"""RFC 5321 §4.5.4.1: give up after four or five days."""

BEFORE_READER = MINUTE
"""After trouble before RCPT, which says nothing about the reader."""


JITTER = 0.25
"""A wait is longer by up to this share of itself, never shorter: a greylist counts from the first second."""


def next_try(now: dt.datetime, attempt: int, row: str) -> dt.datetime:
    """When try number `attempt` (from 1) of `row`, which was deferred at `now`, is repeated."""
    return now + _spread(STEPS[min(attempt, len(STEPS)) - 1], attempt, row)


def before_reader(now: dt.datetime, attempt: int, row: str) -> dt.datetime:
    """When a try that never came to name its reader is repeated."""
    return now + _spread(BEFORE_READER, attempt, row)


def _spread(wait: dt.timedelta, attempt: int, row: str) -> dt.timedelta:
    """`wait` and a little more, another little for every row and try.

    What was deferred in one moment, by a relay that went away or a host that
    had enough, must not come back in one moment. The row's random id is the
    key of the hash, so that the same row waits the same, and no dice are needed.
    """
    digest = hashlib.blake2b(attempt.to_bytes(4, "big"), key=row.encode()[:64], digest_size=4)
    return wait * (1 + JITTER * int.from_bytes(digest.digest(), "big") / 2**32)


def closes_at(opened_at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The end of the ladder or of the local month in which the issue was opened, whichever is first."""
    local = opened_at.astimezone(zone)
    year, month = (local.year, local.month + 1) if local.month < 12 else (local.year + 1, 1)
    end_of_month = dt.datetime(year, month, 1, tzinfo=zone).astimezone(dt.UTC)
    return min(opened_at + LENGTH, end_of_month)
