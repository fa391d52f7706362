"""What others lose and double, tried on ours: python -m bench.kills [SENDS [DATABASE SENDERS]]

2,000 readers, mails of 30 KB, a sink that logs each recipient before its 250.

    single   SENDS sends, each killed once (SIGKILL, whole group) and started again by the same command
    chain    SENDS sends, each killed 20 times
    drops    the sink hangs up after 2 % of the final dots
    later    the sink answers 451 to 5 % of the recipients, once

The kill comes at a drawn count of logged recipients and a drawn delay of up to
10 ms. With more than one sender they work at the same time, one of them is
killed, and another takes its place. DATABASE is sqlite or postgresql; without
it both are tried, SQLite with one sender and PostgreSQL with three. Readers are
judged by the sink's log, claims by the ledger: docs/proof.md says what others
came to in the same runs. It fails when a reader has two copies, or none and no
state that says so.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from bench import postgres
from bench.post import NOW, PERIOD, House, sink
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Sum, whereabouts
from newsletter.store import open_store
from newsletter.store.tables import deliveries, subscribers
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

READERS = 2000
CONNECTIONS = 4
CHAIN = 20
SAID = ("in_doubt", "rejected", "excluded")
"""The states that name a reader who may have no copy."""


def house(folder: Path, url: str) -> House:
    made = House(folder)
    if url:
        made.store.close()
        made.store = open_store(url)
        made.vault = unlock(made.store, RootKey(bytes(32)), NOW)
    return made


def child(folder: str, port: str, minutes: str, url: str) -> None:
    now = NOW + dt.timedelta(minutes=int(minutes))
    made = house(Path(folder), url)
    with made.store.write() as tx:
        ledger.recover(tx, whereabouts.here(), now)
    made.send(int(port), CONNECTIONS, now)


@dataclass(frozen=True, slots=True)
class Place:
    """One publication with an open issue, and where its mails go."""

    folder: Path
    url: str
    port: int
    log: Path

    def start(self, minutes: int = 0) -> subprocess.Popen[bytes]:
        arguments = [str(self.folder), str(self.port), str(minutes), self.url]
        return subprocess.Popen(
            [sys.executable, "-m", "bench.kills", "child", *arguments], start_new_session=True
        )

    def mails(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0


@dataclass(frozen=True, slots=True)
class Result:
    kills: int
    copies: Counter[str]
    account: Sum
    unsaid: int
    """Readers without a copy who are in none of the states of `SAID`."""

    @property
    def doubled(self) -> int:
        return sum(1 for count in self.copies.values() if count > 1)

    @property
    def lawful(self) -> bool:
        told = self.account.exact and not self.account.pending and not self.unsaid
        return told and not self.doubled and self.account.in_doubt <= self.most_in_doubt

    @property
    def most_in_doubt(self) -> int:
        return CONNECTIONS * self.kills if self.kills else READERS

    def __str__(self) -> str:
        found, more = self.account, self.doubled
        return (
            f"0/1/2+ copies: {READERS - len(self.copies)}/{len(self.copies) - more}/{more}  "
            f"accepted {found.accepted}, in doubt {found.in_doubt}, rejected {found.rejected}, "
            f"pending {found.pending}, sum {'exact' if found.exact else 'WRONG'}"
            f"{'' if self.lawful else '  BROKEN'}"
        )


class Ground:
    """A template with readers and an open issue, copied for every send."""

    def __init__(self, scratch: Path, server: str) -> None:
        self.scratch, self.server, self.number = scratch, server, 0
        url = postgres.database(server, "kills_template") if server else ""
        template = house(scratch / "template", url).readers(READERS)
        template.open()
        template.store.close()

    @contextmanager
    def send(self, *faults: str) -> Iterator[Place]:
        self.number += 1
        folder = self.scratch / f"send{self.number}"
        shutil.copytree(self.scratch / "template", folder)
        url = ""
        if self.server:
            url = postgres.database(self.server, f"kills{self.number}", "kills_template")
        log = folder.with_suffix(".log")
        with sink(self.scratch, str(log), *faults) as port:
            yield Place(folder, url, port, log)
        shutil.rmtree(folder)


def judge(place: Place, kills: int) -> Result:
    copies = Counter(place.log.read_text("ascii").split())
    made = house(place.folder, place.url)
    with made.store.read() as tx:
        account = ledger.sums(tx, PERIOD)
        rows = tx.execute(
            sa.select(deliveries.c.state, deliveries.c.subscriber_id, subscribers.c.address).join(
                subscribers, subscribers.c.id == deliveries.c.subscriber_id
            )
        ).all()
    unsaid = sum(
        row.state not in SAID
        for row in rows
        if not copies[made.vault.open_address(row.subscriber_id, row.address)]
    )
    made.store.close()
    assert account is not None
    return Result(kills, copies, account, unsaid)


def killed(place: Place, kills: int, senders: int, dice: random.Random) -> Result:
    """Start; kill one at each target and start another; to the end."""
    running = [place.start() for _ in range(senders)]
    hits = 0
    for target in sorted(dice.sample(range(READERS // 50, READERS * 49 // 50), kills)):
        if _reached(place, target, running):
            time.sleep(dice.uniform(0, 0.01))
            victim = dice.choice(running)
            if victim.poll() is None:
                os.killpg(victim.pid, signal.SIGKILL)
                hits += 1
            victim.wait()
            running[running.index(victim)] = place.start()
    for process in running:
        process.wait()
    place.start().wait()  # what the last of several left
    return judge(place, hits)


def _reached(place: Place, target: int, running: list[subprocess.Popen[bytes]]) -> bool:
    """Whether so many mails came while somebody was still sending."""
    while any(process.poll() is None for process in running):
        if place.mails() >= target:
            return True
        time.sleep(0.002)
    return False


def told(label: str, results: list[Result]) -> bool:
    """The sum of many sends on one line."""
    doubts = [each.account.in_doubt for each in results]
    unserved = [READERS - len(each.copies) for each in results]
    print(
        f"{label}: {len(results)} sends, {sum(each.kills for each in results)} kills: "
        f"{sum(each.doubled for each in results)} doubled, {sum(each.unsaid for each in results)} "
        f"silently skipped; in doubt {min(doubts)} to {max(doubts)} a send, "
        f"of them without a copy {min(unserved)} to {max(unserved)}; sums "
        f"{'exact' if all(each.account.exact for each in results) else 'WRONG'}",
        flush=True,
    )
    return all(each.lawful for each in results)


def run(server: str, senders: int, sends: int) -> bool:
    dice = random.Random(1)
    lawful = True
    with tempfile.TemporaryDirectory() as name:
        ground = Ground(Path(name), server)
        where = f"{'PostgreSQL' if server else 'SQLite'}, {senders} sender{'s' * (senders > 1)}"
        print(f"{where}, {READERS:,} readers, {CONNECTIONS} connections", flush=True)
        for label, kills in (("single", 1), ("chain", CHAIN)):
            results = []
            for _ in range(sends):
                with ground.send() as place:
                    results.append(killed(place, kills, senders, dice))
                if not results[-1].lawful:
                    print(results[-1], flush=True)
            lawful &= told(label, results)
        for label, faults in (("2 % drops", ("0.02", "0")), ("5 % later", ("0", "0.05"))):
            with ground.send(*faults) as place:
                for minutes in (0, 30, 120):
                    for process in [place.start(minutes) for _ in range(senders)]:
                        process.wait()
                result = judge(place, 0)
            print(f"{label}: {result}", flush=True)
            lawful &= result.lawful
    return lawful


def main(sends: int = 1, database: str = "", senders: int = 0) -> int:
    lawful = True
    if database in ("", "sqlite"):
        lawful &= run("", senders or 1, sends)
    if database in ("", "postgresql"):
        with postgres.server() as server:
            lawful &= run(server, senders or 3, sends)
    return not lawful


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
        sys.exit()
    wanted = sys.argv[1:]
    sys.exit(main(int(wanted[0]) if wanted else 1, *wanted[1:2], *map(int, wanted[2:3])))
