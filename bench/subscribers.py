"""A long list: python -m bench.subscribers [ROWS]

Imports ROWS (default 1,000,000) with evidence into an empty SQLite store, and
prints the time, the rate, and the highest memory of the process; then how long
it takes to find one reader by address among 10^3, 10^4, ... ROWS; then what one
durable request, confirmation and leave cost, one after the other on one thread.

Wanted: a million rows in 90 s and 200 MB on two cores; a look-up that does not
grow with the list.
"""

from __future__ import annotations

import datetime as dt
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from newsletter.store import Store, open_store
from newsletter.subscribers import address, people, wordings
from newsletter.subscribers.importing import import_file
from newsletter.subscribers.journal import Journal, Kind
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault, unlock

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
WORDING = wordings.shown("en", "1", "I agree to get the letter once a month.")


def main(rows: int) -> None:
    sizes = [10**power for power in range(3, 10) if 10**power < rows] + [rows]
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="newsletter-bench-") as name:
            folder = Path(name)
            store = open_store(f"sqlite:///{folder}/people/newsletter.db")
            store.migrate()
            vault = unlock(store, RootKey(b"k" * 32), NOW)
            seconds, cpu = fill(store, vault, folder, size)
            found = look_up(store, vault, size)
            print(
                f"{size:>9,} rows: import {seconds:6.1f} s ({cpu:.1f} s of it on the processor),"
                f" {size / seconds:>7,.0f}/s, {peak():.0f} MB at most;"
                f" one reader found in {found * 1e6:.0f} µs"
            )
            if size == rows:
                one_by_one(store, vault, folder)
            store.close()


def fill(store: Store, vault: Vault, folder: Path, rows: int) -> tuple[float, float]:
    """Write a list, import it; seconds and processor seconds of the import."""
    path = folder / "list.csv"
    with path.open("w") as file:
        file.write("address,language,consent_text,consented_at,method\n")
        for number in range(rows):
            file.write(
                f"{reader(number)},en,{WORDING.text},2026-{number % 9 + 1:02d}-{number % 28 + 1:02d}"
                f"T{number % 24:02d}:{number % 60:02d}Z,paper form\n"
            )
    start, cpu = time.perf_counter(), time.process_time()
    report = import_file(store, vault, path, NOW, languages=("en",))
    assert report.imported == rows, report
    path.unlink()
    return time.perf_counter() - start, time.process_time() - cpu


def reader(number: int) -> str:
    return f"reader.{number:07d}@mail{number % 300}.example.org"


def look_up(store: Store, vault: Vault, rows: int) -> float:
    """Median seconds to find a reader by address, drawn at random."""
    draw = random.Random(1)
    times = []
    for _ in range(2000):
        read = address.read(reader(draw.randrange(rows)))
        assert isinstance(read, address.Address)
        start = time.perf_counter()
        with store.read() as tx:
            assert people.find_by_address(tx, vault, read)
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def one_by_one(store: Store, vault: Vault, folder: Path, count: int = 2000) -> None:
    """Each in a durable transaction of its own, as the web app has them."""
    journal = Journal(folder / "journal.jsonl")
    with store.write() as tx:
        wordings.register(tx, [WORDING], NOW)
    asked: list[people.Asked] = []

    def ask(number: int) -> None:
        read = address.read(f"new{number}@example.org")
        assert isinstance(read, address.Address)
        with store.write() as tx:
            asked.append(people.ask(tx, vault, read, "en", WORDING.hash, NOW))

    def confirm(number: int) -> None:
        link = asked[number].confirmation_id
        assert link is not None
        with store.write() as tx:
            people.confirm(tx, link, NOW)

    def leave(number: int) -> None:
        who = asked[number].subscriber_id
        assert who is not None
        with store.write() as tx:
            found = people.find(tx, who)
            assert found is not None
            key, epoch = found.suppression_key, found.consent_epoch
            journal.append(Kind.LEAVE, who, key, epoch=epoch, now=NOW)
            people.leave(tx, who, NOW, "one-click")

    for name, act in (("ask", ask), ("confirm", confirm), ("leave", leave)):
        times = list(timed(act, count))
        worst = sorted(times)[int(count * 0.99)]
        print(
            f"{name:>9}: {count / sum(times):,.0f}/s on one thread,"
            f" {worst * 1e3:.1f} ms at the 99th percentile"
        )


def timed(act: Callable[[int], None], count: int) -> Iterator[float]:
    for number in range(count):
        start = time.perf_counter()
        act(number)
        yield time.perf_counter() - start


def peak() -> float:
    """The highest resident memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
