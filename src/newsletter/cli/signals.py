"""Ctrl-C, SIGTERM and SIGHUP as a request: finish what is under way, begin nothing new.

    first               the event is set; what is under way is finished
    second, or 25 s on  `at_once`: connections are cut, doubts written down
    3 s after that      the process ends where it stands, as kill -9 would end it

So whatever hangs (a mail server that says nothing, a database, a disk, a name
server), the process is gone within 30 seconds of the first. The ledger is made
for that: who was under way is in doubt, nobody gets a second mail.

A signal interrupts nothing. It comes to a thread of its own, where the
interpreter writes its number into a socket that the thread listens at. An
exception out of nowhere leaves things half done; an event that a handler sets
may wait for ever for the lock that the interrupted code holds; and a main
thread that hangs in a disk or a network file system would hear of nothing.
"""

from __future__ import annotations

import _thread
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from newsletter.delivery.report import StopEvent

DRAIN_SECONDS = 25.0
"""systemd's own TimeoutStopSec is 90 s, a container's 10 to 30."""
CUT_SECONDS = 3.0
"""A cut needs two seconds (`delivery.desk.ABORT_SECONDS`) and a commit."""
TOGETHER_SECONDS = 0.5
"""Signals of one moment are one request: of a wrapper that passes on what the whole group got."""
LAST_WORD_SECONDS = 0.5
"""Whoever reads the error stream may hang, too."""
COULD_NOT_RUN = 2
IN_PART = 3
"""The exit code of what was broken off: sent in part, or in doubt."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STOPPING = (
    f"stopping: what is under way is finished, within {DRAIN_SECONDS:.0f} seconds; "
    "once more ends it at once"
)
ENDED = (
    "ended at once: something hung, and what was under way may be in doubt; "
    "nobody is written to twice, the next start goes on"
)


def end_at_any() -> None:
    """While the program is being loaded, each of the signals ends it at once: an import that is broken off may say anything."""
    _answer_with(_leave)


def break_off_at_any() -> None:
    """In a command that says nothing else, each of the signals does what Ctrl-C does."""
    _answer_with(_break_off)


def broke_off() -> bool:
    """Whether one of them came: an import or a driver may have made another exception of it."""
    return _came


def heed_none() -> None:
    """The process ends, and has said what it had to say.

    In two steps: of a signal that came just before it is ignored, the
    interpreter would complain; and as it ends, it takes its own answers back.
    """
    _answer_with(_heard)
    _answer_with(signal.SIG_IGN)


@contextmanager
def stopping(say: Callable[[str], None] = lambda words: None) -> Iterator[StopEvent]:
    """An event that is set by the first signal; main thread only. `say` is told what happens."""
    listener = _Listener(say)
    before = {number: signal.signal(number, _heard) for number in _heeded()}
    bell = signal.set_wakeup_fd(listener.bell.fileno(), warn_on_full_buffer=False)
    elsewhere = signal.pthread_sigmask(signal.SIG_BLOCK, before)
    # Not one of `threading`'s, which a build counts before it forks: it holds no lock.
    _thread.start_new_thread(listener.listen, ())
    try:
        yield listener.asked
    finally:
        # A program that was asked to end does so now. Until it has, somebody listens.
        if not (listener.asked.is_set() and before[signal.SIGTERM] is _break_off):
            signal.set_wakeup_fd(bell)
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.pthread_sigmask(signal.SIG_SETMASK, elsewhere)
            listener.bell.close()


def _heeded() -> list[signal.Signals]:
    """All, but for a SIGHUP that `nohup` has said is to be ignored."""
    hung_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
    return [number for number in SIGNALS if number is not signal.SIGHUP or hung_up]


def _answer_with(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in _heeded():
        signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    with suppress(OSError):
        os.write(2, b"interrupted: nothing was begun.\n")
    os._exit(COULD_NOT_RUN)


_came = False


def _break_off(_number: int, _frame: FrameType | None) -> NoReturn:
    global _came
    _came = True
    raise KeyboardInterrupt


def _heard(_number: int, _frame: FrameType | None) -> None:
    """The listener knows."""


class _Listener:
    """Waits at the other end of `bell`, and holds both ends as long as it does."""

    def __init__(self, say: Callable[[str], None]) -> None:
        from newsletter.delivery.report import StopEvent

        self.asked = StopEvent()
        self._ear, self.bell = socket.socketpair()
        self.bell.setblocking(False)
        self._say = say

    def listen(self) -> None:
        """Until the work has ended."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        with self._ear:
            if not self._next():
                return
            began = time.monotonic()
            self.asked.set()
            self._say(STOPPING)
            while heard := self._next(began + DRAIN_SECONDS):
                if time.monotonic() > began + TOGETHER_SECONDS:
                    break
            if heard == b"":
                return
            self.asked.at_once = True
            until = time.monotonic() + CUT_SECONDS
            while heard := self._next(until):
                pass
            if heard is None:
                _end()

    def _next(self, until: float | None = None) -> bytes | None:
        """One signal, as a byte; none when the work has ended; None when the time is over."""
        self._ear.settimeout(None if until is None else max(0.001, until - time.monotonic()))
        try:
            return self._ear.recv(1)
        except TimeoutError:
            return None


def _end() -> NoReturn:
    from newsletter.cli.desk import talk

    teller = threading.Thread(target=talk, args=(ENDED,), daemon=True)
    teller.start()
    teller.join(LAST_WORD_SECONDS)
    os._exit(IN_PART)
