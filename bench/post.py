"""What the benches of delivery share: a publication with readers, sinks, and Postfix's own tools.

Postfix's smtp-sink takes mail faster than anything else here, and its
smtp-source makes mail as fast: the limit that others are measured against.
They are looked for in PATH, or in the folder that POSTFIX_TOOLS names.
"""

from __future__ import annotations

import datetime as dt
import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter import config
from newsletter.delivery import ledger, loop
from newsletter.delivery.ledger import Lane, Opened
from newsletter.delivery.outcome import Transport
from newsletter.delivery.press import Press
from newsletter.delivery.transports.smtp import Relay, SmtpTransport
from newsletter.issue.edition import ApprovedIssue, Edition, leave_url
from newsletter.schedule.witness import Witness
from newsletter.store import Store, bulk, open_store
from newsletter.store.tables import subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault, unlock

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
PERIOD = "2026-11"
TOML = """\
[publication]
title = "Bench"
url = "http://127.0.0.1:8000"

[sender]
name = "Bench"
address = "letter@letter.example.org"
postal_address = "Example street 1"
list_id = "letter.letter.example.org"
"""


@contextmanager
def own_process(folder: Path, *arguments: str) -> Iterator[int]:
    """A module of ours in its own process, which writes its port into the file it is given first."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    module, *rest = arguments
    process = subprocess.Popen([sys.executable, "-m", module, str(port_file), *rest])
    try:
        until = time.monotonic() + 10
        while not port_file.exists():
            if time.monotonic() > until:
                raise TimeoutError(f"{module} does not start")
            time.sleep(0.01)
        yield int(port_file.read_text("ascii"))
    finally:
        process.kill()
        process.wait()


@contextmanager
def sink(folder: Path, *faults: str) -> Iterator[int]:
    """A sink in its own process; its port. `faults` as bench.sink takes them."""
    with own_process(folder, "bench.sink", *faults) as port:
        yield port


def edition() -> Edition:
    words = "A sentence of plain words that says nothing at all. " * 4
    link = leave_url("http://127.0.0.1:8000")
    text = f"{words}\n" * 65 + f"\nLeave:\n{link}\n"
    html = f"<p>{words}</p>\n" * 65 + f'<a href="{link}">leave</a>\n'
    return Edition("en", "Bench", "", html, text, "")


class House:
    """A publication in `folder` with its store and vault."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        self.folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / "newsletter.toml").exists():
            (folder / "newsletter.toml").write_text(TOML, "utf-8")
        self.settings = config.load(folder)
        people_folder = folder / "people"
        people_folder.mkdir(mode=0o700, exist_ok=True)
        self.store: Store = open_store(url or f"sqlite:///{people_folder / 'newsletter.db'}")
        self.store.migrate()
        self.vault: Vault = unlock(self.store, RootKey(bytes(32)), NOW)

    def readers(self, number: int) -> House:
        """Confirmed subscribers reader0@example.org ..."""
        made = round(NOW.timestamp() * 1000)
        with self.store.write() as tx, bulk.without_indexes(tx, subscribers):
            for first in range(0, number, 5000):
                rows = []
                for at in range(first, min(first + 5000, number)):
                    mailbox = f"reader{at}@example.org"
                    row = people.new_row(self.vault, Address(mailbox, mailbox), "en", NOW)
                    row |= {"state": "confirmed", "confirmed_at": made, "consent_epoch": 1}
                    rows.append(row | {"requested_at": made})
                bulk.insert_all(tx, subscribers, list(rows[0]), [tuple(r.values()) for r in rows])
        return self

    def open(self) -> float:
        """Seconds that opening the issue took."""
        began = time.perf_counter()
        opened = ledger.open_issue(
            self.store,
            self.vault,
            ApprovedIssue(PERIOD, 1, "a" * 64, NOW, ("Bench",), (edition(),)),
            ledger.Rules(self.settings.publication.time_zone, 0, "letter.example.org"),
            NOW,
        )
        assert isinstance(opened, Opened)
        return time.perf_counter() - began

    def send(
        self,
        road: int | Transport,
        connections: int,
        now: dt.datetime = NOW,
        stop: threading.Event | None = None,
        progress: loop.Progress | None = None,
    ) -> loop.Report:
        """Through the whole loop, with its witness, to a port of this machine or by a transport."""
        press = Press(self.settings, self.vault)
        witness = Witness(self.folder / "witness.json")
        witness.record(self.store)
        with self.store.read() as tx:
            press.load(tx, PERIOD)
        return loop.send(
            self.store,
            press,
            transport(road) if isinstance(road, int) else road,
            [Lane(PERIOD)],
            pace=loop.Pace(connections, settle_seconds=0),
            clock=lambda: now,
            stop=stop,
            progress=progress,
            witness=witness.tick,
        )


def transport(port: int) -> SmtpTransport:
    return SmtpTransport(Relay("127.0.0.1", port, "none", "example.org"))


def message() -> bytes:
    """One message as the press makes it."""
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder) / "one").readers(1)
        house.open()
        press = Press(house.settings, house.vault)
        with house.store.write() as tx:
            press.load(tx, PERIOD)
            (job,) = ledger.claim(tx, Lane(PERIOD), "bench", 1, NOW)
        house.store.close()
        return press.compose(job, NOW)[1]


def postfix(name: str) -> str | None:
    """The path of one of Postfix's tools; None when it is not on this machine."""
    return shutil.which(name, path=os.environ.get("POSTFIX_TOOLS")) or shutil.which(name)


@contextmanager
def postfix_sink() -> Iterator[int]:
    """Postfix's smtp-sink on a free port."""
    program = postfix("smtp-sink")
    assert program is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    user = ["-u", getpass.getuser()] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, *user, f"127.0.0.1:{port}", "1000"])
    try:
        until = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until or process.poll() is not None:
                    raise
                time.sleep(0.01)
        yield port
    finally:
        process.kill()
        process.wait()


def source(port: int, sessions: int, count: int, size: int) -> float:
    """Messages a second of Postfix's smtp-source, its lines kept open."""
    program = postfix("smtp-source")
    assert program is not None
    to = ("-f", "letter@example.org", "-t", "reader@example.org", f"127.0.0.1:{port}")
    began = time.perf_counter()
    subprocess.run(
        [program, "-d", "-s", str(sessions), "-l", str(size), "-m", str(count), *to],
        check=True,
    )
    return count / (time.perf_counter() - began)
