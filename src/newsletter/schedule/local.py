"""The tick of one machine: duties at their intervals, in one thread, until told to stop.

The `schedule` library keeps the intervals; it knows no months and remembers
nothing (dbader/schedule issue 300), which is all that is asked of it. What a
duty does is decided anew each time from the clock and the database.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import schedule

WAKE_SECONDS = 1.0
"""The library counts in whole seconds."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Something to do every `seconds`; `act` takes no argument and returns when it is done."""

    name: str
    seconds: int
    act: Callable[[], object]


def run(
    duties: Sequence[Duty],
    stop: threading.Event,
    trouble: Callable[[str, Exception], None],
    *,
    wake: float = WAKE_SECONDS,
) -> None:
    """Do each duty at once and then at its interval, until `stop` is set.

    A duty that fails is told to `trouble` (name, error) and comes again; it
    never ends the tick.
    """
    ticking = schedule.Scheduler()
    for duty in duties:
        if stop.is_set():
            return
        _guarded(duty, trouble)
        ticking.every(duty.seconds).seconds.do(_guarded, duty, trouble)
    while not stop.wait(wake):
        ticking.run_pending()


def _guarded(duty: Duty, trouble: Callable[[str, Exception], None]) -> None:
    try:
        duty.act()
    except Exception as error:  # noqa: BLE001 - one tick of one duty: the next may succeed
        trouble(duty.name, error)
