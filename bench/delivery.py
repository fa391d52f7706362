"""How fast the ledger lets mail go, against the limit: python -m bench.delivery [READERS [ROUNDS]]

Everything on this machine, mails of 30 KB, over 8 and then 16 connections, three
after one another in every round and the median of all rounds:

    limit        Postfix's smtp-source against Postfix's smtp-sink
    SQLite       our whole loop against the same sink: claims and witness fsynced,
                 a guard and a commit for each mail, addresses opened, links of their own
    PostgreSQL   the same, every commit durable

Then, through a proxy that makes a round trip of 20 ms, on 20 connections: our
loop, and the same loop on plain smtplib.sendmail. And how long a leave takes
while the loop runs at full speed.
"""

from __future__ import annotations

import smtplib
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from bench import postgres
from bench.post import (
    NOW,
    PERIOD,
    House,
    message,
    own_process,
    postfix,
    postfix_sink,
    sink,
    source,
    transport,
)
from newsletter.delivery import departure
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport
from newsletter.errors import Finding
from newsletter.store.tables import subscribers
from newsletter.subscribers.journal import Journal

__all__ = ["NOW", "PERIOD", "House", "sink", "transport"]

CONNECTIONS, MANY_CONNECTIONS, FAR_CONNECTIONS = 8, 16, 20
ROUND_TRIP_MS = 20


class Plain:
    """What a program does that knows `smtplib.sendmail` and nothing else."""

    name = "plain"

    def __init__(self, port: int) -> None:
        self._port = port
        self._talk: smtplib.SMTP | None = None

    def connect(self) -> Plain:
        return Plain(self._port)

    def explain(self, outcome: Outcome) -> Finding:
        return Finding("NL620", outcome.reply)

    def ready(self) -> Outcome | None:
        if self._talk is None:
            self._talk = smtplib.SMTP("127.0.0.1", self._port, local_hostname="bench")
        return None

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        assert self._talk is not None
        self._talk.sendmail(envelope.sender, [envelope.recipient], message)
        return Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250)

    def abort(self) -> None:
        pass

    def close(self) -> None:
        if self._talk is not None:
            self._talk.quit()


def rate(house: House, road: int | Transport, connections: int, readers: int) -> float:
    """Messages a second of a whole send of `house`, which is closed behind it."""
    house.readers(readers)
    house.open()
    report = house.send(road, connections)
    house.store.close()
    assert report.accepted == readers, report
    return readers / report.seconds


def against_the_limit(scratch: Path, connections: int, readers: int, rounds: int) -> None:
    if postfix("smtp-source") is None or postfix("smtp-sink") is None:
        print("Postfix's smtp-source and smtp-sink are not here (PATH, POSTFIX_TOOLS): no limit")
        return
    size = len(message())
    limits, ours, theirs = [], [], []
    with postfix_sink() as port, postgres.server() as server:
        source(port, connections, readers, size)  # once to get warm
        for number in range(rounds):
            limits.append(source(port, connections, readers, size))
            ours.append(
                rate(House(scratch / f"lite{connections}-{number}"), port, connections, readers)
            )
            house = House(
                scratch / f"post{connections}-{number}", postgres.database(server, f"bench{number}")
            )
            theirs.append(rate(house, port, connections, readers))
            print(
                f"  round {number + 1}: limit {limits[-1]:,.0f}/s  SQLite {ours[-1]:,.0f}/s  "
                f"PostgreSQL {theirs[-1]:,.0f}/s",
                flush=True,
            )
    limit = statistics.median(limits)
    lite = statistics.median(each / top for each, top in zip(ours, limits, strict=True))
    post = statistics.median(each / top for each, top in zip(theirs, limits, strict=True))
    print(
        f"{readers:,} mails of {size:,} bytes, {connections} connections, medians of {rounds}: "
        f"smtp-source {limit:,.0f}/s; SQLite {lite:.2f} of it (at least 0.85 is asked); "
        f"PostgreSQL {post:.2f} (at least 0.5)"
    )


def far_away(scratch: Path, readers: int) -> None:
    with sink(scratch) as near:
        delay = ("bench.delay", str(near), str(ROUND_TRIP_MS))
        with own_process(scratch, *delay) as port:
            plain = rate(House(scratch / "plain"), Plain(port), FAR_CONNECTIONS, readers)
            ours = rate(House(scratch / "far"), port, FAR_CONNECTIONS, readers)
    print(
        f"{ROUND_TRIP_MS} ms away, {FAR_CONNECTIONS} connections: ours {ours:,.0f}/s, "
        f"the same loop on smtplib.sendmail {plain:,.0f}/s = {ours / plain:.2f} times (2 are asked)"
    )


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


def leaving(scratch: Path, readers: int) -> None:
    with sink(scratch) as port:
        house = House(scratch / "leaving").readers(readers)
        house.open()
        took = leaves_while_sending(house, port, CONNECTIONS)
        house.store.close()
    print(
        f"leave while sending: {len(took)} leaves, "
        f"median {statistics.median(took) * 1000:.1f} ms, "
        f"p99 {took[int(len(took) * 0.99)] * 1000:.1f} ms, worst {took[-1] * 1000:.1f} ms"
    )


def main(readers: int = 8000, rounds: int = 3) -> None:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for connections in (CONNECTIONS, MANY_CONNECTIONS):
            against_the_limit(scratch, connections, readers, rounds)
        far_away(scratch, min(readers, 4000))
        leaving(scratch, readers)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
