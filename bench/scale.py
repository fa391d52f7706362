"""Whether a long list costs more per reader than a short one: python -m bench.scale [READERS ...]

For each number of readers, in a process of its own: how long the audience
takes to be fixed, when the first message has left after that, the processor
time of a message early and late in the send, and the peak of memory. A list
longer than twice the stretch is sent at both its ends only: in between its
rows are put down as accepted.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from bench.post import House, sink
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


def skip_all_but(house: House, rest: int) -> None:
    with house.store.write() as tx:
        waiting = sa.select(deliveries.c.id).where(deliveries.c.state == "queued")
        last = waiting.order_by(deliveries.c.id.desc()).limit(rest)
        tx.execute(
            sa.update(deliveries)
            .where(deliveries.c.state == "queued", deliveries.c.id.not_in(last))
            .values(state="accepted")
        )


def child(folder: str, port: str, readers: str) -> None:
    house = House(Path(folder))
    opening = house.open()
    first, early = stretch(house, int(port), STRETCH)
    if int(readers) > 2 * STRETCH:
        skip_all_but(house, STRETCH)
    late = stretch(house, int(port), STRETCH)[1] if int(readers) > STRETCH else early
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{int(readers):>9,} readers: audience fixed in {opening:.2f} s, first message after"
        f" {first:.2f} s at most, {early:.0f} us of processor a message early and {late:.0f} late,"
        f" peak {peak:.0f} MB",
        flush=True,
    )


def main(*numbers: int) -> None:
    for number in numbers or (1000, 100_000):
        with tempfile.TemporaryDirectory() as name, sink(Path(name)) as port:
            House(Path(name) / "house").readers(number).store.close()
            arguments = [str(Path(name) / "house"), str(port), str(number)]
            subprocess.run([sys.executable, "-m", "bench.scale", "child", *arguments], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
