"""The duties of `newsletter run` beside sending: the site follows the texts, and each thing is said once."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from living import DUE, World, world

from newsletter.cli.changes import Texts
from newsletter.cli.serve import _post_notices, brief
from newsletter.delivery import departure, notices
from newsletter.delivery.ledger import Sum, clock
from newsletter.delivery.states import State
from newsletter.errors import CouldNotRun
from newsletter.issue.period import Period
from newsletter.store.tables import subscribers


@pytest.fixture
def place(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path, [Period(2026, 12)]) as made:
        made.now = DUE - dt.timedelta(hours=1)
        yield made


def told(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err


def test_a_changed_text_makes_the_site_anew_and_an_unchanged_one_does_not(place: World) -> None:
    host = place.host()
    article = host.root / "content/articles/cells-2026-12.en.md"
    page = host.root / "public/articles/cells-2026-12/index.html"
    text = article.read_text("utf-8").replace("2026-12-01", "2026-11-01")
    article.write_text(text, "utf-8")
    duties = host.duties()
    duties.build()
    made = page.read_text("utf-8")
    duties.site()
    page.write_text("by hand", "utf-8")
    duties.site()
    assert page.read_text("utf-8") == "by hand", "nothing changed, nothing was made"
    article.write_text(text.replace("Some words", "Other words"), "utf-8")
    duties.site()
    assert "Other words" in page.read_text("utf-8")
    assert "Some words" in made


def test_a_broken_text_is_complained_of_once_and_the_last_good_site_stays(
    place: World, capsys: pytest.CaptureFixture[str]
) -> None:
    host = place.host()
    duties = host.duties()
    duties.build()
    article = host.root / "content/articles/cells-2026-12.en.md"
    good = article.read_text("utf-8")
    home = host.root / "public/index.html"
    before = home.read_bytes()
    told(capsys)
    article.write_text(good.replace("title:", "titel:"), "utf-8")
    duties.site()
    first = told(capsys)
    place.now += dt.timedelta(minutes=5)
    duties.site()
    assert "titel" in first
    assert told(capsys) == "", "once is enough"
    assert home.read_bytes() == before
    article.write_text(good, "utf-8")
    duties.site()
    assert "well again" in told(capsys)


def test_a_changed_configuration_is_told_and_not_taken(
    place: World, capsys: pytest.CaptureFixture[str]
) -> None:
    host = place.host()
    duties = host.duties()
    duties.build()
    file = host.root / "newsletter.toml"
    file.write_text(file.read_text("utf-8") + "\n# a remark\n", "utf-8")
    for _ in range(3):
        duties.site()
    assert told(capsys).count("newsletter.toml has changed; start `run` anew to use it") == 1


def test_files_that_come_go_or_change_are_seen(tmp_path: Path) -> None:
    (tmp_path / "content").mkdir()
    texts = Texts(tmp_path)
    assert not texts.changed()
    (tmp_path / "content" / "a.md").write_text("one")
    assert texts.changed()
    assert not texts.changed()
    os.utime(tmp_path / "content" / "a.md", (1, 1))
    assert texts.changed()
    (tmp_path / "content" / "a.md").rename(tmp_path / "content" / "b.md")
    assert texts.changed()
    (tmp_path / "templates" / "site").mkdir(parents=True)
    (tmp_path / "templates" / "site" / "page.html.j2").write_text("x")
    assert texts.changed()
    (tmp_path / "content" / "b.md").unlink()
    assert texts.changed()
    assert not texts.changed()


def test_the_brief_names_what_is_not_accepted() -> None:
    counts = {State.ACCEPTED: 995, State.BOUNCED: 3, State.IN_DOUBT: 1, State.QUEUED: 1}
    account = Sum("2026-12", "open", 1000, DUE, DUE, None, counts)
    assert brief(account) == "2026-12: 998 of 1,000 accepted, 1 in doubt, 1 waiting"


def test_a_leave_is_obeyed_though_the_database_fell_back_to_before_it_under_the_running_service(
    place: World,
) -> None:
    place.readers(3)
    place.now = DUE
    host = place.host()
    house, duties = host.up(), host.duties()
    house.vault  # noqa: B018 - the start, with its look at the journal
    with house.store.read() as tx:
        [link] = tx.scalars(sa.select(subscribers.c.link_id).limit(1))
    with sqlite3.connect(str(house.database)) as live, sqlite3.connect(":memory:") as replica:
        live.backup(replica)
        departure.leave(house.store, house.journal, bytes(link), host.clock(), "one-click")
        replica.backup(live)
    duties.month()
    assert (host.account().audience, len(place.server.accepted)) == (2, 2)


def test_a_database_that_was_put_back_sends_no_notice_until_it_is_adopted(place: World) -> None:
    place.readers(2)
    host = place.host()
    place.now = DUE
    kept = place.folder / "kept"
    host.ticks()
    host.down()
    shutil.copytree(host.root / "subscribers", kept)
    place.now += dt.timedelta(minutes=1)
    with host.up().store.write() as tx:
        clock.advance(tx)  # as the next batch does
    host.up().witness.record(host.up().store, place.now)
    host.down()
    shutil.copytree(kept, host.root / "subscribers", dirs_exist_ok=True)
    house, before = host.up(), len(place.server.delivered)
    with house.store.write() as tx:
        notices.tell(tx, notices.Word.IN_DOUBT, "2026-12", "en", place.now)
    with pytest.raises(CouldNotRun) as stopped:
        _post_notices(house, house.press(), threading.Event())
    assert stopped.value.findings[0].code == "NL702"
    assert len(place.server.delivered) == before
    host.adopts()
    assert _post_notices(house, house.press(), threading.Event()) == ""
    assert len(place.server.delivered) == before + 1


STUCK = """
import signal, sys, threading, time
from newsletter.cli import signals
signals.DRAIN_SECONDS, signals.CUT_SECONDS = 0.5, 0.5
with signals.stopping(lambda words: print(words, flush=True)) as asked:
    print("up", flush=True)
    asked.wait()
    while True:  # hangs, and takes KeyboardInterrupt for nothing
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            print("cut", flush=True)
"""


def test_whatever_hangs_the_process_is_gone_in_time() -> None:
    process = subprocess.Popen([sys.executable, "-c", STUCK], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=10)
    assert time.monotonic() - begun < 5
    assert process.returncode == signals_exit()
    assert out.splitlines()[0].startswith("stopping: what is under way is finished")
    assert out.splitlines()[1] == "cut"


def signals_exit() -> int:
    from newsletter.cli.signals import IN_PART

    return IN_PART
