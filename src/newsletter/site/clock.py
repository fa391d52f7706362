"""Where the time of a build goes, step by step."""

from __future__ import annotations

import time


class Clock:
    """Seconds since it was made, divided into named laps."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """What was done since the last lap was `name`."""
        now = time.monotonic()
        self.laps[name] = self.laps.get(name, 0.0) + now - self.last
        self.last = now

    def total(self) -> float:
        return time.monotonic() - self.started

    def costs(self) -> tuple[tuple[str, float], ...]:
        """(name, seconds), the dearest first."""
        return tuple(sorted(self.laps.items(), key=lambda lap: -lap[1]))
