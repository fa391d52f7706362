"""What others lose and double, tried on ours: python -m bench.kills [SENDS KILLS]

2,000 readers, mails of 30 KB, a sink that logs each recipient before its 250.

    kills    SENDS sends, each killed (SIGKILL, whole group) KILLS times at a drawn
             moment and started again by the same command
    drops    the sink hangs up after 2 % of the final dots
    later    the sink answers 451 to 5 % of the recipients, once

Readers are judged by the sink's log, claims by the ledger.
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
from pathlib import Path

from bench.delivery import NOW, PERIOD, House, sink
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Sum

READERS = 2000
CONNECTIONS = 4


def child(folder: str, port: str, minutes: str = "0") -> None:
    House(Path(folder)).send(int(port), CONNECTIONS, NOW + dt.timedelta(minutes=int(minutes)))


def start(folder: Path, port: int, minutes: int = 0) -> subprocess.Popen[bytes]:
    arguments = [str(folder), str(port), str(minutes)]
    return subprocess.Popen(
        [sys.executable, "-m", "bench.kills", "child", *arguments], start_new_session=True
    )


def account(folder: Path) -> Sum:
    house = House(folder)
    with house.store.read() as tx:
        found = ledger.sums(tx, PERIOD)
    house.store.close()
    assert found is not None
    return found


def served(log: Path) -> Counter[str]:
    return Counter(log.read_text("ascii").split() if log.exists() else [])


def kill_at(process: subprocess.Popen[bytes], log: Path, target: int, delay: float) -> bool:
    """Kill the group once `target` recipients are logged; False when it ended before."""
    while process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= target:
            time.sleep(delay)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return True
        time.sleep(0.002)
    return False


def chain(folder: Path, kills: int, dice: random.Random) -> tuple[Counter[str], Sum, int]:
    log = folder.with_suffix(".log")
    with sink(folder.parent, str(log)) as port:
        hits = 0
        for target in sorted(dice.sample(range(READERS // 50, READERS * 49 // 50), kills)):
            hits += kill_at(start(folder, port), log, target, dice.uniform(0, 0.01))
        start(folder, port).wait()
    return served(log), account(folder), hits


def line(copies: Counter[str], found: Sum) -> str:
    more = sum(1 for count in copies.values() if count > 1)
    return (
        f"0/1/2+ copies: {READERS - len(copies)}/{len(copies) - more}/{more}  "
        f"accepted {found.accepted}, in doubt {found.in_doubt}, rejected {found.rejected}, "
        f"pending {found.pending}, sum {'exact' if found.exact else 'WRONG'}"
    )


def main(sends: int = 1, kills: int = 20) -> None:
    dice = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        template = House(scratch / "template").readers(READERS)
        template.open()
        template.store.close()
        for number in range(sends):
            folder = scratch / f"chain{number}"
            shutil.copytree(scratch / "template", folder)
            copies, found, hits = chain(folder, kills, dice)
            print(f"send {number + 1}, {hits} kills: {line(copies, found)}", flush=True)
        for label, faults in (("2 % drops", ("0.02", "0")), ("5 % later", ("0", "0.05"))):
            folder = scratch / label[:1]
            shutil.copytree(scratch / "template", folder)
            log = folder.with_suffix(".log")
            with sink(scratch, str(log), *faults) as port:
                for minutes in (0, 5, 20):
                    start(folder, port, minutes).wait()
            print(f"{label}: {line(served(log), account(folder))}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(*sys.argv[2:])
    else:
        main(*map(int, sys.argv[1:]))
