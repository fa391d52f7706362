"""How many people can come and go at once: python -m bench.web [SECONDS]

uvicorn in a process of its own, SQLite with durable commits, the forms as they
are served. This process is the visitors: raw HTTP/1.1 on kept connections,
each sign-up from another network (X-Forwarded-For from a named proxy) with a
challenge solved beforehand. Prints

    sign-up     offered at a fixed rate: rate reached, p50, p99; then as fast as it goes
    one-click   as fast as it goes: rate, p50, p99
    timing      how long a new and a known address wait: what a watcher could tell apart
    killed      SIGKILL in the middle: every sign-up that was answered is there
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import json
import os
import random
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import altcha.v1 as altcha
import sqlalchemy as sa

from newsletter import resources
from newsletter.store import Store, open_store, tables
from newsletter.subscribers import people, rootkey, wordings
from newsletter.subscribers.address import Address, read
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.states import State
from newsletter.subscribers.vault import Vault, unlock
from newsletter.web import bucket, challenge
from newsletter.web.app import WebParts, build
from newsletter.web.server import Server

URL = "http://127.0.0.1:8000"
HOST = "127.0.0.1:8000"
WORDING = wordings.shown("en", "1", "I agree to get this newsletter.")
OFFERED = 450
"""Sign-ups a second that are sent, evenly, whether or not the earlier ones were answered."""


@dataclass
class House:
    """The publication's data, as both processes open it."""

    folder: Path

    def open(self) -> tuple[Store, Vault]:
        store = open_store(f"sqlite:///{self.folder / 'private' / 'newsletter.db'}")
        key = rootkey.load(self.folder / "root.key")
        return store, unlock(store, key, now())

    @classmethod
    def make(cls, folder: Path) -> House:
        (folder / "private").mkdir(mode=0o700)
        rootkey.new(folder / "root.key")
        house = cls(folder)
        store = open_store(f"sqlite:///{folder / 'private' / 'newsletter.db'}")
        store.migrate()
        with store.write() as tx:
            wordings.register(tx, [WORDING], now())
        unlock(store, rootkey.load(folder / "root.key"), now())
        store.close()
        return house


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def serve(folder: Path, port_file: Path) -> None:
    """The server's process: until it is ended."""
    house = House(folder)
    store, vault = house.open()
    app = build(
        WebParts(
            title="Bench",
            languages=("en",),
            public_url=URL,
            site_url=URL,
            zone=dt.UTC,
            store=store,
            vault=vault,
            journal=Journal(folder / "private" / "journal.jsonl"),
            wordings=lambda: (WORDING,),
            next_issue=lambda _: None,
            clock=now,
            templates=tuple(resources.templates("web")),
            tokens=resources.templates("site")[-1] / "tokens.css",
            icon=resources.templates("site")[-1] / "icon.svg",
        )
    )
    with Server(app, "127.0.0.1", 0, trusted_proxies=("127.0.0.1",)) as server:
        written = port_file.with_suffix(".new")
        written.write_text(str(server.port), "ascii")
        written.rename(port_file)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port_file = folder / "port"
    port_file.unlink(missing_ok=True)
    process = subprocess.Popen([sys.executable, "-m", "bench.web", "serve", str(folder)])
    try:
        until = time.monotonic() + 20
        while not port_file.exists():
            if time.monotonic() > until or process.poll() is not None:
                raise TimeoutError("the server does not start")
            time.sleep(0.02)
        yield process, int(port_file.read_text("ascii"))
    finally:
        process.kill()
        process.wait()


