"""When a deferred message is tried again, and when nobody tries any more. Pure."""

from __future__ import annotations

import datetime as dt
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


def next_try(now: dt.datetime, attempt: int) -> dt.datetime:
    """When try number `attempt` (from 1), which was deferred at `now`, is repeated."""
    return now + STEPS[min(attempt, len(STEPS)) - 1]


def closes_at(opened_at: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The end of the ladder or of the local month in which the issue was opened, whichever is first."""
    local = opened_at.astimezone(zone)
    year, month = (local.year, local.month + 1) if local.month < 12 else (local.year + 1, 1)
    end_of_month = dt.datetime(year, month, 1, tzinfo=zone).astimezone(dt.UTC)
    return min(opened_at + LENGTH, end_of_month)
