from __future__ import annotations

import io

import pytest

from newsletter.cli.progress import Progress, duration, line


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _told(terminal: bool, times: list[float], quiet: bool = False) -> str:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, terminal=terminal, quiet=quiet, clock=clock) as progress:
        for number, moment in enumerate(times):
            clock.now = 100.0 + moment
            progress(number * 100, 1000, "sending")
    return stream.getvalue()


def test_nothing_is_said_in_the_first_second() -> None:
    assert _told(True, [0, 0.5, 0.99]) == ""
    assert _told(False, [0, 0.5, 0.99]) == ""


def test_a_terminal_gets_one_line_redrawn_and_cleared_at_the_end() -> None:
    told = _told(True, [0, 1.0, 1.05, 1.2])

    assert told == (
        "\r\x1b[Ksending 100/1,000 · 100/s · 9 s left"
        "\r\x1b[Ksending 300/1,000 · 250/s · 3 s left"
        "\r\x1b[K"
    )


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
    assert line("reading", 1500, 0, 3.0) == "reading 1,500 · 500/s"
