"""Is an issue due? A pure decision: values in, a value with its sentence out.

    now, [month], zone, last issue, approved?  ->  Decision

The scheduler only ticks; what is sent is decided here and made law by the
database (UNIQUE(period), see delivery/ledger/opening.py). Nothing is
remembered: a restart, a clock that jumps or a second scheduler asks the same
question again and gets the same answer.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum
from zoneinfo import ZoneInfo

from newsletter.config import Month
from newsletter.issue import period as calendar
from newsletter.issue.period import Period


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


@dataclass(frozen=True, slots=True)
class Rules:
    """`[month]` and the zone it is counted in."""

    month: Month
    zone: ZoneInfo

    def due(self, period: Period) -> dt.datetime:
        """Aware, UTC."""
        return period.due(self.month.day, self.month.time, self.zone)

    def local(self, moment: dt.datetime) -> str:
        """ "2026-12-01 09:00 (Europe/Berlin)"."""
        return f"{moment.astimezone(self.zone):%Y-%m-%d %H:%M} ({self.zone.key})"


@dataclass(frozen=True, slots=True)
class Last:
    """The issue that was opened last."""

    period: str
    opened_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What holds for the month that `now` falls into, and the sentence that says so."""

    verdict: Verdict
    period: Period
    due_at: dt.datetime
    sentence: str


def decide(now: dt.datetime, rules: Rules, last: Last | None, *, approved: bool) -> Decision:
    """Whether this month's issue is sent by itself at `now` (aware)."""
    period = calendar.at(now, rules.zone)
    due = rules.due(period)
    when = rules.local(due)
    if last is not None and last.period >= str(period):
        sent = rules.local(last.opened_at)
        verdict, sentence = Verdict.SENT, f"{last.period} was sent on {sent}"
    elif now < due:
        verdict, sentence = Verdict.NOT_YET, f"{period} is due on {when}"
    elif now > due + dt.timedelta(days=rules.month.catch_up_days):
        verdict = Verdict.MISSED
        sentence = (
            f"{period} was due on {when}, more than {rules.month.catch_up_days} days ago, "
            f"and is not sent by itself any more; `newsletter send {period}` still sends it this month"
        )
    elif not approved:
        verdict = Verdict.UNAPPROVED
        sentence = f"{period} was due on {when} and is not approved, so it is not sent"
    elif last is not None and now < (free := _free(rules, last)):
        verdict = Verdict.TOO_SOON
        sentence = (
            f"{period} waits until {rules.local(free)}: {last.period} went out less than "
            f"{rules.month.minimum_gap_days} days before"
        )
    else:
        verdict, sentence = Verdict.DUE, f"{period} is due since {when}"
    return Decision(verdict, period, due, sentence)


def _free(rules: Rules, last: Last) -> dt.datetime:
    return last.opened_at + dt.timedelta(days=rules.month.minimum_gap_days)


def year(rules: Rules, number: int) -> tuple[tuple[Period, dt.datetime], ...]:
    """The twelve due moments of a year, aware, UTC."""
    periods = (Period(number, month) for month in range(1, 13))
    return tuple((period, rules.due(period)) for period in periods)
