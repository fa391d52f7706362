"""A dialogue that never blocks: a generator that yields what it waits for, and returns what came of it.

    for a thread of its own     drive(dialogue, dial)     waits at every step
    for many in one thread      loop.py                   waits for all of them at once

It yields a `Wait` for its socket, or `DIAL` when the line has to be opened
anew; opening may block for minutes and is nothing for a thread that has other
lines. Whoever drives it answers a `Wait` with None, or throws TimeoutError
once it is over, and answers `DIAL` with what `Connection.ready` said.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from newsletter.delivery.outcome import Connection, Envelope, Following, Outcome

T = TypeVar("T")


class Wait(NamedTuple):
    """Until the socket can be read (`writes`: be written to), or `until` (time.monotonic) is past."""

    writes: bool
    until: float


class Dial:
    """Open the line and say what `Connection.ready` says."""


DIAL = Dial()

Steps = Generator[Wait | Dial, Outcome | None, Outcome]
"""One message's dialogue."""
Part = Generator[Wait | Dial, Outcome | None, T]
"""A stretch of it."""


@runtime_checkable
class Stepping(Connection, Protocol):
    """A connection whose `send` can be taken in steps, among many in one thread."""

    def steps(
        self, envelope: Envelope, message: bytes, following: Following | None = None
    ) -> Steps:
        """`send`, in steps.

        `following` is a hint: what this connection is given next. It may be
        announced (MAIL, RCPT, DATA) behind this message's final dot, which saves
        a round trip. Not a byte of it is said before its own `steps`; giving the
        connection another message instead costs a new dial, and no more.
        """
        ...

    def fileno(self) -> int:
        """The open line's descriptor. Raises OSError when there is none."""
        ...


def drive(dialogue: Part[T], fileno: Callable[[], int], dial: Callable[[], Outcome | None]) -> T:
    """Take every step in this thread, and wait where it waits."""
    try:
        wait = next(dialogue)
        while True:
            if isinstance(wait, Dial):
                wait = dialogue.send(dial())
            elif _passed(wait, fileno()):
                wait = next(dialogue)
            else:
                wait = dialogue.throw(TimeoutError())
    except StopIteration as end:
        came_of_it: T = end.value
        return came_of_it


def _passed(wait: Wait, descriptor: int) -> bool:
    """Whether it could be read or written in time."""
    left = wait.until - time.monotonic()
    if descriptor < 0:  # closed meanwhile: the next step finds out
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if wait.writes else select.POLLIN)
    return left > 0 and bool(poll.poll(left * 1000))
