"""Is an issue due? A pure decision: values in, a value with its sentence out.

    now, [month], zone, last issue, last event, approved?  ->  Decision

The scheduler only ticks; what is sent is decided here and made law by the
database (UNIQUE(period), see delivery/ledger/opening.py). Nothing is
remembered: a restart, a clock that jumps or a second scheduler asks the same
question again and gets the same answer.

The window in which an issue is sent by itself begins at its due moment, or when
the minimum gap is over, and lasts [month] catch_up_days; never beyond the month.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never
from zoneinfo import ZoneInfo

from newsletter.config import Month
from newsletter.issue import period as calendar
from newsletter.issue.period import Period

CLOCK_MAY_BE_BACK = dt.timedelta(minutes=10)
"""Two hosts differ by seconds, a clock that is being set right by minutes; more than this is a wrong clock."""


class Verdict(StrEnum):
    NOT_YET = "not yet"
    DUE = "due"
    SENT = "sent"
    UNAPPROVED = "unapproved"
    """It is due, and nobody has approved it."""
    TOO_SOON = "too soon"
    """It is due, but the last one went out less than the minimum gap ago."""
    MISSED = "missed"
    """Its time to be sent by itself is over; `newsletter send` still may, within the month."""
    CLOCK = "clock"
    """The clock stands before something that has happened already: it is wrong, or was."""


@dataclass(frozen=True, slots=True)
class Rules:
    """`[month]` and the zone it is counted in."""

    month: Month
    zone: ZoneInfo

    def due(self, period: Period) -> dt.datetime:
        """Aware, UTC."""
        return period.due(self.month.day, self.month.time, self.zone)

    def until(self, period: Period, free: dt.datetime | None = None) -> dt.datetime:
        """When `period` is not sent by itself any more; `free`: when the minimum gap is over. UTC."""
        begins = max(self.due(period), free or self.due(period))
        end = begins + dt.timedelta(days=self.month.catch_up_days)
        return min(end, period.ends(self.zone))

    def local(self, moment: dt.datetime) -> str:
        """ "2026-12-01 09:00 (Europe/Berlin)"."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone.key})"

    def moved(self, period: Period) -> bool:
        """Whether the clock skips the due time that day, so that it is due right after the skip."""
        return f"{self.due(period).astimezone(self.zone):%H:%M}" != self.month.time


@dataclass(frozen=True, slots=True)
class Last:
    """The issue that was opened last, by this database or by one it was restored from."""

    period: str
    opened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for the month that `now` falls into, and the sentence that says so."""

    verdict: Verdict
    period: Period
    due_at: dt.datetime
    sentence: str


def is_behind(now: dt.datetime, latest: dt.datetime | None) -> bool:
    """Whether the clock stands before `latest`, the last event that is known, by more than it may."""
    return latest is not None and now < latest - CLOCK_MAY_BE_BACK


def decide(
    now: dt.datetime,
    rules: Rules,
    last: Last | None,
    *,
    approved: bool,
    latest: dt.datetime | None = None,
) -> Decision:
    """Whether this month's issue is sent by itself at `now` (aware); `latest`: the last event known."""
    period = calendar.at(now, rules.zone)
    due = rules.due(period)
    verdict = _verdict(now, rules, period, last, latest, approved)
    sentence = _sentence(verdict, now, rules, period, last, latest)
    return Decision(verdict, period, due, sentence)


def _verdict(
    now: dt.datetime,
    rules: Rules,
    period: Period,
    last: Last | None,
    latest: dt.datetime | None,
    approved: bool,
) -> Verdict:
    due, free = rules.due(period), _free(rules, last)
    if is_behind(now, latest):
        return Verdict.CLOCK
    if last is not None and last.period >= str(period):
        return Verdict.SENT
    if now < due:
        return Verdict.NOT_YET
    # At the window's very end it still is; `until` may also be the end of the month, which is outside.
    if now > rules.until(period, free):
        return Verdict.MISSED
    if not approved:
        return Verdict.UNAPPROVED
    if free is not None and now < free:
        return Verdict.TOO_SOON
    return Verdict.DUE


def _sentence(
    verdict: Verdict,
    now: dt.datetime,
    rules: Rules,
    period: Period,
    last: Last | None,
    latest: dt.datetime | None,
) -> str:
    when, free = rules.local(rules.due(period)), _free(rules, last)
    match verdict:
        case Verdict.CLOCK:
            assert latest is not None
            return (
                f"the clock says {rules.local(now)}, but mail was sent at {rules.local(latest)}: "
                "nothing is sent until the clock is right"
            )
        case Verdict.SENT:
            assert last is not None
            return f"{last.period} was opened on {rules.local(last.opened_at)}"
        case Verdict.NOT_YET:
            before = period.previous()
            skipped = last is not None and last.period < str(before)
            return f"{period} is due on {when}" + (f"; {before} was not sent" if skipped else "")
        case Verdict.MISSED:
            return (
                f"{period} was due on {when}, was to be sent by {rules.local(rules.until(period, free))}, "
                f"and is not sent by itself any more; `newsletter send {period}` still sends it this month"
            )
        case Verdict.UNAPPROVED:
            return f"{period} was due on {when} and is not approved, so it is not sent"
        case Verdict.TOO_SOON:
            assert last is not None
            assert free is not None
            return (
                f"{period} waits until {rules.local(free)}: {last.period} went out less than "
                f"{rules.month.minimum_gap_days} days before"
            )
        case Verdict.DUE:
            return f"{period} is due since {when}"
        case _:
            assert_never(verdict)


def free_after(rules: Rules, last: Last) -> dt.datetime:
    """When the minimum gap after the last issue is over."""
    return last.opened_at + dt.timedelta(days=rules.month.minimum_gap_days)


def _free(rules: Rules, last: Last | None) -> dt.datetime | None:
    return free_after(rules, last) if last else None


def year(rules: Rules, number: int) -> tuple[tuple[Period, dt.datetime], ...]:
    """The twelve due moments of a year, aware, UTC."""
    periods = (Period(number, month) for month in range(1, 13))
    return tuple((period, rules.due(period)) for period in periods)
