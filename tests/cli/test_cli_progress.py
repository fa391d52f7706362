from __future__ import annotations

import datetime as dt
import io
import json
from queue import SimpleQueue
from typing import Any

import pytest

from newsletter.cli import progress as progress_room
from newsletter.cli.progress import Progress, bar, duration, line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def _told(terminal: bool, times: list[float], quiet: bool = False, **more: Any) -> str:
    stream, clock = io.TextIOWrapper(io.BytesIO(), "utf-8", newline=""), Clock()
    with Progress(stream, terminal=terminal, quiet=quiet, clock=clock, **more) as progress:
        for number, moment in enumerate(times):
            clock.now = 100.0 + moment
            progress(number * 100, 1000, "sending")
    stream.seek(0)
    return stream.read()


def test_nothing_is_said_in_the_first_second() -> None:
    assert _told(True, [0, 0.5, 0.99]) == ""
    assert _told(False, [0, 0.5, 0.99]) == ""


def test_a_terminal_gets_one_line_redrawn_and_cleared_at_the_end() -> None:
    told = _told(True, [0, 1.0, 1.05, 1.2])

    assert told == (
        "\r\x1b[Ksending ━━────────────────────── 100/1,000 · 100/s · 9 s left"
        "\r\x1b[Ksending ━━━━━━━───────────────── 300/1,000 · 250/s · 3 s left"
        "\r\x1b[K"
    )


@pytest.mark.parametrize("columns", [20, 40, 48, 60, 200])
def test_the_line_fits_its_terminal_and_the_bar_gives_way(
    monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = _told(True, [0, 1.0]).split("\r\x1b[K")[1]

    assert len(shown) <= max(columns - 1, len("sending 100/1,000 · 100/s · 9 s left"))
    assert ("─" in shown) is (columns >= 48)


def test_a_terminal_that_knows_ascii_alone_gets_a_bar_of_it() -> None:
    plain = io.TextIOWrapper(io.BytesIO(), "ascii")

    assert [bar(part, 10, plain) for part in (0, 0.5, 1)] == [
        "[........]",
        "[###.....]",
        "[########]",
    ]


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """Fast for a minute, then a tenth as fast: the rest is reckoned by what goes on now."""
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, terminal=False, clock=clock) as progress:
        done = 0
        for second in range(120):
            clock.now = 100.0 + second
            progress(done, 10_000, "sending")
            done += 100 if second < 60 else 10
    lines = stream.getvalue().splitlines()

    assert lines[3] == "sending 4,000/10,000 · 100/s · 60 s left"
    assert lines[-1] == "sending 6,590/10,000 · 10/s · 6 min left"


def test_a_pipe_is_told_of_sending_in_json_at_once_each_minute_and_at_the_end() -> None:
    moment = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)
    told = _told(False, [0, 1, 30, 60, 90, 110], lines="json", now=lambda: moment)
    lines = [json.loads(line) for line in told.splitlines()]

    assert [(each["done"], each["seconds"]) for each in lines] == [(0, 0), (300, 60), (500, 110)]
    assert lines[1] == {
        "at": "2026-12-01T08:00:00+00:00",
        "what": "sending",
        "done": 300,
        "total": 1000,
        "per_second": 3.4,
        "seconds": 60.0,
        "seconds_left": 207,
    }
    assert lines[0]["seconds_left"] is None


def test_json_says_the_same_thing_once() -> None:
    assert len(_told(False, [0], lines="json").splitlines()) == 1
    assert _told(False, [0, 70], quiet=True, lines="json") == ""


def test_a_pipe_gets_a_line_every_ten_seconds_and_one_at_the_end() -> None:
    told = _told(False, [0, 5, 10, 15, 21])

    assert told.splitlines() == [
        "sending 200/1,000 · 20/s · 40 s left",
        "sending 400/1,000 · 19/s · 32 s left",
        "sending 400/1,000 · 19/s · 32 s left",
    ]
    assert "\x1b" not in told


def test_quiet_says_nothing() -> None:
    assert _told(True, [0, 5, 20], quiet=True) == ""


def test_a_closed_stream_does_not_stop_the_work() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, terminal=True, clock=clock)
    progress(0, 10, "sending")
    stream.close()
    clock.now += 5

    progress(5, 10, "sending")

    progress.end()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (99, "99 s"), (100, "2 min"), (7500, "2 h 5 min")]
)
def test_a_rest_is_never_more_precise_than_it_is_known(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_an_unknown_total_has_no_rest() -> None:
    assert line("reading", 1500, 0, 500.0) == "reading 1,500 · 500/s"


def test_the_line_of_each_minute_comes_though_the_work_stands_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress_room, "JSON_SECONDS", 0.01)
    told: SimpleQueue[str] = SimpleQueue()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            told.put(text)
            return len(text)

    with Progress(Stream(), terminal=False, lines="json") as progress:
        progress(0, 1000, "sending")  # and no word more
        lines = [json.loads(told.get(timeout=10)) for _ in range(3)]
    assert [(each["done"], each["total"]) for each in lines] == [(0, 1000)] * 3
