"""The due moment in every zone there is, over twenty years: once a month, in the month, as the clock there says."""

from __future__ import annotations

import datetime as dt
import itertools
import zoneinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from newsletter.config import ORDINALS, WEEKDAYS, Month
from newsletter.issue.period import Period, at, instant
from newsletter.schedule.month import Last, Rules, Verdict, decide

FIRST_YEAR, YEARS = 2011, 20
"""From the year in which Samoa left out a Friday to well beyond the zones' announced changes."""
SECOND, MINUTE = dt.timedelta(seconds=1), dt.timedelta(minutes=1)
DAY_RULES = [*range(1, 29), "last", *(f"{each} {day}" for each in ORDINALS for day in WEEKDAYS)]
TIMES = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in (0, 1, 30, 59)]


def _zones() -> dict[str, ZoneInfo]:
    """Every zone of the machine, those with the same clock once."""
    found: dict[bytes, str] = {}
    for name in sorted(zoneinfo.available_timezones()):
        path = next(
            (Path(folder) / name for folder in zoneinfo.TZPATH if (Path(folder) / name).is_file()),
            None,
        )
        found.setdefault(path.read_bytes() if path else name.encode(), name)
    return {name: ZoneInfo(name) for name in found.values()}


ZONES = _zones()
SWEPT = [(1, "00:00"), ("last", "23:59"), ("last sunday", "02:30")]
"""The ends of the month, and the Sunday on which most clocks are changed."""


def _check(period: Period, day: int | str, time: str, zone: ZoneInfo) -> dt.datetime:
    due = period.due(day, time, zone)
    assert at(due, zone) == period, (period, day, time, zone)
    shown = due.astimezone(zone).replace(tzinfo=None)
    hour, minute = map(int, time.split(":"))
    wanted = dt.datetime.combine(period.on(day), dt.time(hour, minute))
    if shown == wanted:
        # Of two such moments it is the first.
        assert (due - dt.timedelta(hours=1)).astimezone(zone).replace(tzinfo=None) != wanted
    else:
        # The clock skips the time: a second before, it showed less.
        before = (due - SECOND).astimezone(zone).replace(tzinfo=None)
        after = (due + SECOND).astimezone(zone).replace(tzinfo=None)
        assert before < wanted < max(shown, after), (period, day, time, zone)
    return due


def test_each_month_of_twenty_years_has_one_due_moment_in_every_zone() -> None:
    assert len(ZONES) > 300
    for zone in ZONES.values():
        for day, time in SWEPT:
            moments = [
                _check(Period(year, month), day, time, zone)
                for year in range(FIRST_YEAR, FIRST_YEAR + YEARS)
                for month in range(1, 13)
            ]
            assert all(one < next_ for one, next_ in itertools.pairwise(moments))


@given(
    st.sampled_from(sorted(ZONES)),
    st.integers(1970, 2100),
    st.integers(1, 12),
    st.sampled_from(DAY_RULES),
    st.sampled_from(TIMES),
)
def test_any_rule_in_any_zone_and_year(
    zone: str, year: int, month: int, day: int | str, time: str
) -> None:
    due = _check(Period(year, month), day, time, ZONES[zone])
    rules = Rules(Month(day=day, time=time), ZONES[zone])
    assert decide(due, rules, None, approved=True).verdict is Verdict.DUE
    early = decide(due - SECOND, rules, None, approved=True)
    assert early.period != Period(year, month) or early.verdict is Verdict.NOT_YET
    assert due <= rules.until(Period(year, month)) <= due + dt.timedelta(days=6)


