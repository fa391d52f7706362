"""SIGTERM: what has an answer is settled, what has none is in doubt, and the process is gone in time."""

from __future__ import annotations

import datetime as dt
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from living import DUE, KEY, World, world
from scripted_relay import HANG, Step

from newsletter.flows import send
from newsletter.flows.send import Sent
from newsletter.issue.period import Period
from newsletter.subscribers import rootkey

DECEMBER = Period(2026, 12)
READERS = 6


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, [DECEMBER]) as made:
        made.readers(READERS)
        yield made


RUN = """
import datetime as dt, sys
from newsletter import wiring
from newsletter.cli import desk, main, serve
moment = dt.datetime.fromisoformat(sys.argv.pop(1))
clock = lambda: moment
wiring.House.__init__.__kwdefaults__["clock"] = clock
for room in (desk, serve):
    room.now = clock
import newsletter.cli.sending as sending
sending.now = clock
main()
"""
"""The program as it is, at another moment."""


def _program(place: World, *words: str, moment: dt.datetime = DUE) -> subprocess.Popen[str]:
    key = place.folder / "letter.key"
    if not key.exists():
        rootkey.save(KEY, key)
    place.host().down()
    return subprocess.Popen(
        [sys.executable, "-c", RUN, moment.isoformat(), *words],
        cwd=place.folder / "letter",
        env={
            **os.environ,
            "NEWSLETTER_KEY_FILE": str(key),
            "XDG_STATE_HOME": str(place.host().state),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_server_that_hangs_at_the_dot_leaves_doubt_and_the_rest_goes_on_later(
    place: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from newsletter.delivery.report import Pace

    monkeypatch.setattr(send, "RETRIES", ())
    monkeypatch.setattr(send, "DRAIN_SECONDS", 0.3)
    assert Pace().drain_seconds + 5 < 30
    place.server.script = {Step.DOT: ["250 ok", "250 ok", HANG]}
    host, asked = place.host(), threading.Event()

    def ask() -> None:
        while len(place.server.delivered) < 4:  # two answered, and two that hang
            time.sleep(0.01)
        asked.set()

    threading.Thread(target=ask, daemon=True).start()
    sent = send.send(host.up().parts, DECEMBER, stop=asked)
    assert isinstance(sent, Sent)
    assert (sent.account.accepted, sent.account.in_doubt, sent.account.pending) == (2, 2, 2)
    place.server.script = {}
    again = send.send(host.up().parts, DECEMBER)
    assert isinstance(again, Sent)
    assert (again.account.accepted, again.account.in_doubt) == (4, 2)
    taken = [to for to, _ in place.copies()]
    assert sorted(taken) == sorted(set(taken))


def test_a_second_signal_cuts_at_once_and_a_new_start_sends_the_rest(place: World) -> None:
    place.server.script = {Step.DOT: ["250 ok", HANG]}
    sender = _program(place, "send", "2026-12")
    assert sender.stderr
    while len(place.server.delivered) < 3:
        assert sender.poll() is None, sender.stderr.read()
        time.sleep(0.02)
    sender.send_signal(signal.SIGTERM)
    assert "stopping" in _line_with(sender, "stopping")
    begun = time.monotonic()
    while sender.poll() is None:  # a second one of the same moment is none
        sender.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    _, err = sender.communicate(timeout=20)
    took = time.monotonic() - begun
    assert took < 6
    assert sender.returncode == 3
    assert "Traceback" not in err
    assert re.search(r"^interrupted\n  2026-12 · \d of 6 accepted, \d in doubt", err, re.M)
    place.server.script = {}
    send.send(place.host().up().parts, DECEMBER)
    account = place.host().account()
    assert (account.accepted + account.in_doubt, account.pending) == (READERS, 0)
    assert account.in_doubt <= 2
    taken = [to for to, _ in place.copies()]
    assert sorted(taken) == sorted(set(taken))


def _line_with(process: subprocess.Popen[str], word: str) -> str:
    assert process.stderr
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError("the process said nothing of it")


def test_two_senders_on_one_database_share_the_work(place: World) -> None:
    pause = threading.Semaphore(0)

    def slow(_line: str) -> str:
        pause.acquire(timeout=0.05)
        return "250 ok"

    place.server.script = {Step.RCPT: slow}
    senders = [_program(place, "send", "2026-12") for _ in range(2)]
    ends = [sender.communicate(timeout=40) for sender in senders]
    for sender, (_, err) in zip(senders, ends, strict=True):
        assert sender.returncode in (0, 3), err
        assert "Traceback" not in err
    rest = send.send(place.host().up().parts, DECEMBER)
    assert isinstance(rest, Sent)
    assert rest.account.accepted == READERS
    taken = [to for to, _ in place.copies()]
    assert sorted(taken) == sorted(f"reader{n}@example.org" for n in range(READERS))


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_the_service_ends_in_order_when_it_is_told_to(place: World, told: signal.Signals) -> None:
    service = _program(place, "run", "--no-web")
    line = _line_with(service, "accepted")
    service.send_signal(told)
    _, err = service.communicate(timeout=30)
    assert line == "2026-12: 6 of 6 accepted · closed\n"
    assert "stopped" in err
    assert service.returncode == 0


def test_a_service_without_its_key_says_so_and_does_not_start(place: World) -> None:
    (place.folder / "letter.key").write_bytes(b"")
    (place.folder / "letter.key").chmod(0o600)
    service = _program(place, "run", "--no-web")
    _, err = service.communicate(timeout=30)
    assert service.returncode == 2
    assert "error[NL5" in err


def test_a_send_by_a_clock_that_was_set_back_is_refused_with_its_code(place: World) -> None:
    place.host().ticks()
    before = len(place.server.delivered)
    sender = _program(place, "send", "2026-11", moment=DUE - dt.timedelta(days=20))
    out, err = sender.communicate(timeout=30)
    assert (sender.returncode, out) == (2, "")
    assert "error[NL710]: the clock says 2026-11-11 08:00Z, but mail was sent at 2026-12-01" in err
    assert len(place.server.delivered) == before == READERS
