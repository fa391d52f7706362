"""How far a long command is, told as the place allows.

Nothing in the first second. On a terminal one line with a bar, count, rate and
rest, redrawn; in a pipe a line every ten seconds and one at the end; with
--quiet nothing. A stream that was closed is no reason to stop sending.

Sending is told to a pipe as JSON, for whoever watches a job that nobody
watches: one line at once, one a minute, one at the end.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TextIO

SILENT_SECONDS = 1.0
"""Whoever waits less than this wants the result, not the news."""
TERMINAL_SECONDS = 0.1
"""Ten pictures a second look alive and cost nothing."""
PIPE_SECONDS = 10.0
"""A log stays readable."""
JSON_SECONDS = 60.0
RATE_SECONDS = 30.0
"""The rate is that of the last half minute: a relay that slows down is seen to."""
BAR = 24
"""Columns; on a narrow terminal fewer, or none."""


class Progress:
    """A callable `progress(done, total, label)` for the rooms; safe from several threads.

    `total` 0 means unknown. `end()` says the last word, once. `lines` "json"
    tells a pipe in JSON.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        terminal: bool,
        quiet: bool = False,
        lines: str = "text",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    ) -> None:
        self._stream = stream
        self._terminal = terminal
        self._quiet = quiet
        self._json = lines == "json" and not terminal
        self._clock = clock
        self._now = now
        self._lock = threading.Lock()
        self._label = ""
        self._began = 0.0
        self._shown: float | None = None
        self._told = (-1, -1)
        self._last = (0, 0)
        self._pace: deque[tuple[float, int]] = deque()
        self._ended: threading.Event | None = None

    def __call__(self, done: int, total: int, label: str) -> None:
        if self._quiet:
            return
        with self._lock:
            now = self._clock()
            if label != self._label:
                self._finish(now)
                self._label, self._began, self._shown = label, now, None
                self._pace.clear()
            if self._json and self._ended is None:
                self._ended = threading.Event()
                threading.Thread(target=self._repeat, args=(self._ended,), daemon=True).start()
            self._last = (done, total)
            self._note(now, done)
            if now - self._began < SILENT_SECONDS and not self._json:
                return
            since = self._began if self._shown is None and self._patient else self._shown
            if since is None or now - since >= self._pause:
                self._show(now)

    def end(self) -> None:
        """Clear the terminal's line; in a pipe, one last line if there was one before."""
        with self._lock:
            self._finish(self._clock())
            self._label = ""
            if self._ended is not None:
                self._ended.set()
                self._ended = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def _pause(self) -> float:
        if self._terminal:
            return TERMINAL_SECONDS
        return JSON_SECONDS if self._json else PIPE_SECONDS

    @property
    def _patient(self) -> bool:
        """Whether even the first line waits for its time."""
        return not self._terminal and not self._json

    def _repeat(self, ended: threading.Event) -> None:
        """The line of each minute comes, though whoever should tell us stands still."""
        while not ended.wait(JSON_SECONDS / 6):
            with self._lock:
                now = self._clock()
                if self._shown is not None and now - self._shown >= JSON_SECONDS:
                    self._show(now)

    def _note(self, now: float, done: int) -> None:
        if self._pace and now - self._pace[-1][0] < SILENT_SECONDS / 2:
            return
        self._pace.append((now, done))
        # One point older than the window stays: the rate is that of the whole window.
        while len(self._pace) > 2 and now - self._pace[1][0] > RATE_SECONDS:
            self._pace.popleft()

    def _rate(self, now: float) -> float:
        """Per second, of late; 0 where that is not known yet."""
        since, before = self._pace[0] if self._pace else (now, 0)
        if since == self._began or now <= since:
            since, before = self._began, 0
        return (self._last[0] - before) / (now - since) if now > since else 0.0

    def _finish(self, now: float) -> None:
        if self._shown is None:
            return
        if self._terminal:
            self._write("\r\x1b[K")
        elif not self._json or self._told != self._last:
            self._show(now)
        self._shown = None

    def _show(self, now: float) -> None:
        self._shown, self._told = now, self._last
        rate = self._rate(now)
        if self._json:
            self._write(json.dumps(self._plain(now, rate)) + "\n")
        elif self._terminal:
            self._write(f"\r\x1b[K{self._drawn(rate)}")
        else:
            self._write(f"{line(self._label, *self._last, rate)}\n")

    def _plain(self, now: float, rate: float) -> dict[str, object]:
        done, total = self._last
        return {
            "at": self._now().isoformat(timespec="seconds"),
            "what": self._label,
            "done": done,
            "total": total,
            "per_second": round(rate, 1),
            "seconds": round(now - self._began, 1),
            "seconds_left": math.ceil((total - done) / rate) if rate and total > done else None,
        }

    def _drawn(self, rate: float) -> str:
        """The line, with a bar where there is room."""
        done, total = self._last
        text = line(self._label, done, total, rate)
        room = shutil.get_terminal_size().columns - len(text) - 3
        if not total or room < BAR // 3:
            return text
        head, numbers = text[: len(self._label)], text[len(self._label) :]
        return f"{head} {bar(done / total, min(BAR, room), self._stream)}{numbers}"

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._quiet = True


def bar(part: float, width: int, stream: TextIO) -> str:
    """How much of `width` columns is done; in ASCII where the terminal knows no more."""
    full = int(width * min(1.0, max(0.0, part)))
    try:
        "━─".encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return "[" + "#" * max(0, full - 2) + "." * (width - 2 - max(0, full - 2)) + "]"
    return "━" * full + "─" * (width - full)


def line(label: str, done: int, total: int, rate: float) -> str:
    """ "sending 412/1,000 · 640/s · 1 s left"."""
    parts = [f"{label} {done:,}/{total:,}" if total else f"{label} {done:,}"]
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