@given(
    st.sampled_from(sorted(ZONES)),
    st.sampled_from(DAY_RULES),
    st.sampled_from(TIMES),
    st.integers(0, 27),
    st.integers(0, 27),
    st.integers(0, 11),
    st.lists(st.integers(0, 26 * 60), min_size=3 * 31, max_size=3 * 31),
)
def test_whoever_ticks_daily_sends_each_month_once(
    zone: str, day: int | str, time: str, gap: int, catch_up: int, start: int, minutes: list[int]
) -> None:
    """Never off for more than a day (26 hours), and at least one tick in the window: one issue a month."""
    rules = Rules(
        Month(day=day, time=time, minimum_gap_days=gap, catch_up_days=catch_up), ZONES[zone]
    )
    now = dt.datetime(2026 + start // 12, start % 12 + 1, 1, tzinfo=dt.UTC)
    last, sent, was_up = None, [], set()
    for pause in minutes:
        now += pause * MINUTE
        for _ in range(2):  # asked twice, it is answered twice, and sent once
            found = decide(now, rules, last, approved=True, latest=last and last.opened_at)
            free = last.opened_at + dt.timedelta(days=gap) if last else found.due_at
            if max(found.due_at, free) <= now <= rules.until(found.period, free):
                was_up.add(str(found.period))
            if found.verdict is Verdict.DUE:
                last = Last(str(found.period), now)
                sent.append(str(found.period))
    assert sent == sorted(set(sent))
    assert was_up <= set(sent), "somebody was up within the window"


@pytest.mark.parametrize(
    ("rule", "period", "day"),
    [
        (1, Period(2026, 12), 1),
        ("last", Period(2028, 2), 29),
        ("last", Period(2027, 2), 28),
        ("first tuesday", Period(2026, 12), 1),
        ("first monday", Period(2026, 12), 7),
        ("second tuesday", Period(2026, 12), 8),
        ("fourth friday", Period(2026, 12), 25),
        ("last monday", Period(2026, 12), 28),
        ("last thursday", Period(2026, 12), 31),
        ("last sunday", Period(2026, 11), 29),
    ],
)
def test_a_day_rule_means_one_day(rule: int | str, period: Period, day: int) -> None:
    assert period.on(rule).day == day


@pytest.mark.parametrize(
    ("written", "read"),
    [(7, 7), ("28", 28), ("Last", "last"), ("First  Tuesday", "first tuesday")],
)
def test_a_day_rule_is_read_as_people_write_it(written: object, read: object) -> None:
    assert Month(day=written).day == read  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong", [0, 29, 31, -1, True, 1.5, "", "tuesday", "fifth friday", "29", "last day"]
)
def test_a_day_that_not_every_month_has_is_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="first tuesday"):
        Month(day=wrong)  # type: ignore[arg-type]


def test_a_day_that_the_zone_left_out_is_due_right_after_it_or_right_before() -> None:
    """Samoa had no 30 December 2011, Kiritimati no 31 December 1994: there the month would be over."""
    samoa, kiritimati = ZoneInfo("Pacific/Apia"), ZoneInfo("Pacific/Kiritimati")
    after = Period(2011, 12).due("last friday", "09:00", samoa).astimezone(samoa)
    before = Period(1994, 12).due("last", "09:00", kiritimati).astimezone(kiritimati)
    assert f"{after:%Y-%m-%d %H:%M:%S}" == "2011-12-31 00:00:00"
    assert f"{before:%Y-%m-%d %H:%M:%S}" == "1994-12-30 23:59:59"


@pytest.mark.parametrize(
    ("zone", "local", "utc"),
    [
        ("Europe/Berlin", "2027-03-28 02:00", "2027-03-28 01:00"),  # skipped: 2 becomes 3
        ("Europe/Berlin", "2027-03-28 02:59", "2027-03-28 01:00"),
        ("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30"),  # twice: the first
        ("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03 15:30"),  # half an hour is skipped
        ("America/St_Johns", "2009-11-01 00:00", "2009-11-01 02:30"),  # goes back a minute later
        ("Africa/Casablanca", "2027-03-14 02:30", "2027-03-14 02:00"),  # in its own Ramadan order
    ],
)
def test_skips_and_doubles_of_real_zones(zone: str, local: str, utc: str) -> None:
    found = instant(dt.datetime.fromisoformat(local), ZoneInfo(zone))
    assert found == dt.datetime.fromisoformat(f"{utc}+00:00")
