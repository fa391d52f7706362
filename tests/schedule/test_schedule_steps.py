"""A clock that somebody sets while we run, against the time since boot."""

from __future__ import annotations

import datetime as dt

import pytest

from newsletter.errors import CouldNotRun
from newsletter.schedule.steps import Steps

START = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)


class Machine:
    """`passes` is time; `off_by` what the clock shows too much."""

    def __init__(self) -> None:
        self.passed = self.off_by = dt.timedelta()
        self.steps = Steps(self.clock, lambda: 5000.0 + self.passed.total_seconds())

    def clock(self) -> dt.datetime:
        return START + self.passed + self.off_by

    def refuses(self) -> str:
        """The sentence; "" when it goes on."""
        try:
            self.steps.insist()
        except CouldNotRun as held:
            return f"{held.findings[0].code} {held.findings[0].what}"
        return ""


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_time_that_passes_is_no_step_however_long(machine: Machine) -> None:
    for pause in (MINUTE, 9 * HOUR, 300 * DAY):  # a machine that slept for most of a year
        machine.passed += pause
        assert machine.refuses() == ""


def test_a_clock_that_drifts_is_followed(machine: Machine) -> None:
    for _ in range(200):
        machine.passed += DAY
        machine.off_by += MINUTE  # three hours in two hundred days
        assert machine.refuses() == ""


@pytest.mark.parametrize(
    ("step", "said"), [(11 * MINUTE, "11 minutes"), (5 * HOUR, "5 hours"), (9 * DAY, "9 days")]
)
def test_a_step_forward_is_waited_out_for_an_hour(
    machine: Machine, step: dt.timedelta, said: str
) -> None:
    machine.off_by = step
    for _ in range(60):
        assert machine.refuses() == f"NL712 the clock was set forward by {said} at once"
        machine.passed += MINUTE
    assert machine.refuses() == "", "by now it is taken for right"
    machine.passed += DAY
    assert machine.refuses() == ""


def test_a_step_that_is_taken_back_ends_the_wait(machine: Machine) -> None:
    machine.off_by = DAY
    assert machine.refuses()
    machine.off_by = dt.timedelta()
    assert machine.refuses() == ""
    machine.off_by = DAY
    machine.passed += 59 * MINUTE
    assert machine.refuses(), "and a new one begins a new hour"
    machine.passed += 59 * MINUTE
    assert machine.refuses()


def test_a_clock_that_is_set_back_and_right_again_is_not_held(machine: Machine) -> None:
    machine.off_by = -30 * DAY
    assert machine.refuses() == ""
    machine.passed += HOUR
    machine.off_by = dt.timedelta()
    assert machine.refuses() == ""


def test_steady_is_the_clock_until_it_is_set(machine: Machine) -> None:
    machine.passed = HOUR
    machine.off_by = 5 * MINUTE
    assert machine.steps.steady() == machine.clock()
    for jump in (9 * DAY, -9 * DAY):
        machine.off_by = jump
        assert machine.steps.steady() == START + HOUR
