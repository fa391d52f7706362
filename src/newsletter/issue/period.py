"""A Period: the calendar month an issue stands for, and when it is due. Pure.

The month is the reader's month: it is counted in the publication's zone, and
the due moment is a wall-clock time there. What is due is decided elsewhere
(schedule); this is only the calendar.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from newsletter.config import ORDINALS, WEEKDAYS, Settings
from newsletter.errors import CouldNotRun, Finding

SECOND = dt.timedelta(seconds=1)
"""The tz database knows no finer skip."""
DAYS = len(WEEKDAYS)


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """One month, 0001-01 to 9999-12; sorts by time."""

    year: int
    month: int

    def __post_init__(self) -> None:
        if not (1 <= self.year <= 9999 and 1 <= self.month <= 12):
            raise ValueError(f"no such month: {self.year}-{self.month}")

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def first_day(self) -> dt.date:
        return dt.date(self.year, self.month, 1)

    def following(self) -> Period:
        return Period(self.year + self.month // 12, self.month % 12 + 1)

    def previous(self) -> Period:
        return Period(self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def on(self, rule: int | str) -> dt.date:
        """The day that a rule of `[month]` means: 1 to 28, "last", "first tuesday", "last monday"."""
        if isinstance(rule, int):
            return dt.date(self.year, self.month, rule)
        first, length = calendar.monthrange(self.year, self.month)
        ordinal, _, weekday = rule.partition(" ")
        if not weekday:
            return dt.date(self.year, self.month, length)
        days = range(1 + (WEEKDAYS.index(weekday) - first) % DAYS, length + 1, DAYS)
        return dt.date(
            self.year, self.month, days[-1 if ordinal == "last" else ORDINALS.index(ordinal)]
        )

    def due(self, day: int | str, time: str, zone: ZoneInfo) -> dt.datetime:
        """The due moment, in UTC: `time` ("09:00") on the day that `day` means, in `zone`.

        A time that the clock skips is the first instant after the skip; a time
        that comes twice is the first of the two. It is always in this month: a
        skip over the end of the month (Kiritimati left out 31 December 1994)
        makes it the last second before.
        """
        hour, minute = map(int, time.split(":"))
        moment = instant(dt.datetime.combine(self.on(day), dt.time(hour, minute)), zone)
        return moment if at(moment, zone) == self else moment - SECOND

    def ends(self, zone: ZoneInfo) -> dt.datetime:
        """The first instant of the next month in `zone`, in UTC."""
        return instant(dt.datetime.combine(self.following().first_day, dt.time()), zone)


def instant(local: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    """The first instant, in UTC, at which clocks in `zone` show `local` (naive) or have skipped it."""
    before = local.replace(tzinfo=zone)
    moment = before.astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == local:
        return moment
    # In a skip: read with the offset after it, the time lies before the skip;
    # read with the offset before it, behind. The skip's end is in between.
    early, late = before.replace(fold=1).astimezone(dt.UTC), moment
    while late - early > SECOND:
        middle = early + (late - early) // 2 // SECOND * SECOND
        if middle.astimezone(zone).replace(tzinfo=None) > local:
            late = middle
        else:
            early = middle
    return late


def parse(text: str) -> Period | None:
    """`2026-12` as a Period; None for anything else."""
    found = re.fullmatch(r"(\d{4})-(\d{2})", text, re.ASCII)
    try:
        return Period(int(found[1]), int(found[2])) if found else None
    except ValueError:
        return None


def read(text: str) -> Period:
    """As `parse`, for what a person typed.

    Raises:
        CouldNotRun: NL450, when it is no month.
    """
    period = parse(text)
    if period is None:
        raise CouldNotRun(
            Finding(
                "NL450",
                f"`{text[:40]}` is no month",
                help="write the year and the month with two digits: 2026-12",
            )
        )
    return period


def at(moment: dt.datetime, zone: ZoneInfo) -> Period:
    """The period that `moment` (aware) falls into, in `zone`."""
    local = moment.astimezone(zone)
    return Period(local.year, local.month)


def due(settings: Settings, period: Period) -> dt.datetime:
    """The period's due moment by the publication's own `[month]`, aware, UTC."""
    month = settings.month
    return period.due(month.day, month.time, settings.publication.time_zone)
