"""A Period: the calendar month an issue stands for, and when it is due. Pure.

The month is the reader's month: it is counted in the publication's zone, and
the due moment is a wall-clock time there. What is due is decided elsewhere
(schedule); this is only the calendar.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from newsletter.config import Settings
from newsletter.errors import CouldNotRun, Finding


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

    def due(self, day: int, time: str, zone: ZoneInfo) -> dt.datetime:
        """The due moment, in UTC: `time` ("09:00") on `day` (1 to 28) of this month in `zone`.

        A time that the clock skips in spring is the moment the skip ends plus
        the same minutes; a time that comes twice in autumn is the first.
        """
        hour, minute = map(int, time.split(":"))
        local = dt.datetime(self.year, self.month, day, hour, minute, tzinfo=zone)
        return local.astimezone(dt.UTC)


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
