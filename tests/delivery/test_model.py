"""The model of a delivery's life, walked through: the law holds in every world that can be reached.

One reader and two senders to the last corner; two readers and two senders to
the depth that a moment allows. `python tests/delivery/test_model.py 9` goes
deeper (`make crash` does).
"""

from __future__ import annotations

import sys
from dataclasses import replace
from itertools import count
from pathlib import Path
from types import FunctionType

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import model
from model import UNBEGUN, Life, World, begin_with, breaches, finish, moves

from newsletter.delivery.states import ALLOWED, PENDING, State, may

S = State
Arrow = tuple[State, State]


def walk(readers: int, senders: int, depth: int | None) -> tuple[int, set[Arrow], list[str]]:
    """How many worlds there are, every arrow that is taken among them, and what is wrong in them."""
    first = begin_with(readers, senders)
    seen, layer = {first}, [first]
    arrows: set[Arrow] = set()
    wrong: list[str] = []
    for _ in count() if depth is None else range(depth):
        following = []
        for world in layer:
            for move, after in moves(world):
                arrows |= _taken(move.name, world, after)
                if after in seen:
                    continue
                seen.add(after)
                following.append(after)
                if found := breaches(after) + _lost(after):
                    wrong.append(f"{move}: {', '.join(found)}")
        layer = following
        if not layer or wrong:
            break
    return len(seen), arrows, wrong


def _taken(name: str, before: World, after: World) -> set[Arrow]:
    pairs = {
        (was, now)
        for was, now in zip(before.states(), after.states(), strict=True)
        if was is not now
    }
    # No ledger takes these: a restored database was never where the one before it
    # was, and a commit that was not flushed never was at all.
    never = {"restore": {(S.ACCEPTED, S.IN_DOUBT)}, "power": {(S.SENDING, S.CLAIMED)}}
    return pairs - never.get(name, set())


def _lost(world: World) -> list[str]:
    """Somebody starts again and nothing goes wrong: then nobody waits, and the law holds still."""
    end = finish(world)
    waiting = [state for state in end.states() if state in PENDING]
    return [f"after a restart somebody is {state}" for state in waiting] + breaches(end)


EVERY_ARROW = {(before, after) for before, following in ALLOWED.items() for after in following}


def test_one_reader_and_two_senders_in_every_world_there_is() -> None:
    worlds, arrows, wrong = walk(1, 2, None)
    assert not wrong
    assert worlds > 5_000
    assert arrows == EVERY_ARROW, "the model and states.ALLOWED have the same arrows"


def test_two_readers_and_two_senders_as_deep_as_a_moment_allows() -> None:
    worlds, arrows, wrong = walk(2, 2, 5)
    assert not wrong
    assert worlds > 2_000
    assert all(may(*arrow) for arrow in arrows)


def naive_recover(world: World) -> World:
    """Whatever a dead sender held is sent again: what loops without a ledger do."""
    for at, sender in enumerate(world.senders):
        if sender.life is Life.KILLED:
            rows = tuple(
                replace(row, state=S.QUEUED, holder=None)
                if row.holder == at and row.state in (S.CLAIMED, S.SENDING)
                else row
                for row in world.rows
            )
            world = model._gone(replace(world, rows=rows), at, Life.OUT)
    return world


def trusting_begin(world: World, at: int, reader: int) -> World:
    """The guard asks nobody whether the claim still stands."""
    row = world.rows[reader]
    if row.state in (*UNBEGUN, S.IN_DOUBT):
        world = model._row(world, reader, state=S.CLAIMED, holder=at)
    return HONEST["begin"](world, at, reader)


def kind_stall(world: World, at: int) -> World:
    """Past its lease, what a sender had begun is given to others."""
    world = HONEST["stall"](world, at)
    rows = tuple(
        replace(row, state=S.QUEUED, holder=None)
        if row.holder == at and row.state is S.IN_DOUBT
        else row
        for row in world.rows
    )
    return replace(world, rows=rows)


def hasty_leave(world: World, at: int) -> World:
    """A claim is taken for a mail that was not begun, whoever holds it."""
    if world.rows[at].state in UNBEGUN:
        world = model._row(world, at, state=S.EXCLUDED, holder=None)
    return model._row(world, at, consents=False)


HONEST: dict[str, FunctionType] = {
    "begin": model.begin,  # type: ignore[dict-item]
    "stall": model.stall,  # type: ignore[dict-item]
}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("recover", naive_recover),
        ("begin", trusting_begin),
        ("stall", kind_stall),
        ("leave", hasty_leave),
    ],
)
def test_a_ledger_without_one_of_its_rules_is_caught(
    monkeypatch: pytest.MonkeyPatch, name: str, broken: FunctionType
) -> None:
    monkeypatch.setattr(model, name, broken)
    assert walk(1, 2, None)[2]


if __name__ == "__main__":
    for readers, senders, depth in ((1, 2, None), (2, 1, None), (2, 2, int(sys.argv[1]))):
        worlds, _, wrong = walk(readers, senders, depth)
        deep = "all there are" if depth is None else f"{depth} moves deep"
        print(
            f"{readers} readers, {senders} senders: {worlds:,} worlds, {deep}; {len(wrong)} wrong"
        )
        if wrong:
            sys.exit(wrong[0])
