"""Where the kill matrix happens: publications copied from a template, and senders started on them."""

from __future__ import annotations

import datetime as dt
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from delivery_house import House
from month_files import DECEMBER, DUE, FILES, TOML
from scripted_relay import Scripted, relay

from newsletter import config
from newsletter.flows.approve import approve
from newsletter.store import open_store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

READERS = 7
CONNECTIONS = 2
BATCH = 2
"""Claims for each connection: small, so that a claimed batch is not the whole list."""
PATIENCE = 20.0
"""Seconds after which a child that neither ends nor stops is a breach of its own."""


class Server:
    """crash_server.py in its own process."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("crash_server.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._living: set[int] = set()

    def close(self) -> None:
        for pid in self._living:
            os.kill(pid, signal.SIGKILL)
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def start(self, **order: object) -> int:
        pid = int(self._ask({"do": "start", **order})["pid"])
        self._living.add(pid)
        return pid

    def wait(self, pid: int, seconds: float = PATIENCE) -> dict[str, Any]:
        """How the child ended, or that it was stopped, or is still busy. One that hangs is a breach."""
        answer = self._ask({"do": "wait", "pid": pid, "seconds": seconds})
        if answer["how"] == "busy" and seconds >= PATIENCE:
            os.kill(pid, signal.SIGABRT)  # it says where it stood
            self._ask({"do": "wait", "pid": pid, "seconds": PATIENCE})
            answer = {"how": "broke", "why": "it hung"}
        if answer["how"] not in ("stopped", "busy"):
            self._living.discard(pid)
        return answer

    def _ask(self, wish: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(wish) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


class Place:
    """Where runs happen: a template of each database, copied for every run."""

    def __init__(self, scratch: Path, postgres: str | None) -> None:
        self.scratch, self.server = scratch, Server()
        self._postgres = sa.make_url(postgres) if postgres else None
        self._admin = sa.create_engine(postgres, isolation_level="AUTOCOMMIT") if postgres else None
        self._made: set[str] = set()
        self._surveys: dict[str, list[str]] = {}
        for dialect in ("sqlite", *(("postgresql",) if postgres else ())):
            self._template(dialect)

    def close(self) -> None:
        self.server.close()
        for name in self._made:
            self._drop(name)
        if self._admin is not None:
            self._admin.dispose()

    def _template(self, dialect: str) -> None:
        """A publication with readers and an approved issue that is due."""
        root = self.scratch / f"template-{dialect}"
        (root / "subscribers").mkdir(parents=True, mode=0o700)
        (root / "newsletter.toml").write_text(TOML, "utf-8")
        for name, content in FILES.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(str(content), "utf-8")
        settings = config.load(root)
        url = f"sqlite:///{root}/subscribers/newsletter.db"
        if dialect == "postgresql":
            url = self._database("matrix_template", "migrated")
        store = open_store(url)
        store.migrate()
        vault = unlock(store, RootKey(bytes(range(32))), DUE)
        ids = House(settings, store, vault, DUE).readers(READERS)
        approve(settings, DECEMBER, "Editor", DUE - dt.timedelta(days=2))
        store.close()
        (self.scratch / f"ids-{dialect}").write_text(json.dumps(ids), "utf-8")

    def _database(self, name: str, template: str) -> str:
        assert self._admin is not None
        assert self._postgres is not None
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.add(name)
        return self._postgres.set(database=name).render_as_string(hide_password=False)

    def _drop(self, name: str) -> None:
        assert self._admin is not None
        with self._admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    def ids(self, dialect: str) -> list[str]:
        found: list[str] = json.loads((self.scratch / f"ids-{dialect}").read_text("utf-8"))
        return found

    @contextmanager
    def fresh(self, dialect: str) -> Iterator[tuple[Path, str]]:
        """A publication of its own, and its database."""
        root = self.scratch / uuid.uuid4().hex
        shutil.copytree(self.scratch / f"template-{dialect}", root)
        (root / "subscribers").chmod(0o700)
        name = f"m{root.name}"
        if dialect == "postgresql":
            url = self._database(name, "matrix_template")
        else:
            url = f"sqlite:///{root}/subscribers/newsletter.db"
        try:
            yield root, url
        finally:
            if dialect == "postgresql":
                self._drop(name)
                self._made.discard(name)
            shutil.rmtree(root, ignore_errors=True)
            for beside in self.scratch.glob(f"{root.name}-skew*"):
                beside.unlink()

    def survey(self, dialect: str) -> list[str]:
        """What each event of a send is that nobody disturbs."""
        if dialect in self._surveys:
            return self._surveys[dialect]
        with self.fresh(dialect) as (root, url), relay() as mails:
            run = Run(self, root, url, mails)
            (found,) = run.wait(run.start(labels=True))
        assert found["how"] == "ended", found
        self._surveys[dialect] = found["labels"]
        return self._surveys[dialect]


class Run:
    """One publication, its relay, and senders started on it."""

    def __init__(self, place: Place, root: Path, url: str, mails: Scripted) -> None:
        self.place, self.root, self.url, self.mails = place, root, url, mails
        self.skew = root.with_name(f"{root.name}-skew")
        self.skew.write_bytes(struct.pack("d", 0.0))
        self.ahead = 0.0
        self.connections = CONNECTIONS

    def start(self, **more: object) -> int:
        order: dict[str, object] = {
            "root": str(self.root),
            "url": self.url,
            "port": self.mails.port,
            "connections": self.connections,
            "skew": str(self.skew),
            "batch": BATCH,
        }
        return self.place.server.start(**order | more)

    def wait(self, *pids: int, seconds: float = PATIENCE) -> list[dict[str, Any]]:
        """How each ended; `seconds` for all of them together."""
        until = time.monotonic() + seconds
        whole = seconds >= PATIENCE
        return [
            self.place.server.wait(pid, seconds if whole else max(0.0, until - time.monotonic()))
            for pid in pids
        ]

    def later(self, seconds: float) -> None:
        """All clocks of all senders go on."""
        self.ahead += seconds
        with self.skew.open("r+b") as file:
            file.write(struct.pack("d", self.ahead))

    @property
    def has_struck(self) -> bool:
        return self._at.exists()

    def struck(self) -> str:
        """What the event was at which the blow fell."""
        return self._at.read_text("utf-8")

    @property
    def _at(self) -> Path:
        return Path(f"{self.skew}-at")

    def now(self) -> dt.datetime:
        return DUE + dt.timedelta(seconds=self.ahead)
