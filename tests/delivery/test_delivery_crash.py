"""SIGKILL between any two touches of disk or network, then send again: the law holds.

The suite tries evenly spaced points of about 1,200;
`python tests/delivery/test_delivery_crash.py` tries every one of them.
"""

from __future__ import annotations

import datetime as dt
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from delivery_house import House
from month_files import DECEMBER, DUE, FILES, TOML
from scripted_relay import Scripted, relay

from newsletter import config
from newsletter.delivery import ledger
from newsletter.flows.approve import approve
from newsletter.store import open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

READERS = 7
CONNECTIONS = 2
POINTS = 20


def publication(root: Path) -> None:
    """A publication with readers and an approved issue that is due."""
    (root / "subscribers").mkdir(parents=True, mode=0o700)
    (root / "newsletter.toml").write_text(TOML, "utf-8")
    for name, content in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(content), "utf-8")
    settings = config.load(root)
    store = open_store(f"sqlite:///{root}/subscribers/newsletter.db")
    store.migrate()
    vault = unlock(store, RootKey(bytes(range(32))), DUE)
    House(settings, store, vault, DUE).readers(READERS)
    approve(settings, DECEMBER, "Editor", DUE - dt.timedelta(days=2))
    store.close()


class Server:
    """crash_server.py, and one trial after another."""

    def __init__(self, template: Path, scratch: Path) -> None:
        self._template, self._scratch, self._number = template, scratch, 0
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def _run(self, root: Path, server: Scripted, kill_at: int) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{root} {server.port} {CONNECTIONS} {kill_at}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def events(self) -> int:
        """How many there are in a send that nobody kills."""
        with relay() as server:
            return int(self._run(self._fresh(), server, 0))

    def _fresh(self) -> Path:
        self._number += 1
        root = self._scratch / str(self._number)
        shutil.copytree(self._template, root)
        (root / "subscribers").chmod(0o700)
        return root

    def trial(self, kill_at: int) -> bool:
        """Kill at the event, send again, judge. False when the event never came."""
        root = self._fresh()
        with relay() as server:
            killed = self._run(root, server, kill_at) == "killed"
            again = self._run(root, server, 0)
            assert again.isdigit(), f"event {kill_at}: the second send {again}"
        judge(root, server, kill_at)
        shutil.rmtree(root)
        return killed


def judge(root: Path, server: Scripted, kill_at: int) -> None:
    store = open_store(f"sqlite:///{root}/subscribers/newsletter.db")
    with store.read() as tx:
        account = ledger.sums(tx, str(DECEMBER))
    store.close()
    copies = Counter(to for to, _ in server.delivered)
    assert account is not None, kill_at
    assert max(copies.values()) == 1, f"event {kill_at}: {copies}"
    assert account.exact
    assert account.audience == READERS
    assert account.pending == 0, f"event {kill_at}: {account}"
    assert account.in_doubt <= CONNECTIONS, f"event {kill_at}: {account}"
    assert account.accepted + account.in_doubt == READERS
    assert READERS - len(copies) <= account.in_doubt
    assert (root / "content/record/2026-12.json").is_file()


@contextmanager
def crashes() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        publication(scratch / "template")
        server = Server(scratch / "template", scratch)
        try:
            yield server
        finally:
            server.close()


def test_killed_between_any_two_touches_of_disk_or_network() -> None:
    with crashes() as server:
        events = server.events()
        killed = [server.trial(point) for point in range(7, events, events // POINTS)]
    assert sum(killed) >= POINTS * 0.8


if __name__ == "__main__":
    stride = int(sys.argv[1]) if sys.argv[1:] else 1
    with crashes() as every:
        total = every.events()
        done = sum(every.trial(point) for point in range(1, total + 1, stride))
        print(f"{total} events, {done} kills: at most one copy, nobody lost, every sum exact")
