"""One commit for many: everybody gets their own result, and nobody somebody else's trouble."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

import pytest

from newsletter.web.together import MOST, Together


def run_all(together: Together[int, int], works: Sequence[int]) -> list[int | BaseException]:
    async def all_at_once() -> list[int | BaseException]:
        waiting = (together.do(work) for work in works)
        return await asyncio.gather(*waiting, return_exceptions=True)

    return asyncio.run(all_at_once())


def test_everybody_gets_their_own_result() -> None:
    together = Together(lambda works: [2 * work for work in works], "test")
    assert run_all(together, range(500)) == [2 * work for work in range(500)]


def test_who_comes_during_a_commit_shares_the_next_one() -> None:
    batches: list[int] = []
    first, go_on = threading.Event(), threading.Event()

    def act(works: Sequence[int]) -> Sequence[int]:
        batches.append(len(works))
        first.set()
        assert go_on.wait(10)
        return works

    together = Together(act, "test")

    async def visitors() -> None:
        early = asyncio.ensure_future(together.do(0))
        await asyncio.to_thread(first.wait, 10)
        late = [asyncio.ensure_future(together.do(work)) for work in range(2 * MOST)]
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(early, *late)

    asyncio.run(visitors())
    assert batches == [1, MOST, MOST]


def test_one_visitors_trouble_is_nobody_elses() -> None:
    done: list[int] = []

    def act(works: Sequence[int]) -> Sequence[int]:
        if 13 in works:
            raise ValueError("unlucky")
        done.extend(works)
        return works

    results = run_all(Together(act, "test"), range(40))
    assert [work for work, result in enumerate(results) if result != work] == [13]
    assert isinstance(results[13], ValueError)
    assert sorted(done) == [work for work in range(40) if work != 13]


def test_a_visitor_who_has_gone_hurts_nobody() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def act(works: Sequence[int]) -> Sequence[int]:
        begun.set()
        assert go_on.wait(10)
        return works

    together = Together(act, "test")

    async def visitors() -> int:
        gone = asyncio.ensure_future(together.do(1))
        await asyncio.to_thread(begun.wait, 10)
        stays = asyncio.ensure_future(together.do(2))
        await asyncio.sleep(0)
        gone.cancel()
        go_on.set()
        return await stays

    assert asyncio.run(visitors()) == 2


def test_the_thread_goes_home_and_another_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("newsletter.web.together.IDLE_SECONDS", 0.01)
    together: Together[int, int] = Together(lambda works: works, "comes-and-goes")

    def at_work() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "comes-and-goes"]

    for work in range(20):
        assert run_all(together, [work]) == [work]
        for thread in at_work():
            thread.join(10)
        assert at_work() == []
