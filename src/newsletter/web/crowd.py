"""Who is connected, and which of them we wait for. Pure: it says who must go, and closes nothing.

    enter -> awaited <-> served -> leave

Where it is full, the one that has been waited for longest goes for whoever
comes: a reader's request is whole at once, and a thousand strangers who only
hold a line cannot keep it out. Nobody who is being served is sent away.
"""

from __future__ import annotations

from typing import Generic, TypeVar

T = TypeVar("T")


class Crowd(Generic[T]):
    """At most `most` of them, and whoever comes while all others are served. For one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._inside: set[T] = set()
        self._awaited: dict[T, None] = {}
        """In the order in which the waiting began."""

    def __len__(self) -> int:
        return len(self._inside)

    def enter(self, one: T) -> T | None:
        """`one` has come, and is waited for; who must go for it, None when there is room."""
        self._inside.add(one)
        self._awaited[one] = None
        if len(self._inside) <= self._most:
            return None
        longest = next(iter(self._awaited))
        if longest is one:
            return None
        self.leave(longest)
        return longest

    def wait_for(self, one: T) -> None:
        """It is its turn to speak, or to read; who is waited for already keeps the place in the order."""
        if one in self._inside:
            self._awaited.setdefault(one)

    def serve(self, one: T) -> None:
        """It has said all that we need."""
        self._awaited.pop(one, None)

    def leave(self, one: T) -> None:
        self._inside.discard(one)
        self._awaited.pop(one, None)
