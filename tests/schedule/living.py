"""A publication that lives: its files, its site on a socket, its relay, its clock, and hosts that come and go.

Nothing is stood in for but the clock, and the mail server at the other end.
"""

from __future__ import annotations

import datetime as dt
import os
import shutil
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from month_files import ARTICLE, DUE, LETTER, TOML
from scripted_relay import Scripted, relay

from newsletter import config
from newsletter.cli.desk import Desk
from newsletter.cli.serve import Duties
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Sum
from newsletter.flows import tick
from newsletter.flows.approve import approve
from newsletter.flows.send import Sent
from newsletter.issue.period import Period
from newsletter.schedule.month import Decision
from newsletter.schedule.witness import adopt
from newsletter.store.tables import subscribers
from newsletter.subscribers import people
from newsletter.subscribers.address import Address
from newsletter.subscribers.rootkey import RootKey
from newsletter.wiring import House

KEY = RootKey(bytes(range(32)))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test's own output is what counts."""


@dataclass
class Host:
    """A machine: its state folder, its clock's error, and perhaps a process on it."""

    name: str
    world: World
    root: Path
    off_by: dt.timedelta = dt.timedelta()
    house: House | None = None

    @property
    def state(self) -> Path:
        return self.world.folder / f"state-{self.name}"

    def clock(self) -> dt.datetime:
        return self.world.now + self.off_by

    def up(self) -> House:
        if self.house is None:
            settings = config.load(self.root)
            environ = {"XDG_STATE_HOME": str(self.state)}
            self.house = House(settings, key=KEY, clock=self.clock, environ=environ)
        return self.house

    def down(self) -> None:
        if self.house is not None:
            self.house.close()
            self.house = None

    def ticks(self) -> tuple[Decision, Sent | ledger.Refused | None]:
        return tick.tick(self.up().parts)

    def adopts(self) -> int:
        house = self.up()
        return adopt(house.store, house.witness, self.clock())

    def duties(self, asked: threading.Event | None = None) -> Duties:
        """As `newsletter run` has them."""
        return Duties(Desk(self.root), self.up(), asked or threading.Event())

    def account(self, period: str = "2026-12") -> Sum:
        with self.up().store.read() as tx:
            found = ledger.sums(tx, period)
        assert found is not None
        return found


@dataclass
class World:
    folder: Path
    toml: str
    server: Scripted
    now: dt.datetime = DUE
    hosts: dict[str, Host] = field(default_factory=dict)

    def host(self, name: str = "a", root: str = "letter") -> Host:
        """The machine of this name; a new one has `root` as its copy of the publication."""
        if name not in self.hosts:
            folder = self.folder / root
            if not folder.exists():
                shutil.copytree(self.folder / "letter", folder)
            self.hosts[name] = Host(name, self, folder)
        return self.hosts[name]

    def readers(self, number: int) -> None:
        host = self.host()
        vault = host.up().vault
        rows = []
        for at in range(number):
            mailbox = f"reader{at}@example.org"
            row = people.new_row(vault, Address(mailbox, mailbox), "en", self.now)
            rows.append(row | {"state": "confirmed", "confirmed_at": self.now, "consent_epoch": 1})
        with host.up().store.write() as tx:
            tx.execute(sa.insert(subscribers), rows)

    def copies(self) -> list[tuple[str, str]]:
        """(reader, subject) of every mail that the relay took."""
        found = []
        for to, message in self.server.delivered:
            subject = next(
                line for line in message.decode("ascii").splitlines() if line.startswith("Subject:")
            )
            found.append((to, subject.removeprefix("Subject: ")))
        return found


def letters(periods: list[Period]) -> dict[str, str]:
    """The files of a publication with a letter for each of these months, named in its subject."""
    files = {"content/topics.toml": '[cells]\nen = "Cells"\n'}
    for period in periods:
        article = ARTICLE.format(title=f"Cells of {period}", day=f"{period}-01")
        files[f"content/articles/cells-{period}.en.md"] = article
        text = LETTER.replace('subject: "Cells"', f'subject: "{period}"')
        files[f"content/issues/{period}/letter.en.md"] = text
    return files


@contextmanager
def world(
    folder: Path,
    periods: list[Period],
    *,
    toml: Callable[[int], str] = lambda port: (
        f'\n[delivery]\nconnections = 2\n[delivery.smtp]\nport = {port}\nsecurity = "none"\n'
    ),
    store: str = "",
    **of_relay: object,
) -> Iterator[World]:
    """A publication in `folder`/letter, served, approved for `periods`, with a relay."""
    root = folder / "letter"
    (root / "public").mkdir(parents=True)
    handler = partial(Quiet, directory=str(root / "public"))
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), handler) as site,
        relay(**of_relay) as server,  # type: ignore[arg-type]
    ):
        thread = threading.Thread(
            target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        thread.start()
        url = TOML.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{site.server_port}")
        text = url + toml(server.port) + (f'\n[store]\nurl = "{store}"\n' if store else "")
        (root / "newsletter.toml").write_text(text, "utf-8")
        for name, content in letters(periods).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(content, "utf-8")
        settings = config.load(root)
        for period in periods:
            due = period.due(1, "09:00", settings.publication.time_zone)
            approve(settings, period, "Editor", due - dt.timedelta(days=1))
        made = World(folder, text, server)
        try:
            yield made
        finally:
            for host in made.hosts.values():
                host.down()
            site.shutdown()
            thread.join()


def full_disk(limit: int) -> object:
    """No file of this process grows beyond `limit` bytes inside; a disk that is full says it likewise."""
    import resource

    @contextmanager
    def inside() -> Iterator[None]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    return inside()


__all__ = ["DUE", "KEY", "Host", "World", "full_disk", "letters", "os", "world"]
