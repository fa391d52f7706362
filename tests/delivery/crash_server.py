"""Forks a sender for every order it reads, to be killed or stopped at a counted event.

    in    {"do": "start", ...Order}      out   {"pid": 4711}
    in    {"do": "wait", "pid": 4711, "seconds": 20}
                                         out   {"how": "ended" | "refused" | "broke" | "stopped" | "killed" | "busy"}

The child runs the whole flow of `newsletter send` and is traced: every call
and return of a function that touches the disk, the database or the network is
an event. At event `at` the child sends itself `signal`; 0 means never. So
"between any two statements, between any two verbs" is a number, and nothing in
the product knows of it.

The child's clocks (the wall's, the monotonic one, the boot-time one) run ahead
by the seconds in `skew`, a file that the parent may rewrite while the child is
stopped: so twenty minutes pass in none.

For a loss of power on SQLite the child notes in `durable` how long the write-
ahead log was after each commit that was flushed (`synchronous=FULL`), and
keeps the content of every other file at its last fsync, every folder's names
at its.
"""

from __future__ import annotations

import datetime as dt
import faulthandler
import hashlib
import itertools
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sqlite3
import stat
import struct
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any

from sqlalchemy.exc import DatabaseError

sys.path.insert(0, str(Path(__file__).parent))

from delivery_house import smtp
from month_files import DECEMBER, DUE
from scripted_relay import Scripted

from newsletter import config
from newsletter.delivery import desk
from newsletter.delivery.transports.smtp import Patience
from newsletter.errors import CouldNotRun
from newsletter.flows import send as flow
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent, send
from newsletter.store import engine, open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

WATCHED = frozenset(
    {"execute", "executemany", "commit", "rollback", "send", "sendall", "recv", "connect"}
    | {"_ask", "_flush", "_receive"}
    | {"copy", "fsync", "replace", "open", "write", "pwrite", "shutdown", "close", "unlink", "sync"}
)
VALUES = (str, bytes, bytearray, list, dict)
"""`"".replace` touches no disk."""
DRIVER = ("psycopg.", "newsletter.store.courier")
"""PostgreSQL's driver is written in Python; its calls count like C's. What the courier asks of libpq is
said by functions of its own, because libpq's are not traced."""


@dataclass(frozen=True, slots=True)
class Order:
    """One sender. `host` other than "" is another machine, as far as the sender knows."""

    root: str
    url: str
    port: int
    connections: int
    skew: str
    at: int = 0
    signal: int = signal.SIGKILL
    host: str = ""
    batch: int = 64
    """Claims for each connection."""
    durable: str = ""
    labels: bool = False
    """Answer what each event was."""
    refused: int = 0
    """Instead of a signal: for so many events the disk takes no byte, or PostgreSQL cuts every line."""


class Trace:
    """Counts events; at the one that is asked for, this process signals itself."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._count = itertools.count(1)
        self._refused = range(order.at, order.at + order.refused)
        self._log = Path(f"{order.url.removeprefix('sqlite:///')}-wal")
        self.last = 0
        self.labels: list[str] = []

    def start(self) -> None:
        threading.setprofile(self.event)
        sys.setprofile(self.event)

    def event(self, frame: FrameType, kind: str, function: Any) -> None:
        if kind in ("c_call", "c_return"):
            name = function.__name__
            if name not in WATCHED or isinstance(function.__self__, VALUES):
                return
        elif kind in ("call", "return"):
            name = frame.f_code.co_name
            if name not in WATCHED or not frame.f_globals["__name__"].startswith(DRIVER):
                return
        else:
            return
        after = kind.endswith("return")
        if kind == "c_return" and self._order.durable and name in ("commit", "execute"):
            self._note(function.__self__)
        self.last = number = next(self._count)
        struck = number == self._order.at
        if struck or self._order.labels:
            label = f"{'after' if after else 'before'} {name} {_what(frame)}".strip()
            self.labels.append(label)
        if struck:
            Path(f"{self._order.skew}-at").write_text(label, "utf-8")
            if not self._order.refused:
                os.kill(os.getpid(), self._order.signal)
        if number in self._refused:
            self._refuse()
        elif number == self._refused.stop:
            self.relent()

    def _refuse(self) -> None:
        """The database refuses, and this process lives on."""
        if self._order.url.startswith("sqlite"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
            return
        for entry in Path("/proc/self/fd").iterdir():
            with suppress(OSError):
                if entry.readlink().name.startswith("socket:"):
                    with socket.socket(fileno=os.dup(int(entry.name))) as line:
                        if ".s.PGSQL" in str(line.getpeername()):
                            line.shutdown(socket.SHUT_RDWR)

    def relent(self) -> None:
        """The database takes what it is told."""
        self._refused = range(0)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)

    def _note(self, driver: object) -> None:
        """How much of the write-ahead log is on the disk for certain."""
        if isinstance(driver, sqlite3.Connection) and not driver.in_transaction:
            (level,) = driver.execute("PRAGMA synchronous").fetchone()
            if level == 2 and self._log.exists():
                # One file for each sender, never shorter than its number.
                place = Path(self._order.durable) / f"log-{os.getpid()}"
                paper = os.open(place, os.O_WRONLY | os.O_CREAT, 0o600)
                os.pwrite(paper, f"{self._log.stat().st_size:>20}".encode(), 0)
                os.close(paper)


def _what(frame: FrameType) -> str:
    """What is executed or said there, as far as the caller's own variables tell."""
    there = frame.f_locals
    for name in ("statement", "text", "query", "sql"):
        if isinstance(there.get(name), str):
            return " ".join(there[name].split())[:60]
    for name in ("data", "s"):
        if isinstance(there.get(name), bytes | str):
            said = there[name] if isinstance(there[name], str) else there[name].decode("latin-1")
            return " ".join(line.split(" ")[0] for line in said.split("\r\n") if line)[:40]
    return ""


