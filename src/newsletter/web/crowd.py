"""Whom we wait for. Pure: it says who must go, and closes nothing.

    enter -> awaited <-> served -> leave

Where too many are waited for, the one that has been for longest goes for
whoever comes: a reader's request is whole at once, and a thousand strangers
who only hold a line cannot keep it out. Nobody who is being served is counted.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Crowd(Generic[T]):
    """At most `most` are waited for. For one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: set[T] = set()
        self._awaited: dict[T, None] = {}
        """In the order in which the waiting began."""

    def __len__(self) -> int:
        return len(self._awaited)

    def enter(self, one: T) -> T | None:
        """`one` has come, and is waited for; who must go for it, None when there is room."""
        self._inside.add(one)
        return self.wait_for(one)

    def wait_for(self, one: T) -> T | None:
        """It is its turn to speak, or to read; who must go for it. Who is waited for already keeps its place."""
        if one in self._inside:
            self._awaited.setdefault(one)
        if len(self._awaited) <= self._most:
            return None
        longest = next(iter(self._awaited))
        self.leave(longest)
        return longest

    def serve(self, one: T) -> None:
        """It has said all that we need."""
        self._awaited.pop(one, None)

    def leave(self, one: T) -> None:
        self._inside.discard(one)
        self._awaited.pop(one, None)
