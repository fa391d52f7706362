"""How fast the ledger lets mail go, and what it costs: python -m bench.delivery [READERS]

Everything on this machine: a sink in its own process, a real database, mails of
30 KB. Beside each figure stands what the same dialogue makes without a ledger,
so that the price of durability can be read off. Prints, per connection count:

    bare       smtplib.sendmail in threads, one message built beforehand
    walked     our transport in threads, the same message, no ledger
    ledger     the send loop: claims, guards, one commit a message, composing
"""

from __future__ import annotations

import datetime as dt
import resource
import smtplib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from newsletter import config
from newsletter.delivery import departure, ledger, loop
from newsletter.delivery.ledger import Lane, Opened
from newsletter.delivery.outcome import Envelope, Kind
from newsletter.delivery.press import Press
from newsletter.delivery.transports.smtp import Relay, SmtpTransport
from newsletter.issue.edition import ApprovedIssue, Edition, leave_url
from newsletter.store import Store, open_store
from newsletter.store.tables import subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.journal import Journal
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
def sink(folder: Path, *faults: str) -> Iterator[int]:
    """A sink in its own process; its port. `faults` as bench.sink takes them."""
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "bench.sink", str(port_file), *faults])
    try:
        until = time.monotonic() + 10
        while not port_file.exists():
            if time.monotonic() > until:
                raise TimeoutError("the sink does not start")
            time.sleep(0.01)
        yield int(port_file.read_text("ascii"))
    finally:
        process.kill()
        process.wait()


def edition() -> Edition:
    words = "A sentence of plain words that says nothing at all. " * 4
    link = leave_url("http://127.0.0.1:8000")
    text = f"{words}\n" * 65 + f"\nLeave:\n{link}\n"
    html = f"<p>{words}</p>\n" * 65 + f'<a href="{link}">leave</a>\n'
    return Edition("en", "Bench", "", html, text, "")


class House:
    """A publication in `folder` with its store and vault."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not (folder / "newsletter.toml").exists():
            (folder / "newsletter.toml").write_text(TOML, "utf-8")
        self.settings = config.load(folder)
        people_folder = folder / "people"
        people_folder.mkdir(mode=0o700, exist_ok=True)
        self.store: Store = open_store(f"sqlite:///{people_folder / 'newsletter.db'}")
        self.store.migrate()
        self.vault: Vault = unlock(self.store, RootKey(bytes(32)), NOW)

    def readers(self, number: int) -> House:
        """Confirmed subscribers reader0@example.org ..."""
        for first in range(0, number, 5000):
            rows = []
            for at in range(first, min(first + 5000, number)):
                mailbox = f"reader{at}@example.org"
                row = people.new_row(self.vault, Address(mailbox, mailbox), "en", NOW)
                rows.append(row | {"state": "confirmed", "confirmed_at": NOW, "consent_epoch": 1})
            with self.store.write() as tx:
                tx.execute(sa.insert(subscribers), rows)
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

    def send(self, port: int, connections: int, now: dt.datetime = NOW) -> loop.Report:
        press = Press(self.settings, self.vault)
        with self.store.read() as tx:
            press.load(tx, PERIOD)
        return loop.send(
            self.store,
            press,
            transport(port),
            [Lane(PERIOD)],
            pace=loop.Pace(connections),
            clock=lambda: now,
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


def in_threads(number: int, work: Callable[[], None]) -> float:
    threads = [threading.Thread(target=work) for _ in range(number)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def bare(port: int, connections: int, count: int, body: bytes) -> float:
    """Messages a second of plain smtplib."""

    def work() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="bench") as talk:
            for _ in range(count // connections):
                talk.sendmail("letter@example.org", ["reader@example.org"], body)

    return count / in_threads(connections, work)


def walked(port: int, connections: int, count: int, body: bytes) -> float:
    """Messages a second of our transport alone."""

    def work() -> None:
        talk = transport(port).connect()
        for _ in range(count // connections):
            outcome = talk.send(Envelope("letter@example.org", "reader@example.org"), body)
            assert outcome.kind is Kind.ACCEPTED
        talk.close()

    return count / in_threads(connections, work)


def leaves_while_sending(house: House, port: int, connections: int) -> list[float]:
    """Seconds that one-click leaves took while the loop ran at full speed."""
    took: list[float] = []
    done = threading.Event()
    journal = Journal(house.settings.path("journal.jsonl"))
    with house.store.read() as tx:
        links = [bytes(link) for link in tx.scalars(sa.select(subscribers.c.link_id))]

    def leaving() -> None:
        for link in links:
            began = time.perf_counter()
            departure.leave(house.store, journal, link, NOW, "one-click")
            took.append(time.perf_counter() - began)
            if done.wait(0.01):
                return

    thread = threading.Thread(target=leaving)
    thread.start()
    house.send(port, connections)
    done.set()
    thread.join()
    return sorted(took)


def in_own_process(folder: Path, port: int) -> tuple[float, float, float]:
    """(seconds of opening, messages a second, peak MB) of a process that opens and sends."""
    out = subprocess.run(
        [sys.executable, "-m", "bench.delivery", "child", str(folder), str(port)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    opening, rate, peak = map(float, out.split())
    return opening, rate, peak


def child(folder: str, port: str) -> None:
    house = House(Path(folder))
    opening = house.open()
    report = house.send(int(port), 4)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(opening, report.accepted / report.seconds, peak)


def main(readers: int = 5000, many: int = 0) -> None:
    """`many`: also measure the memory of a send to so many readers."""
    body = message()
    print(f"{len(body):,} bytes a message, {readers:,} readers")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with sink(folder) as port:
            for connections in (1, 4, 8):
                without = bare(port, connections, readers, body)
                ours = walked(port, connections, readers, body)
                house = House(folder / f"house{connections}").readers(readers)
                opening = house.open()
                report = house.send(port, connections)
                assert report.accepted == readers
                house.store.close()
                rate = readers / report.seconds
                print(
                    f"{connections} connections: bare {without:,.0f}/s  walked {ours:,.0f}/s  "
                    f"ledger {rate:,.0f}/s  = {rate / without:.2f} of bare  "
                    f"(opening {opening:.2f} s)"
                )
            house = House(folder / "leaving").readers(readers)
            house.open()
            took = leaves_while_sending(house, port, 4)
            house.store.close()
            print(
                f"leave while sending: {len(took)} leaves, "
                f"median {statistics.median(took) * 1000:.1f} ms, "
                f"p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms"
            )
            for number in filter(None, (1000, many)):
                place = folder / f"many{number}"
                House(place).readers(number).store.close()
                seconds, rate, peak = in_own_process(place, port)
                print(
                    f"{number:,} readers in a process of its own: opening {seconds:.2f} s, "
                    f"{rate:,.0f}/s, peak {peak:.0f} MB"
                )


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
