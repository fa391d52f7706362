"""How fast the sender goes: the rate over time, and what it does when a server has had too much."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.tempo import CALLS, LONGEST, Tempo, slows_down

ENOUGH = Outcome(Kind.DEFERRED, Stage.MAIL, 421, "4.7.0", "4.7.0 too many connections")
TAKEN = Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250)


def begun(tempo: Tempo, seconds: float, step: float = 0.004, start: float = 0.0) -> list[float]:
    """When each message begins, for a sender that asks every `step` seconds and always wants 64."""
    moments: list[float] = []
    now = start
    while now < start + seconds:
        moments += [now] * tempo.grant(64, now)
        now += step
    return moments


@settings(deadline=None, max_examples=50)
@given(st.floats(0.5, 400), st.floats(0.005, 0.04))
def test_the_rate_is_exact_over_time_however_late_the_sender_wakes(
    rate: float, step: float
) -> None:
    moments = begun(Tempo(8, rate), 30, step)
    assert abs(len(moments) - 30 * rate) <= 1 + 0.1 * rate


@given(st.floats(1, 400), st.lists(st.floats(0.001, 3), min_size=5, max_size=60))
def test_no_second_holds_more_than_the_rate_and_what_may_be_caught_up(
    rate: float, pauses: list[float]
) -> None:
    tempo, now = Tempo(8, rate), 100.0
    moments: list[float] = []
    for pause in pauses:
        now += pause
        while granted := tempo.grant(64, now):
            moments += [now] * granted
    for first in moments:
        within = [moment for moment in moments if first <= moment < first + 1]
        assert len(within) <= rate * 1.05 + 2


def test_a_long_rest_makes_no_burst() -> None:
    tempo = Tempo(8, 100)
    begun(tempo, 1)
    assert tempo.grant(1000, 3600.0) <= 6


def test_without_a_rate_everything_wanted_is_granted() -> None:
    tempo = Tempo(8)
    assert tempo.grant(64, 1.0) == 64
    assert tempo.waits(1.0) == 0


def test_lanes_share_one_rate() -> None:
    tempo = Tempo(8, 10)
    both = sum(tempo.grant(1, now / 100) + tempo.grant(1, now / 100) for now in range(1000))
    assert 99 <= both <= 102


def test_each_too_much_halves_the_connections_until_one_then_puts_pauses_between() -> None:
    tempo = Tempo(8)
    found = []
    for at in range(12):
        now = 100.0 + 11 * at
        tempo.heed(ENOUGH, now)
        found.append((tempo.connections(now), round(tempo.waits(now))))
    assert found[:3] == [(4, 0), (2, 0), (1, 0)]
    assert found[3:] == [(1, wait) for wait in (1, 2, 4, 8, 16, 32, 64, 64, 64)]


def test_a_rate_is_halved_too() -> None:
    tempo = Tempo(4, 10)
    tempo.heed(ENOUGH, 100.0)
    assert 49 <= len(begun(tempo, 10, start=100.0)) <= 51
    assert tempo.connections(105.0) == 2


def test_what_every_line_says_at_once_counts_once() -> None:
    tempo = Tempo(8)
    for at in range(8):
        tempo.heed(ENOUGH, 100.0 + at)
    assert tempo.connections(108.0) == 4


def test_it_recovers_step_by_step_a_quiet_minute_each() -> None:
    tempo = Tempo(8, 80)
    for at in range(3):
        tempo.heed(ENOUGH, 100.0 + 11 * at)
    assert tempo.slowed(122.0) == ENOUGH
    assert [tempo.connections(122.0 + 61 * minutes) for minutes in range(5)] == [1, 2, 4, 8, 8]
    assert tempo.slowed(400.0) is None
    assert 78 <= len(begun(tempo, 1, start=400.0)) <= 84


def test_a_server_that_keeps_saying_it_is_not_sent_to_faster() -> None:
    tempo = Tempo(2)
    for at in range(200):
        tempo.heed(ENOUGH, 100.0 + 30 * at)
    assert tempo.connections(6070.0) == 1
    assert tempo.waits(6070.0) <= LONGEST


def test_what_other_mails_meet_slows_no_issue() -> None:
    """Anybody can have mails sent to names that make a server hang up."""
    tempo = Tempo(8, 80)
    for at in range(12):
        tempo.others.heed(ENOUGH, 100.0 + 11 * at)

    assert tempo.connections(222.0) == 8
    assert tempo.slowed(222.0) is None
    assert 78 <= len(begun(tempo, 1, start=222.0)) <= 84
    assert tempo.others.connections(222.0) == 1
    assert tempo.others.waits(222.0) > 30
    assert tempo.others.slowed(222.0) == ENOUGH


def test_what_an_issue_meets_slows_the_others_too() -> None:
    tempo = Tempo(8)
    for at in range(5):
        tempo.heed(ENOUGH, 100.0 + 11 * at)

    assert tempo.others.connections(145.0) == 1
    assert tempo.others.waits(145.0) == tempo.waits(145.0) > 0
    assert tempo.others.slowed(145.0) == ENOUGH


def test_other_mails_count_in_the_rate_of_all() -> None:
    tempo = Tempo(8, 10)
    both = sum(tempo.grant(1, now / 100) + tempo.others.grant(1, now / 100) for now in range(1000))

    assert 99 <= both <= 102


def test_a_flood_of_others_takes_a_quarter_of_the_rate_from_an_issue() -> None:
    tempo = Tempo(8, 20)
    tempo.keep_free(1)
    seats = tempo.sit(8, issue=True)
    others = issue = 0
    for now in range(10_000):
        others += tempo.others.grant(1, now / 100)
        issue += tempo.grant(1, now / 100)

    assert seats == 7
    assert 490 <= others <= 510
    assert 1480 <= issue <= 1510

    tempo.rise(seats, issue=True)
    assert sum(tempo.others.grant(1, 200 + now / 100) for now in range(10_000)) >= 1990


def test_an_issue_that_finds_no_seat_calls_whoever_has_the_only_one() -> None:
    """A flood of sign-ups that began before the issue was due would keep it for ever."""
    tempo = Tempo(1)
    assert tempo.others.sit(1, issue=False) == 1
    assert not tempo.others.is_called

    assert tempo.sit(1, issue=True) == 0
    assert tempo.others.is_called
    tempo.others.rise(1, issue=False)
    assert tempo.others.sit(1, issue=False) == 0

    assert tempo.sit(1, issue=True) == 1
    assert not tempo.others.is_called


def test_other_mails_find_a_seat_again_when_the_issue_does_not_come_back() -> None:
    tempo = Tempo(1)
    tempo.others.sit(1, issue=False)
    tempo.sit(1, issue=True)
    tempo.others.rise(1, issue=False)

    assert [tempo.others.sit(1, issue=False) for _ in range(CALLS + 1)] == [0] * CALLS + [1]


def test_success_alone_changes_nothing() -> None:
    tempo = Tempo(8)
    tempo.heed(TAKEN, 1.0)
    assert tempo.connections(1.0) == 8
    assert tempo.slowed(1.0) is None


@pytest.mark.parametrize(
    ("code", "enhanced", "reply", "slower"),
    [
        (421, None, "", True),
        (421, "4.7.28", "4.7.28 unusual rate", True),
        (450, "4.7.0", "4.7.0 …", True),
        (451, "4.3.2", "4.3.2 please try again later", True),
        (452, None, "too many connections", True),
        (451, None, "rate limit", True),
        (450, "4.7.1", "4.7.1 error too much mail from …", True),
        (451, "4.7.1", "4.7.1 sender rate …", True),
        (429, None, "too many requests", True),
        (451, "4.7.1", "4.7.1 greylisted", False),
        (450, "4.2.1", "4.2.1 mailbox busy", False),
        (452, "4.2.2", "4.2.2 mailbox full", False),
        (None, None, "timed out", False),
    ],
)
def test_which_replies_are_about_how_much_we_send(
    code: int | None, enhanced: str | None, reply: str, slower: bool
) -> None:
    outcome = Outcome(Kind.DEFERRED, Stage.RCPT, code, enhanced, reply)
    assert slows_down(outcome) is slower


def test_a_refusal_for_good_is_never_about_the_pace() -> None:
    assert not slows_down(Outcome(Kind.REJECTED, Stage.RCPT, 550, "4.7.0", "too many"))


# Seats


def test_no_two_loops_have_more_connections_than_there_may_be() -> None:
    tempo = Tempo(4)
    assert [tempo.sit(3, issue=True), tempo.sit(3, issue=False), tempo.sit(1, issue=True)] == [
        3,
        1,
        0,
    ]
    tempo.rise(3, issue=True)
    assert tempo.sit(8, issue=True) == 3


def test_an_issue_leaves_a_connection_to_notices_and_they_take_no_other() -> None:
    tempo = Tempo(4)
    tempo.keep_free(1)
    assert tempo.sit(8, issue=False) == 1
    assert tempo.sit(8, issue=True) == 3
    tempo = Tempo(4)
    tempo.keep_free(1)
    assert tempo.sit(8, issue=True) == 3
    assert tempo.sit(8, issue=False) == 1


def test_one_connection_is_kept_for_nobody() -> None:
    tempo = Tempo(1)
    tempo.keep_free(1)
    assert tempo.sit(8, issue=True) == 1
    assert tempo.sit(8, issue=False) == 0
