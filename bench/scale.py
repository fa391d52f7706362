"""Whether a long list costs more per reader than a short one: python -m bench.scale [--whole] [--postgresql] [READERS ...]

For each number of readers, in a process of its own: how long the audience
takes to be fixed, when the first message has left after that, the processor
time of a message early and late in the send, and the peak of memory. A list
longer than twice the stretch is sent at both its ends only: in between its
rows are put down as accepted. With --whole nothing is put down, every message
is sent, and the rate of each tenth of the way is printed.
"""

from __future__ import annotations

import itertools
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from bench import postgres
from bench.post import PERIOD, House, sink
from newsletter.delivery import ledger
from newsletter.store.tables import deliveries

STRETCH = 5000
CONNECTIONS = 8


def stretch(house: House, port: int, most: int) -> tuple[float, float]:
    """Seconds to the first answer, and microseconds of our processor time a message, of `most` messages."""
    stop, first = threading.Event(), 0.0
    began, before = time.perf_counter(), time.process_time()

    def progress(done: int, total: int, what: str) -> None:
        nonlocal first
        first = first or time.perf_counter() - began
        if done >= most:
            stop.set()

    report = house.send(port, CONNECTIONS, stop=stop, progress=progress)
    return first, (time.process_time() - before) / max(1, report.accepted) * 1e6


def whole(house: House, port: int, readers: int) -> str:
    """Everybody is served; the messages a second of each tenth, and what the ledger says."""
    marks: list[tuple[int, float]] = [(0, time.perf_counter())]

    def progress(done: int, total: int, what: str) -> None:
        if done >= readers * len(marks) // 10:
            marks.append((done, time.perf_counter()))

    report = house.send(port, CONNECTIONS, progress=progress)
    with house.store.read() as tx:
        account = ledger.sums(tx, PERIOD)
    assert account is not None
    tenths = [
        f"{(done - before) / (now - then):,.0f}"
        for (before, then), (done, now) in itertools.pairwise(marks)
    ]
    return (
        f"{account.accepted:,} accepted in {report.seconds:.0f} s, the sum"
        f" {'exact' if account.exact and not account.pending else 'OPEN'}; messages a second by"
        f" tenths: {' '.join(tenths)}"
    )


def skip_all_but(house: House, rest: int) -> None:
    with house.store.write() as tx:
        waiting = sa.select(deliveries.c.id).where(deliveries.c.state == "queued")
        last = waiting.order_by(deliveries.c.id.desc()).limit(rest)
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.state == "queued", deliveries.c.id.not_in(last))
            .values(state="accepted")
        )


def child(folder: str, url: str, port: str, readers: str, way: str) -> None:
    house, number = House(Path(folder), url or None), int(readers)
    opening = house.open()
    if way == "whole":
        first, told = 0.0, whole(house, int(port), number)
    else:
        first, early = stretch(house, int(port), STRETCH)
        if number > 2 * STRETCH:
            skip_all_but(house, STRETCH)
        late = stretch(house, int(port), STRETCH)[1] if number > STRETCH else early
        told = (
            f"first message after {first:.2f} s at most, {early:.0f} us of processor a message"
            f" early and {late:.0f} late"
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{number:>9,} readers, {house.store.dialect}: audience fixed in {opening:.2f} s, {told},"
        f" peak {peak:.0f} MB",
        flush=True,
    )


@contextmanager
def database(wanted: bool) -> Iterator[str]:
    """A URL of a fresh PostgreSQL database; "" for SQLite in the house's folder."""
    if not wanted:
        yield ""
        return
    with postgres.server() as server:
        yield postgres.database(server, "scale")


def main(*arguments: str) -> None:
    flags = {each for each in arguments if each.startswith("--")}
    way = "whole" if "--whole" in flags else "ends"
    for number in [int(each) for each in arguments if each not in flags] or [1000, 100_000]:
        with (
            tempfile.TemporaryDirectory() as name,
            sink(Path(name)) as port,
            database("--postgresql" in flags) as url,
        ):
            House(Path(name) / "house", url or None).readers(number).store.close()
            told = [str(Path(name) / "house"), url, str(port), str(number), way]
            subprocess.run([sys.executable, "-m", "bench.scale", "child", *told], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main(*sys.argv[1:])
