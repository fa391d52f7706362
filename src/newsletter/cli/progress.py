"""How far a long command is, told as the place allows.

Nothing in the first second. On a terminal one line with count, rate and rest,
redrawn; in a pipe a line every ten seconds and one at the end; with --quiet
nothing. A stream that was closed is no reason to stop sending.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

SILENT_SECONDS = 1.0
"""Whoever waits less than this wants the result, not the news."""
TERMINAL_SECONDS = 0.1
"""Ten pictures a second look alive and cost nothing."""
PIPE_SECONDS = 10.0
"""A log stays readable."""


class Progress:
    """A callable `progress(done, total, label)` for the rooms; safe from several threads.

    `total` 0 means unknown. `end()` says the last word, once.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._quiet = quiet
        self._clock = clock
        self._lock = threading.Lock()
        self._label = ""
        self._began = 0.0
        self._shown: float | None = None
        self._last = (0, 0)

    def __call__(self, done: int, total: int, label: str) -> None:
        if self._quiet:
            return
        with self._lock:
            now = self._clock()
            if label != self._label:
                self._finish(now)
                self._label, self._began, self._shown = label, now, None
            self._last = (done, total)
            if now - self._began < SILENT_SECONDS:
                return
            pause = TERMINAL_SECONDS if self._terminal else PIPE_SECONDS
            since = self._began if self._shown is None and not self._terminal else self._shown
            if since is None or now - since >= pause:
                self._show(now)

    def end(self) -> None:
        """Clear the terminal's line; in a pipe, one last line if there was one before."""
        with self._lock:
            self._finish(self._clock())
            self._label = ""

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def _finish(self, now: float) -> None:
        if self._shown is None:
            return
        if self._terminal:
            self._write("\r\x1b[K")
        else:
            self._show(now)
        self._shown = None

    def _show(self, now: float) -> None:
        self._shown = now
        text = line(self._label, *self._last, now - self._began)
        self._write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._quiet = True


def line(label: str, done: int, total: int, seconds: float) -> str:
    """ "sending 412/1,000 · 640/s · 1 s left"."""
    parts = [f"{label} {done:,}/{total:,}" if total else f"{label} {done:,}"]
    rate = done / seconds if seconds > 0 else 0.0
    if rate:
        parts.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
    if rate and total > done:
        parts.append(f"{duration((total - done) / rate)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """ "8 s", "3 min", "2 h 5 min"; never more precise than it is known."""
    whole = max(1, round(seconds))
    if whole < 100:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
