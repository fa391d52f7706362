"""The tick: every duty comes again, none ends it."""

from __future__ import annotations

import threading

from newsletter.schedule.local import Duty, run


def test_a_duty_that_fails_is_told_and_comes_again() -> None:
    stop, told, done = threading.Event(), [], []

    def fails() -> None:
        if len(told) >= 1:
            stop.set()
        raise OSError("no disk")

    run(
        [Duty("fails", 1, fails), Duty("works", 1, lambda: done.append(1))],
        stop,
        lambda name, error: told.append((name, str(error))),
        wake=0.01,
    )
    assert told == [("fails", "no disk")] * 2
    assert done


def test_what_was_told_to_stop_before_it_began_begins_nothing() -> None:
    stop, done = threading.Event(), []
    stop.set()
    run([Duty("never", 1, lambda: done.append(1))], stop, lambda *_: None)
    assert done == []


def test_a_stop_before_the_first_tick_ends_at_once() -> None:
    stop = threading.Event()
    run([Duty("stops", 1, stop.set), Duty("never", 1, stop.set)], stop, lambda *_: None)
    assert stop.is_set()
