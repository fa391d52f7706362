"""The duties of `newsletter run` beside sending: the site follows the texts, and each thing is said once."""

from __future__ import annotations

import datetime as dt
import errno
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

from newsletter.cli import signals, watch
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


def test_a_duty_at_work_in_which_nothing_moves_stands_still() -> None:
    now = 0.0
    watching = watch.Watch(lambda: now)
    with watching.over("month"), watching.over("notices"):
        now = watch.STILL_SECONDS
        watching.moved("notices")
        now += 1
        assert watching.still() == ["month"]
    assert watching.still() == [], "it came to its end"


def test_a_disk_that_refuses_one_file_after_another_is_told_once(
    place: World, capsys: pytest.CaptureFixture[str]
) -> None:
    duties = place.host().duties()
    for name in ("2026-12.json", "chain.jsonl"):
        duties.trouble("month", OSError(errno.EROFS, "Read-only file system", name))
    duties.trouble("month", OSError(errno.ENOSPC, "No space left on device", "chain.jsonl"))
    said = [line.split("; ")[0] for line in told(capsys).splitlines()]
    assert said == [
        "month waits: NL127 2026-12.json: Read-only file system",
        "month waits: NL127 chain.jsonl: No space left on device",
    ]


def test_a_database_that_does_not_answer_is_told_once_and_when_it_is_over(
    place: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(watch, "STILL_SECONDS", 0.1)
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.01)
    place.readers(2)
    place.now = DUE
    host, asked = place.host(), threading.Event()
    duties = host.duties(asked)
    host.up().parts  # noqa: B018 - the start is over
    with sqlite3.connect(str(host.up().database), isolation_level=None) as frozen:
        frozen.execute("BEGIN IMMEDIATE")
        threads = [threading.Thread(target=act) for act in (duties.month, duties.watch)]
        for thread in threads:
            thread.start()
        said = ""
        while "NL715" not in said:
            said += told(capfd)
        frozen.execute("ROLLBACK")
    threads[0].join()
    asked.set()
    threads[1].join()
    said += told(capfd)
    lines = [line for line in said.splitlines() if not line.startswith("{")]
    assert lines == [
        "month waits: NL715 nothing moves: the database, a disk or a name server does not"
        " answer; it goes on by itself when it does",
        "month: the way is free again",
        "2026-12: 2 of 2 accepted · closed",
    ]


STUCK = """
import time
from newsletter.cli import signals, watch
signals.DRAIN_SECONDS, signals.CUT_SECONDS = 0.5, 0.5
with signals.stopping(lambda words: print(words, flush=True)) as asked:
    print("up", flush=True)
    asked.wait()
    while True:
        time.sleep(60)
"""


def test_whatever_hangs_the_process_is_gone_in_time_and_says_so() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", STUCK], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "up\n"
    begun = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=10)
    assert time.monotonic() - begun < 5
    assert process.returncode == signals.IN_PART
    assert out.startswith("stopping: what is under way is finished")
    assert err == f"{signals.ENDED}\n"


@pytest.mark.parametrize(("together", "at_once"), [(60.0, False), (0.0, True)])
def test_signals_of_one_moment_are_one_request_and_a_later_one_is_a_second(
    monkeypatch: pytest.MonkeyPatch, together: float, at_once: bool
) -> None:
    monkeypatch.setattr(signals, "TOGETHER_SECONDS", together)
    said: list[str] = []
    listener = signals._Listener(said.append)
    listener.bell.send(bytes([signal.SIGTERM, signal.SIGINT, signal.SIGTERM]))
    listener.bell.close()  # the work has ended
    listener.listen()
    assert said == [signals.STOPPING]
    assert (listener.asked.is_set(), listener.asked.at_once) == (True, at_once)


def test_work_that_ends_by_itself_was_not_asked_to() -> None:
    def answers() -> tuple[object, ...]:
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        return signal.getsignal(signal.SIGTERM), signal.SIGTERM in blocked

    before, threads = answers(), threading.active_count()
    with signals.stopping() as asked:
        assert answers()[1], "the main thread may hang where no signal is heard"
        assert threading.active_count() == threads, "a build forks only where there is one"
    assert not asked.is_set()
    assert answers() == before


def test_what_nohup_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.stopping() as asked:
            os.kill(os.getpid(), signal.SIGHUP)
        assert not asked.is_set()
    finally:
        signal.signal(signal.SIGHUP, before)


LOADING = """
import os, signal
from newsletter.cli import signals, watch
signals.end_at_any()
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException as error:
    raise SyntaxError("of an import that was broken off") from error
"""


def test_a_signal_while_the_program_is_loaded_ends_it_with_a_line() -> None:
    ran = subprocess.run([sys.executable, "-c", LOADING], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, "interrupted: nothing was begun.\n")


TURNED = """
import os, sys, types
from newsletter.cli import app, signals
odd = types.ModuleType("odd")
def look(name):
    try:
        os.kill(os.getpid(), signals.signal.SIGHUP)
    except KeyboardInterrupt:
        raise ImportError(name)
odd.__getattr__ = look
sys.modules["odd"] = odd
app.Root.table = (app.Row("odd", "odd", "", ""),)
signals.break_off_at_any()
sys.exit(app.run(["odd"]))
"""


def test_a_signal_that_an_import_made_another_exception_of_is_told_as_what_it_was() -> None:
    ran = subprocess.run([sys.executable, "-c", TURNED], capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (2, "\ninterrupted: stopped before the end.\n")
