"""Which duty of `run` stands still: at work for minutes, and nothing in it moves.

A database, a disk or a name server that does not answer keeps whoever waits for
it from saying so; another has to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

STILL_SECONDS = 120.0
"""Longer than a database may be locked, or a large audience is opened."""
LOOK_SECONDS = 10.0


class Watch:
    """Threads may share it. `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._moved: dict[str, float] = {}

    @contextmanager
    def over(self, duty: str) -> Iterator[None]:
        """The duty is at work inside."""
        self.moved(duty)
        try:
            yield
        finally:
            self._moved.pop(duty, None)

    def moved(self, duty: str) -> None:
        self._moved[duty] = self._clock()

    def still(self) -> list[str]:
        """The duties in which nothing has moved for long."""
        now = self._clock()
        return [duty for duty, at in self._moved.copy().items() if now - at > STILL_SECONDS]
