"""A folder that is copied in the middle of a send, and sent from on the same host: nobody gets two mails.

The sender is a process of its own. The copy takes everything along that lies in
the publication: database, witness and tally. Only the mirror stays.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from living import Host, World, world
from scripted_relay import Step

from newsletter.errors import CouldNotRun
from newsletter.flows import tick
from newsletter.issue.period import Period

SENDER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from living import DUE, KEY
from newsletter import config
from newsletter.flows import tick
from newsletter.wiring import House
environ = {"XDG_STATE_HOME": sys.argv[3]}
with House(config.load(Path(sys.argv[2])), key=KEY, clock=lambda: DUE, environ=environ) as house:
    tick.tick(house.parts)
"""
ONE_BATCH, MORE = 40, 300


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[World]:
    def a_moment(_line: str) -> str:
        time.sleep(0.01)  # a relay that takes its time: the send outlives the copying
        return "250 ok"

    with world(tmp_path, [Period(2026, 12)], script={Step.DOT: a_moment}) as made:
        yield made


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


@contextmanager
def copied_in_mid_send(
    place: World, readers: int
) -> Iterator[tuple[subprocess.Popen[bytes], Host]]:
    """The sender, gone on with for some mails, and the copy as it was made before them."""
    place.readers(readers)
    host = place.host()
    host.up().vault  # noqa: B018 - its store and keys are there before the sender is
    host.down()
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", SENDER, here, str(host.root), str(host.state)],
        stderr=subprocess.DEVNULL,
    ) as sender:
        until(lambda: len(place.server.accepted) >= 5)
        os.kill(sender.pid, signal.SIGSTOP)
        shutil.copytree(host.root, place.folder / "copy")
        served = len(place.server.accepted)
        os.kill(sender.pid, signal.SIGCONT)
        until(lambda: len(place.server.accepted) > served + 6)
        copy = Host("a", place, place.folder / "copy")
        try:
            yield sender, copy
        finally:
            copy.down()
            sender.kill()


@pytest.mark.parametrize("readers", [ONE_BATCH, MORE])
def test_a_copy_knows_that_its_sender_went_on_before_it_was_killed(
    slow: World, readers: int
) -> None:
    with copied_in_mid_send(slow, readers) as (sender, copy):
        sender.kill()
        sender.wait()
        copy.ticks()
        account = copy.account()
    assert max(Counter(slow.server.accepted).values()) == 1
    assert account.accepted + account.in_doubt + account.pending == readers


def test_a_copy_sends_nothing_while_its_sender_is_at_work(slow: World) -> None:
    with copied_in_mid_send(slow, MORE) as (sender, copy):
        os.kill(sender.pid, signal.SIGSTOP)  # alive, and further than the copy
        with pytest.raises(CouldNotRun) as refused:
            copy.ticks()
        os.kill(sender.pid, signal.SIGCONT)
        assert sender.wait(60) == 0
    assert refused.value.findings[0].code == "NL702"
    assert sorted(Counter(slow.server.accepted).values()) == [1] * MORE


def test_an_operator_adopts_no_copy_while_its_sender_is_at_work(slow: World) -> None:
    """Whom that sender serves afterwards, the copy would not put in doubt."""
    with copied_in_mid_send(slow, MORE) as (sender, copy):
        os.kill(sender.pid, signal.SIGSTOP)
        with pytest.raises(CouldNotRun) as refused:
            copy.adopts()
        sender.kill()
        sender.wait()
        copy.adopts()  # its lock has gone with it
    assert refused.value.findings[0].code == "NL702"


def test_of_two_copies_that_begin_together_one_sends(tmp_path: Path) -> None:
    """Both are where the witness saw them, until one of the two has told it."""
    refused: list[str] = []
    with world(tmp_path, [Period(2026, 12)]) as place:
        place.readers(5)
        first = place.host()
        first.down()
        shutil.copytree(first.root, place.folder / "copy")
        copy = Host("a", place, place.folder / "copy")

        def the_other_begins(_url: str) -> bool:
            with pytest.raises(CouldNotRun) as stopped:
                first.ticks()
            refused.extend(finding.code for finding in stopped.value.findings)
            return True

        parts = dataclasses.replace(copy.up().parts, readable=the_other_begins)
        tick.tick(parts)
        copy.down()
        assert refused == ["NL702"]
        assert sorted(Counter(place.server.accepted).values()) == [1] * 5