def other_clocks(skew: str) -> Any:
    """Set this process's clocks ahead by what stands in `skew`, now and whenever it changes."""
    with open(skew, "r+b") as file:  # noqa: PTH123 - mmap wants the descriptor
        ahead = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
    monotonic, gettime = time.monotonic, time.clock_gettime
    time.monotonic = lambda: monotonic() + struct.unpack("d", ahead[:])[0]
    time.clock_gettime = lambda clock: gettime(clock) + struct.unpack("d", ahead[:])[0]
    return lambda: DUE + dt.timedelta(seconds=struct.unpack("d", ahead[:])[0])


def keep_what_is_flushed(folder: Path) -> None:
    """From now on each fsync leaves a copy of what it made durable in `folder`."""
    fsync = os.fsync

    def kept(descriptor: int) -> None:
        fsync(descriptor)
        found = os.fstat(descriptor)
        if stat.S_ISDIR(found.st_mode):
            place = Path(f"/proc/self/fd/{descriptor}").readlink()
            names = {entry.name: entry.inode() for entry in os.scandir(place) if entry.is_file()}
            mark = hashlib.sha256(str(place).encode()).hexdigest()[:16]
            made, told = folder / f"names-{mark}", json.dumps([str(place), names]).encode()
        else:
            made = folder / f"file-{found.st_ino}"
            told = Path(f"/proc/self/fd/{descriptor}").read_bytes()
        beside = folder / f"new-{os.getpid()}"  # the blow may fall here as well
        beside.write_bytes(told)
        beside.replace(made)

    os.fsync = kept


def child(order: Order) -> dict[str, object]:
    faulthandler.enable()  # one that hangs is aborted, and says where it stood
    clock = other_clocks(order.skew)
    if order.host:
        platform.node = lambda: order.host
        engine.BUSY_SECONDS = 1  # it waits no longer for one that was stopped with the pen in hand
    assert desk.BATCH
    desk.BATCH = order.batch
    flow.SETTLE_SECONDS = 0.0  # three that begin at once would only wait for one another
    if order.durable:
        keep_what_is_flushed(Path(order.durable))
    settings = config.load(Path(order.root))
    delivery = settings.delivery.model_copy(update={"connections": order.connections})
    settings = settings.model_copy(update={"delivery": delivery})
    store = open_store(order.url)
    vault = unlock(store, RootKey(bytes(range(32))), DUE)
    relay = smtp(Scripted({}, port=order.port), Patience())
    parts = Parts(settings, store, vault, relay, clock, lambda: None, lambda _page: True)
    trace = Trace(order)
    trace.start()
    try:
        try:
            sent = send(parts, DECEMBER)
        except (DatabaseError, OSError, CouldNotRun):
            if not order.refused:
                raise
            trace.relent()
            sent = send(parts, DECEMBER)  # as `newsletter run` does, at its next tick
    finally:
        sys.setprofile(None)
    assert isinstance(sent, Sent), sent
    store.close()
    return {"how": "ended", "events": trace.last, "labels": trace.labels}


def start(order: Order) -> tuple[int, IO[bytes]]:
    """The child's process, and the file in which it says what it has to."""
    paper = tempfile.TemporaryFile()  # noqa: SIM115 - `wait` closes it
    pid = os.fork()
    if pid == 0:
        try:
            said = child(order)
        except CouldNotRun as error:
            said = {"how": "refused", "why": [finding.code for finding in error.findings]}
        except BaseException as error:  # noqa: BLE001 - told to the parent, whole
            said = {"how": "broke", "why": f"{type(error).__name__}: {error}"[:500]}
        os.write(paper.fileno(), json.dumps(said).encode())
        os._exit(0)
    return pid, paper


def wait(pid: int, paper: IO[bytes], seconds: float) -> dict[str, object]:
    """Until the child ends or is stopped; "busy" when it has not by then."""
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(pid, os.WUNTRACED | os.WNOHANG))[0]:
        if time.monotonic() > until:
            return {"how": "busy"}
        time.sleep(0.001)
    if os.WIFSTOPPED(ended[1]):
        return {"how": "stopped"}
    with paper:
        paper.seek(0)
        return {"how": "killed"} if os.WIFSIGNALED(ended[1]) else json.load(paper)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever gives the orders
    papers: dict[int, IO[bytes]] = {}
    for line in sys.stdin:
        wish = json.loads(line)
        if wish.pop("do") == "start":
            pid, papers[pid] = start(Order(**wish))
            answer: dict[str, object] = {"pid": pid}
        else:
            answer = wait(wish["pid"], papers[wish["pid"]], wish["seconds"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