@dataclass
class Tally:
    """What came of many requests. `times` are seconds from the moment each was due to its answer."""

    times: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu: float = 0.0
    """Processor seconds of the server, where the system tells (Linux)."""

    def line(self) -> str:
        ordered = sorted(self.times)
        p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.5, 0.99))
        rate = len(ordered) / self.seconds
        each = self.cpu / len(ordered) * 1000
        return (
            f"{rate:7.0f}/s  p50 {p50:5.0f} ms  p99 {p99:5.0f} ms  "
            f"processor {each:4.2f} ms each  answers {self.statuses}"
        )


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """One request on a kept connection; its status."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lowered = head.lower()
    start = lowered.index(b"content-length:") + 15
    await reader.readexactly(int(lowered[start : lowered.index(b"\r\n", start)]))
    return int(head[9:12])


async def drive(
    port: int,
    requests: list[bytes],
    connections: int,
    rate: float | None = None,
    answered: Callable[[int], None] | None = None,
) -> Tally:
    """Send all of `requests`; at `rate` a second, or each connection as fast as it is answered."""
    tally = Tally()
    waiting = iter(enumerate(requests))
    began = time.perf_counter()

    async def visitor() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for number, request in waiting:
                due = time.perf_counter()
                if rate is not None:
                    due = began + number / rate
                    await asyncio.sleep(max(0.0, due - time.perf_counter()))
                status = await post(reader, writer, request)
                tally.times.append(time.perf_counter() - due)
                tally.statuses[status] = tally.statuses.get(status, 0) + 1
                if answered is not None:
                    answered(number)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    await asyncio.gather(*(visitor() for _ in range(connections)))
    tally.seconds = time.perf_counter() - began
    return tally


def processor_seconds(process: subprocess.Popen[bytes]) -> float:
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(
    process: subprocess.Popen[bytes],
    port: int,
    requests: list[bytes],
    connections: int,
    rate: float | None = None,
) -> Tally:
    before = processor_seconds(process)
    tally = asyncio.run(drive(port, requests, connections, rate))
    tally.cpu = processor_seconds(process) - before
    return tally


def solved(vault: Vault) -> str:
    """A challenge with its solution: the number is chosen instead of sought."""
    number = random.randrange(challenge.LARGEST)
    made = altcha.create_challenge(
        max_number=challenge.LARGEST,
        hmac_key=challenge._key(vault),
        expires=now() + challenge.VALID_FOR,
        algorithm="SHA-256",
        salt_length=16,
        salt="",
        number=number,
        params=None,
    )
    fields = {
        "algorithm": made.algorithm,
        "challenge": made.challenge,
        "number": number,
        "salt": made.salt,
        "signature": made.signature,
    }
    return base64.b64encode(json.dumps(fields).encode()).decode()


def sign_up(vault: Vault, address: str) -> bytes:
    body = urlencode(
        {
            "address": address,
            "language": "en",
            "wording": WORDING.hash,
            "agree": "yes",
            "website": "",
            "altcha": solved(vault),
        }
    ).encode()
    network = ".".join(str(random.randrange(1, 224)) for _ in range(3)) + ".9"
    return (
        f"POST /subscribe HTTP/1.1\r\nHost: {HOST}\r\nX-Forwarded-For: {network}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def one_click(token: str) -> bytes:
    body = b"List-Unsubscribe=One-Click"
    return (
        f"POST /leave/{token} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def addresses(count: int) -> list[str]:
    mark = secrets.token_hex(3)
    return [f"reader-{mark}-{number}@example.org" for number in range(count)]


def readers(store: Store, vault: Vault, count: int) -> list[str]:
    """Confirmed readers; their mail tokens."""
    rows: list[dict[str, Any]] = []
    for text in addresses(count):
        address = read(text)
        assert isinstance(address, Address)
        row = people.new_row(vault, address, "en", now())
        rows.append({**row, "state": State.CONFIRMED.value, "confirmed_at": now()})
    with store.write() as tx:
        tx.execute(sa.insert(tables.subscribers), rows)
    return [vault.mail_token(row["link_id"]) for row in rows]


def measure_sign_up(house: House, seconds: float) -> None:
    store, vault = house.open()
    with server(house.folder) as (process, port):
        offered = [sign_up(vault, each) for each in addresses(int(OFFERED * seconds))]
        run(process, port, [sign_up(vault, each) for each in addresses(200)], 20)
        tally = run(process, port, offered, 128, OFFERED)
        print(f"sign-up, {OFFERED}/s offered    {tally.line()}", flush=True)
        many = [sign_up(vault, each) for each in addresses(int(400 * seconds))]
        tally = run(process, port, many, 64)
        print(f"sign-up, 64 at a time     {tally.line()}", flush=True)
    store.close()


def measure_one_click(house: House, seconds: float) -> None:
    store, vault = house.open()
    tokens = readers(store, vault, int(1000 * seconds))
    with server(house.folder) as (process, port):
        tally = run(process, port, [one_click(token) for token in tokens], 32)
        print(f"one-click, 32 at a time   {tally.line()}", flush=True)
    with store.read() as tx:
        left = tx.scalar(
            sa.select(sa.func.count())
            .select_from(tables.subscribers)
            .where(tables.subscribers.c.state == State.UNSUBSCRIBED.value)
        )
    print(f"                          {left} of {len(tokens)} have left", flush=True)
    store.close()


def measure_timing(house: House, count: int = 150) -> None:
    """New and known by turns on one connection, as a watcher would ask."""
    store, vault = house.open()
    known = addresses(1)[0]
    with server(house.folder) as (_, port):

        async def watch() -> dict[str, list[float]]:
            times: dict[str, list[float]] = {"new": [], "known": []}
            for each in addresses(count):
                for name, address in (("new", each), ("known", known)):
                    tally = await drive(port, [sign_up(vault, address)], 1)
                    times[name].append(tally.times[0])
            return times

        times = asyncio.run(watch())
    for name, found in times.items():
        print(
            f"timing, {name:5}             median {statistics.median(found) * 1000:6.2f} ms  "
            f"spread {statistics.stdev(found) * 1000:5.2f} ms  "
            f"beyond the first step {sum(each > 2 * bucket.STEP for each in found)} of {len(found)}",
            flush=True,
        )
    store.close()


def measure_killed(house: House) -> None:
    store, vault = house.open()
    asked = addresses(4000)
    requests = [sign_up(vault, each) for each in asked]
    done: set[int] = set()
    with server(house.folder) as (process, port):

        def answered(number: int) -> None:
            done.add(number)
            if len(done) == 1000:
                os.kill(process.pid, signal.SIGKILL)

        asyncio.run(drive(port, requests, 64, answered=answered))
    lost = 0
    with store.read() as tx:
        for number in done:
            address = read(asked[number])
            assert isinstance(address, Address)
            person = people.find_by_address(tx, vault, address)
            mails = tx.scalar(
                sa.select(sa.func.count())
                .select_from(tables.notices)
                .where(tables.notices.c.subscriber_id == (person.id if person else ""))
            )
            lost += person is None or mails != 1
    print(f"killed                    {len(done)} answered, {lost} of them lost", flush=True)
    store.close()


def main(seconds: float = 10.0) -> None:
    load = os.getloadavg()[0]
    print(f"load of this machine before: {load:.1f} on {os.cpu_count()} processors", flush=True)
    measures: list[Callable[[House], Awaitable[None] | None]] = [
        lambda house: measure_sign_up(house, seconds),
        lambda house: measure_one_click(house, seconds),
        measure_timing,
        measure_killed,
    ]
    for measure in measures:
        with tempfile.TemporaryDirectory() as folder:
            measure(House.make(Path(folder)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(Path(sys.argv[2]), Path(sys.argv[2]) / "port")
    else:
        main(*(float(argument) for argument in sys.argv[1:2]))
