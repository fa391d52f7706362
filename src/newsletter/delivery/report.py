"""What one run of the send loop is asked for, and what it says afterwards. Values only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from newsletter.delivery.states import State
from newsletter.errors import Finding


class StopEvent(threading.Event):
    """Set: begin nothing more, and await the answers that are due. `at_once`: do not await them either."""

    at_once = False


class Stop(StrEnum):
    """Why the loop ended."""

    DONE = "done"
    """Nothing is due any more; deferred rows may wait for their next try."""
    ASKED = "asked"
    """The stop event was set (Ctrl-C, SIGTERM): in-flight messages were awaited, the rest waits."""
    PAUSED = "paused"
    """The relay does not answer, refuses us, or refuses readers in a burst for our sake."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the loop did. Not the issue's account: that is `ledger.sums`.

    `ended` counts the tries of this run by the state they led to; `not_tried`
    rows are still due. `why` says in a sentence why it paused, `trouble` with
    its code and the way out; `slowed` tells that the server asked for a slower
    pace, and how.
    """

    stop: Stop
    ended: dict[State, int] = field(default_factory=dict)
    not_tried: int = 0
    seconds: float = 0.0
    why: str = ""
    trouble: Finding | None = None
    slowed: Finding | None = None

    @property
    def said(self) -> str:
        """Why it paused, with the code that `explain` knows; "" when it did not."""
        return f"{self.trouble.code} {self.why}" if self.trouble and self.why else self.why

    @property
    def accepted(self) -> int:
        return self.ended.get(State.ACCEPTED, 0)

    @property
    def in_doubt(self) -> int:
        return self.ended.get(State.IN_DOUBT, 0)


Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: `connections` at a time, at most `per_second` messages (None: as the relay takes them).

    `drain_seconds` is how long answers are awaited after the stop event;
    `retries` are the waits between tries to reach a relay that does not answer;
    `settle_seconds` the wait before a process begins that finds others sending.
    """

    connections: int = 4
    per_second: float | None = None
    drain_seconds: float = 10.0
    retries: tuple[float, ...] = (1.0, 3.0, 10.0)
    settle_seconds: float = 2.0
