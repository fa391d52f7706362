"""The table from code and history to suppression, row by row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from newsletter.delivery.feedback.applying import FRESH
from newsletter.delivery.feedback.verdict import (
    GONE_CODES,
    GONE_STATUS,
    IN_A_ROW,
    Past,
    Weight,
    condemns,
    past,
    read_reason,
    reason,
    weigh,
)
from newsletter.delivery.states import State

GONE, STRIKE, OURS = Weight.GONE, Weight.STRIKE, Weight.OURS

ROWS = [
    # a mailbox or a domain that is not there
    (550, "5.1.1", GONE),
    (None, "5.1.1", GONE),
    (550, "5.1.2", GONE),
    (553, "5.1.3", GONE),
    (550, "5.1.6", GONE),
    (556, "5.1.10", GONE),
    (550, "5.2.1", GONE),
    # the bare codes
    (550, None, GONE),
    (551, None, GONE),
    (553, None, GONE),
    (521, None, GONE),
    (556, None, GONE),
    (550, "5.0.0", GONE),
    # about us: before the bare 550
    (550, "5.7.1", OURS),
    (550, "5.7.26", OURS),
    (421, "4.7.0", OURS),
    (554, "5.6.0", OURS),
    (552, "5.3.4", OURS),
    (552, "5.2.3", OURS),
    (501, "5.5.4", OURS),
    (550, "5.1.8", OURS),
    # a mailbox that did not take this one
    (552, "5.2.2", STRIKE),
    (452, "4.2.2", STRIKE),
    (None, "4.2.2", STRIKE),
    (450, "4.2.0", STRIKE),
    (450, None, STRIKE),
    (None, "4.4.1", STRIKE),
    (554, None, STRIKE),
    (552, None, STRIKE),
    (554, "5.4.4", STRIKE),
    (550, "5.4.1", STRIKE),
    (None, None, STRIKE),
    # the two disagree: do not give up
    (450, "5.1.1", STRIKE),
    (550, "4.1.1", STRIKE),
]


@pytest.mark.parametrize(("code", "enhanced", "weight"), ROWS)
def test_what_a_failure_says_about_a_mailbox(
    code: int | None, enhanced: str | None, weight: Weight
) -> None:
    assert weigh(code, enhanced) is weight


@pytest.mark.parametrize(("code", "enhanced", "weight"), ROWS)
def test_whoever_says_blocked_speaks_of_us(
    code: int | None, enhanced: str | None, weight: Weight
) -> None:
    assert weigh(code, enhanced, blocked=True) is OURS


F, T, S = Past.FAILED, Past.TAKEN, Past.SILENT


@pytest.mark.parametrize(
    ("weight", "history", "suppressed"),
    [
        (GONE, [F], True),
        (GONE, [T, F], True),
        (OURS, [F] * 9, False),
        (STRIKE, [F], False),
        (STRIKE, [F, F], False),
        (STRIKE, [F, F, F], True),
        (STRIKE, [F, F, T, F], False),
        (STRIKE, [T, F, F, F], False),
        (STRIKE, [F, S, F, S, S, F], True),
        (STRIKE, [F, F, S], False),
    ],
)
def test_who_is_suppressed(weight: Weight, history: list[Past], suppressed: bool) -> None:
    assert condemns(weight, history) is suppressed


def test_a_full_mailbox_is_tried_for_three_issues() -> None:
    assert IN_A_ROW == 3


@pytest.mark.parametrize(
    ("state", "why", "said"),
    [
        (State.ACCEPTED, None, T),
        (State.COMPLAINED, "complaint", T),
        (State.BOUNCED, "report 552 5.2.2", F),
        (State.BOUNCED, "report", F),
        (State.BOUNCED, "report 550 5.7.1", S),
        (State.BOUNCED, "blocked 550", S),
        (State.REJECTED, "rcpt 550 5.1.1", F),
        (State.REJECTED, "terminator 552", F),
        (State.REJECTED, "rcpt 550 5.7.1", S),
        (State.REJECTED, "expired", S),
        (State.REJECTED, "resolved by the operator", S),
        (State.IN_DOUBT, None, S),
        (State.EXCLUDED, "left", S),
        (State.QUEUED, None, S),
    ],
)
def test_what_an_earlier_issue_says(state: State, why: str | None, said: Past) -> None:
    assert past(state, why) is said


@pytest.mark.parametrize(
    ("code", "enhanced", "blocked"),
    [(550, "5.1.1", False), (None, "4.2.2", False), (554, None, True), (None, None, False)],
)
def test_a_reason_is_read_as_it_was_written(
    code: int | None,
    enhanced: str | None,
    blocked: bool,
) -> None:
    assert read_reason(reason(code, enhanced, blocked=blocked)) == (code, enhanced, blocked)


def test_the_page_names_every_status_and_code_that_suppresses_at_once() -> None:
    page = (Path(__file__).parents[2] / "docs/feedback.md").read_text("utf-8")
    (row,) = [line for line in page.splitlines() if "does not exist" in line]
    assert set(re.findall(r"\b5\.\d\.\d+", row)) == GONE_STATUS
    assert {int(code) for code in re.findall(r"(?<![.\d])5\d\d\b", row)} == GONE_CODES
    assert f"{FRESH.days} days" in page
