"""Is it due? Zones, summer time, catching up, gaps, and clocks that jump."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.config import ORDINALS, WEEKDAYS, Month
from newsletter.issue.period import Period
from newsletter.schedule.month import Last, Rules, Verdict, decide, year

BERLIN = Rules(Month(day=1, time="09:00"), ZoneInfo("Europe/Berlin"))


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        (utc(2026, 11, 30, 22, 59), Verdict.MISSED),  # still November in Berlin
        (utc(2026, 11, 30, 23, 0), Verdict.NOT_YET),
        (utc(2026, 12, 1, 7, 59), Verdict.NOT_YET),
        (utc(2026, 12, 1, 8, 0), Verdict.DUE),
        (utc(2026, 12, 7, 8, 0), Verdict.DUE),
        (utc(2026, 12, 7, 8, 1), Verdict.MISSED),
    ],
)
def test_due_from_the_due_moment_until_catching_up_ends(now: dt.datetime, verdict: Verdict) -> None:
    assert decide(now, BERLIN, None, approved=True).verdict is verdict


def test_an_unapproved_issue_is_not_due_and_the_sentence_says_why() -> None:
    found = decide(utc(2026, 12, 1, 9), BERLIN, None, approved=False)
    assert found.verdict is Verdict.UNAPPROVED
    assert found.sentence == (
        "2026-12 was due on 2026-12-01 09:00 (Europe/Berlin) and is not approved, so it is not sent"
    )


def test_sent_is_sent_for_the_rest_of_the_month() -> None:
    last = Last("2026-12", utc(2026, 12, 1, 8))
    for day in range(1, 31):
        now = utc(2026, 12, day, 12)
        assert decide(now, BERLIN, last, approved=True).verdict is Verdict.SENT


def test_the_gap_holds_a_due_issue_back_and_then_lets_it_go() -> None:
    last = Last("2026-11", utc(2026, 11, 20, 8))
    early = decide(utc(2026, 12, 1, 9), BERLIN, last, approved=True)
    assert early.verdict is Verdict.TOO_SOON
    assert "2026-12-04 09:00" in early.sentence
    assert decide(utc(2026, 12, 4, 8), BERLIN, last, approved=True).verdict is Verdict.DUE


def test_a_clock_that_was_set_back_sends_nothing_twice() -> None:
    last = Last("2026-12", utc(2026, 12, 1, 8))
    for now in (utc(2026, 11, 1, 9), utc(2025, 12, 1, 9), utc(2026, 12, 1, 7)):
        assert decide(now, BERLIN, last, approved=True).verdict is Verdict.SENT


def test_a_clock_before_the_last_event_sends_nothing_until_it_is_right_again() -> None:
    """Sent in October, then the clock falls back into September, whose issue nobody sent."""
    last, event = Last("2026-10", utc(2026, 10, 1, 7)), utc(2026, 10, 1, 7, 30)
    for verdict, now in (
        (Verdict.CLOCK, utc(2026, 9, 1, 8)),
        (Verdict.CLOCK, utc(2026, 10, 1, 7, 19)),
        (Verdict.SENT, utc(2026, 10, 1, 7, 20)),  # ten minutes are nothing
        (Verdict.DUE, utc(2026, 11, 1, 9)),
    ):
        assert decide(now, BERLIN, last, approved=True, latest=event).verdict is verdict
    said = decide(utc(2026, 9, 1, 8), BERLIN, last, approved=True, latest=event).sentence
    assert (
        "the clock says 2026-09-01 10:00 (Europe/Berlin), but mail was sent at 2026-10-01" in said
    )


def test_catching_up_ends_with_the_month() -> None:
    rules = Rules(Month(day="last", time="23:00", catch_up_days=6), ZoneInfo("Europe/Berlin"))
    november = Period(2026, 11)
    assert rules.until(november) == utc(2026, 11, 30, 23)
    assert decide(utc(2026, 11, 30, 22, 59), rules, None, approved=True).verdict is Verdict.DUE
    late = decide(
        utc(2026, 11, 30, 23, 1), rules, Last("2026-10", utc(2026, 10, 31, 22)), approved=True
    )
    assert late.verdict is Verdict.NOT_YET
    assert late.sentence == (
        "2026-12 is due on 2026-12-31 23:00 (Europe/Berlin); 2026-11 was not sent"
    )


def test_an_issue_that_the_gap_held_back_still_has_its_days_to_be_sent() -> None:
    """November went out by hand on the 30th: December may go from the 14th, for six days."""
    last = Last("2026-11", utc(2026, 11, 30, 9))
    assert decide(utc(2026, 12, 13, 9), BERLIN, last, approved=True).verdict is Verdict.TOO_SOON
    assert decide(utc(2026, 12, 14, 9), BERLIN, last, approved=True).verdict is Verdict.DUE
    assert decide(utc(2026, 12, 20, 9), BERLIN, last, approved=True).verdict is Verdict.DUE
    assert decide(utc(2026, 12, 20, 10), BERLIN, last, approved=True).verdict is Verdict.MISSED


@pytest.mark.parametrize(
    ("rules", "period", "due"),
    [
        # 02:30 does not exist on 28 March 2027 in Berlin: the clocks go from 2 to 3, and it is due at 3
        (Rules(Month(day=28, time="02:30"), ZoneInfo("Europe/Berlin")), Period(2027, 3), (1, 0)),
        # 02:30 comes twice on 25 October 2026: the first is meant
        (Rules(Month(day=25, time="02:30"), ZoneInfo("Europe/Berlin")), Period(2026, 10), (0, 30)),
    ],
)
def test_an_hour_that_is_missing_or_comes_twice_is_due_once(
    rules: Rules, period: Period, due: tuple[int, int]
) -> None:
    moment = rules.due(period)
    assert (moment.hour, moment.minute) == due
    before, after = moment - dt.timedelta(minutes=1), moment + dt.timedelta(hours=1)
    assert decide(before, rules, None, approved=True).verdict is Verdict.NOT_YET
    assert decide(moment, rules, None, approved=True).verdict is Verdict.DUE
    sent = Last(str(period), moment)
    assert decide(after, rules, sent, approved=True).verdict is Verdict.SENT


def test_a_year_has_twelve_due_moments_in_their_own_months() -> None:
    found = year(BERLIN, 2027)
    assert [str(period) for period, _ in found] == [f"2027-{month:02d}" for month in range(1, 13)]
    assert [due.hour for _, due in found] == [8, 8, 8, 7, 7, 7, 7, 7, 7, 7, 8, 8]


DAY_RULES = [*range(1, 29), "last", *(f"{each} {day}" for each in ORDINALS for day in WEEKDAYS)]
ZONES = ["Europe/Berlin", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Africa/Casablanca", "UTC"]


@given(
    st.sampled_from(ZONES),
    st.sampled_from(DAY_RULES),
    st.integers(0, 27),
    st.lists(st.integers(-40 * 24, 90 * 24), min_size=1, max_size=40),
)
def test_whatever_the_clock_does_no_month_is_sent_twice(
    zone: str, day: int | str, gap: int, hours: list[int]
) -> None:
    """A scheduler that ticks at any hours, in any order, and sends whatever is due."""
    rules = Rules(Month(day=day, minimum_gap_days=gap), ZoneInfo(zone))
    start = utc(2026, 11, 15)
    last: Last | None = None
    sent: list[Last] = []
    for hour in hours:
        now = start + dt.timedelta(hours=hour)
        found = decide(now, rules, last, approved=True)
        if found.verdict is Verdict.DUE:
            assert now >= found.due_at
            assert str(found.period) == now.astimezone(rules.zone).strftime("%Y-%m")
            last = Last(str(found.period), now)
            sent.append(last)
    periods = [each.period for each in sent]
    assert periods == sorted(set(periods))
    for one, following in pairwise(sent):
        assert following.opened_at - one.opened_at >= dt.timedelta(days=gap)
