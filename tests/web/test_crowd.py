"""Who must go when too many are connected; and what is left of the process for everything else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from newsletter.web.crowd import Crowd
from newsletter.web.server import SPARE_FILES, room


def test_whoever_is_waited_for_longest_goes_for_the_next() -> None:
    crowd: Crowd[str] = Crowd(2)

    assert [crowd.enter(one) for one in ("first", "second", "third")] == [None, None, "first"]


def test_speaking_letter_by_letter_keeps_the_place_in_the_order() -> None:
    crowd: Crowd[str] = Crowd(2)
    crowd.enter("slow")
    crowd.enter("other")

    crowd.wait_for("slow")

    assert crowd.enter("third") == "slow"


def test_who_is_served_is_neither_counted_nor_sent_away() -> None:
    crowd: Crowd[str] = Crowd(2)
    crowd.enter("served")
    crowd.serve("served")

    assert [crowd.enter(one) for one in ("second", "third", "fourth")] == [None, None, "second"]


def test_who_was_served_is_waited_for_anew_as_the_last() -> None:
    crowd: Crowd[str] = Crowd(2)
    crowd.enter("served")
    crowd.serve("served")
    crowd.enter("second")
    crowd.wait_for("served")

    assert crowd.enter("third") == "second"


@given(
    st.lists(st.tuples(st.sampled_from(("enter", "wait_for", "serve", "leave")), st.integers(0, 9)))
)
def test_no_more_are_waited_for_than_may_be(steps: list[tuple[str, int]]) -> None:
    crowd: Crowd[int] = Crowd(3)
    for step, one in steps:
        getattr(crowd, step)(one)

        assert len(crowd) <= 3


@given(st.integers(512, 100_000))
def test_a_full_house_leaves_descriptors_for_the_rest_of_the_process(files: int) -> None:
    most, backlog = room(files)

    assert 2 * most + 3 * backlog + SPARE_FILES <= files
    assert 50 <= most <= 1000
