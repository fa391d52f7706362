"""A clock that is set while the program runs: told by the time since boot, which nobody sets.

    clock - boot  stays the same                    go on
                  is more, by minutes or years      wait an hour, then take the new time
                  is less                           take it; the witness knows what was sent

A step forward may be the wrong one, and by the wrong time an issue would go out
before its day and whoever waits would be given up. After an hour the machine's
own time service has had its say. Sleep is no step: the time since boot goes on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from newsletter.errors import CouldNotRun, Finding
from newsletter.schedule.month import CLOCK_MAY_BE_BACK

LEAST = CLOCK_MAY_BE_BACK
"""A smaller step decides nothing: a month is due to the minute, not to the second."""
HOLD = dt.timedelta(hours=1)


class Steps:
    """Asked again and again; remembers what the clock showed before.

    `clock` is aware; `boot` counts seconds since boot, sleep included.
    """

    def __init__(self, clock: Callable[[], dt.datetime], boot: Callable[[], float]) -> None:
        self._clock, self._boot = clock, boot
        self._zero = self._now()
        self._until: float | None = None

    def insist(self) -> None:
        """Go on, unless the clock was set forward within the last hour.

        Raises:
            CouldNotRun: NL712.
        """
        zero, boot = self._now(), self._boot()
        step = zero - self._zero
        if step > LEAST:
            self._until = self._until or boot + HOLD.total_seconds()
            if boot < self._until:
                raise CouldNotRun(_finding(step))
        # A clock that was set back and right again is no step forward.
        self._zero, self._until = max(self._zero, zero), None

    def steady(self) -> dt.datetime:
        """This moment, by the clock as long as nobody set it, and by the time that passed when somebody did."""
        now = self._clock()
        passed = self._zero + dt.timedelta(seconds=self._boot())
        return now if abs(now - passed) <= LEAST else passed

    def _now(self) -> dt.datetime:
        """What the clock would have shown at boot."""
        return self._clock() - dt.timedelta(seconds=self._boot())


def _finding(step: dt.timedelta) -> Finding:
    return Finding(
        "NL712",
        f"the clock was set forward by {_said(step)} at once",
        help="if it is right now, nothing is to be done: it goes on within the hour; else set it right",
    )


def _said(step: dt.timedelta) -> str:
    """ "9 days", "3 hours", "20 minutes"."""
    for unit, name in ((86_400, "days"), (3_600, "hours")):
        if step.total_seconds() >= 2 * unit:
            return f"{step.total_seconds() / unit:,.0f} {name}"
    return f"{step.total_seconds() / 60:,.0f} minutes"
