"""A time limit for one document, so that no text can hang a build.

Works in a process's main thread on systems with interval timers; elsewhere
there is no limit, because nothing can stop a running regular expression there.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SECONDS = 10
"""A thousand words take 3 ms; a text that takes ten seconds takes forever."""


class TooLong(Exception):
    """The time is up."""


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raise TooLong in the body after `seconds`."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(
        signal, "setitimer"
    ):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
