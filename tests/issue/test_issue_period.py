"""The calendar of issues."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from newsletter.errors import CouldNotRun
from newsletter.issue.period import Period, at, parse, read

BERLIN = ZoneInfo("Europe/Berlin")
periods = st.builds(Period, st.integers(2, 9998), st.integers(1, 12))


@hypothesis_settings(deadline=None)
@given(periods)
def test_a_period_reads_back_what_it_prints(period: Period) -> None:
    assert parse(str(period)) == period


@hypothesis_settings(deadline=None)
@given(periods)
def test_the_month_after_the_month_before_is_this_month(period: Period) -> None:
    assert period.previous().following() == period
    assert period.previous() < period < period.following()


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "26-12", "2026-1", "2026-12 ", "٢٠٢٦-١٢"]
)
def test_what_is_no_month_is_refused_with_the_way_to_write_one(text: str) -> None:
    assert parse(text) is None
    with pytest.raises(CouldNotRun) as caught:
        read(text)
    assert caught.value.findings[0].code == "NL450"
    assert "2026-12" in caught.value.findings[0].help


def test_due_is_the_publications_wall_clock() -> None:
    assert Period(2026, 12).due(1, "09:00", BERLIN) == dt.datetime(2026, 12, 1, 8, tzinfo=dt.UTC)
    assert Period(2026, 7).due(1, "09:00", BERLIN) == dt.datetime(2026, 7, 1, 7, tzinfo=dt.UTC)


def test_due_in_the_skipped_hour_is_after_the_skip_and_in_the_doubled_hour_the_first() -> None:
    vienna = ZoneInfo("Europe/Vienna")
    # 2027-03-28 02:30 does not exist; 2027-10-31 is past day 28, so 2028-03-26 and a zone
    # that goes back early in the month are taken.
    assert Period(2028, 3).due(26, "02:30", vienna) == dt.datetime(2028, 3, 26, 1, 0, tzinfo=dt.UTC)
    new_york = ZoneInfo("America/New_York")
    assert Period(2026, 11).due(1, "01:30", new_york) == dt.datetime(
        2026, 11, 1, 5, 30, tzinfo=dt.UTC
    )


def test_the_month_turns_over_in_the_publications_zone() -> None:
    moment = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.UTC)
    assert at(moment, BERLIN) == Period(2026, 12)
    assert at(moment, ZoneInfo("UTC")) == Period(2026, 11)
