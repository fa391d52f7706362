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


def test_who_is_served_is_not_sent_away() -> None:
    crowd: Crowd[str] = Crowd(2)
    crowd.enter("served")
    crowd.serve("served")
    crowd.enter("waits")

    assert crowd.enter("third") == "waits"


def test_where_all_are_served_whoever_comes_is_let_in() -> None:
    crowd: Crowd[str] = Crowd(1)
    crowd.enter("served")
    crowd.serve("served")

    assert crowd.enter("second") is None
    assert len(crowd) == 2


@given(st.lists(st.tuples(st.sampled_from(("enter", "wait", "serve", "leave")), st.integers(0, 9))))
def test_it_is_never_larger_than_it_may_be_by_more_than_those_who_are_served(
    steps: list[tuple[str, int]],
) -> None:
    crowd: Crowd[int] = Crowd(3)
    served: set[int] = set()
    for step, one in steps:
        if step == "enter":
            gone = crowd.enter(one)
            assert gone not in served - {one}
            served.discard(one)
        elif step == "wait":
            crowd.wait_for(one)
            served.discard(one)
        elif step == "serve":
            crowd.serve(one)
            served.add(one)
        else:
            crowd.leave(one)
            served.discard(one)

        assert len(crowd) <= max(3, len(served) + 1)


@given(st.integers(512, 100_000))
def test_a_full_house_leaves_descriptors_for_the_rest_of_the_process(files: int) -> None:
    most, backlog = room(files)

    assert 2 * most + 3 * backlog + SPARE_FILES <= files
    assert 50 <= most <= 1000
