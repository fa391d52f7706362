"""Ctrl-C and SIGTERM as a request: finish what is under way, begin nothing new.

    first               the event is set; what is under way is finished
    second, or 25 s on  KeyboardInterrupt: connections are cut, doubts written down
    3 s after that      the process ends where it stands, as kill -9 would end it

So whatever hangs (a mail server that says nothing, a disk, a name server), the
process is gone within 30 seconds of the first. The ledger is made for that: who
was under way is in doubt, nobody gets a second mail.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

DRAIN_SECONDS = 25.0
"""systemd's own TimeoutStopSec is 90 s, a container's 10 to 30."""
CUT_SECONDS = 3.0
"""A cut needs two seconds (`delivery.desk.ABORT_SECONDS`) and a commit."""
IN_PART = 3
"""The exit code of what was broken off: sent in part, or in doubt."""


@contextmanager
def stopping(say: Callable[[str], None] = lambda words: None) -> Iterator[threading.Event]:
    """An event that is set by the first SIGINT or SIGTERM; main thread only. `say` is told what happens."""
    asked, ended = threading.Event(), threading.Event()

    def answer(_number: int, _frame: FrameType | None) -> None:
        if asked.is_set():
            _after(ended, CUT_SECONDS, _end)
            raise KeyboardInterrupt
        asked.set()
        _after(ended, DRAIN_SECONDS, lambda: os.kill(os.getpid(), signal.SIGTERM))
        words = f"stopping: what is under way is finished, within {DRAIN_SECONDS:.0f} seconds; once more ends it at once"
        # Not in the handler itself: the stream may be in the middle of a line.
        _after(ended, 0, lambda: say(words))

    before = {number: signal.signal(number, answer) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        ended.set()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """SIGTERM and SIGHUP raise KeyboardInterrupt too, so that what was begun is taken back; main thread only."""

    def answer(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, answer) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _after(ended: threading.Event, seconds: float, act: Callable[[], None]) -> None:
    """Do `act` when so much time is over and the work has not ended."""

    def wait() -> None:
        if not ended.wait(seconds):
            act()

    threading.Thread(target=wait, name="stopping", daemon=True).start()


def _end() -> None:
    os._exit(IN_PART)
