"""When a deferred message is tried again: the steps, and the little more that spreads them."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery import ladder

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
MINUTES = (5, 15, 30, 60, 120, 240)


@given(st.text(min_size=1, max_size=80), st.integers(min_value=1, max_value=10_000))
def test_a_wait_is_never_shorter_than_its_step_and_at_most_a_quarter_longer(
    row: str, attempt: int
) -> None:
    step = dt.timedelta(minutes=MINUTES[min(attempt, 6) - 1])
    wait = ladder.next_try(NOW, attempt, row) - NOW
    assert step <= wait < 1.25 * step
    early = ladder.before_reader(NOW, attempt, row) - NOW
    assert dt.timedelta(minutes=1) <= early < dt.timedelta(seconds=75)


def test_the_same_row_and_try_wait_the_same_and_another_waits_otherwise() -> None:
    assert ladder.next_try(NOW, 1, "a" * 32) == ladder.next_try(NOW, 1, "a" * 32)
    assert ladder.next_try(NOW, 1, "a" * 32) != ladder.next_try(NOW, 1, "b" * 32)
    first = ladder.next_try(NOW, 6, "a" * 32)
    assert first != ladder.next_try(NOW, 7, "a" * 32)


def test_a_thousand_rows_that_were_deferred_together_come_back_apart() -> None:
    waits = [ladder.next_try(NOW, 1, f"{row:032x}") - NOW for row in range(1000)]
    quarter = dt.timedelta(seconds=75)
    slots = [int(10 * (wait - dt.timedelta(minutes=5)) / quarter) for wait in waits]
    assert all(70 <= slots.count(slot) <= 130 for slot in range(10))


def test_the_ladder_ends_after_five_days_or_with_the_local_month() -> None:
    from zoneinfo import ZoneInfo

    berlin = ZoneInfo("Europe/Berlin")
    assert ladder.closes_at(NOW, berlin) == NOW + dt.timedelta(days=5)
    late = dt.datetime(2026, 12, 30, 12, tzinfo=dt.UTC)
    assert ladder.closes_at(late, berlin) == dt.datetime(2026, 12, 31, 23, tzinfo=dt.UTC)
