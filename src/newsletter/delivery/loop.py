"""The send loop: N connections, N threads, one ledger writer.

    claim a batch -> commit (durable) -> witness
    each worker:  asks with what its last try came to
    this thread:  settle the last, begin the next, ONE commit -> answer
    worker:       compose, socket, outcome -> asks again

The commit that marks a row SENDING comes before its MAIL FROM; the commit that
records an outcome comes before that connection's next message. So a process
that is killed at any instant leaves at most one row in doubt per connection.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from newsletter.delivery.states import State


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
    rows are still due. `why` says in a sentence why it paused.
    """

    stop: Stop
    ended: dict[State, int] = field(default_factory=dict)
    not_tried: int = 0
    seconds: float = 0.0
    why: str = ""

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

    `drain_seconds` is how long answers are awaited after the stop event.
    """

    connections: int = 4
    per_second: float | None = None
    drain_seconds: float = 10.0


Clock = Callable[[], dt.datetime]
Event = threading.Event
