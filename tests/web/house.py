"""A real house behind the web: SQLite on disk, a real key, real templates; only the clock stands still."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import sqlalchemy as sa

from newsletter import resources
from newsletter.store import Store, open_store, tables
from newsletter.subscribers import people, rootkey, vault, wordings
from newsletter.subscribers.journal import Journal
from newsletter.web.app import WebParts, build

NOW = dt.datetime(2026, 11, 21, 12, 0, tzinfo=dt.UTC)
FIRST_ISSUE = dt.datetime(2026, 12, 1, 8, 0, tzinfo=dt.UTC)
URL = "http://127.0.0.1:8000"
HOST = "127.0.0.1:8000"

WORDINGS = (
    wordings.shown("en", "2026-10", "I agree to the old words."),
    wordings.shown("en", "2026-11", "I agree to get this newsletter."),
    wordings.shown("ru", "2026-11", "Я согласен получать рассылку."),
    wordings.shown("de", "2026-11", "Ich willige ein."),
)
HASH = {wording.language: wording.hash for wording in WORDINGS}

_CLIENT = ThreadPoolExecutor(1)


@dataclass
class Answer:
    """One answer of the app, and how much of the request's body it asked for."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    chunks_read: int = 0

    @property
    def text(self) -> str:
        return self.body.decode("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)


@dataclass
class House:
    """The app with everything behind it, and a client that speaks ASGI to it, byte for byte."""

    parts: WebParts
    store: Store
    now: dt.datetime = NOW
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        self.app = build(self.parts)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | list[bytes] = b"",
        headers: dict[str, str] | list[tuple[str, str]] | None = None,
        *,
        host: str | None = HOST,
        query: str = "",
        client: str = "127.0.0.1",
    ) -> Answer:
        given = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        raw = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in given]
        if host is not None:
            host = urlsplit(self.parts.public_url).netloc if host == HOST else host
            raw.append((b"host", host.encode("latin-1")))
        chunks = [body] if isinstance(body, bytes) else list(body)
        asked = self._ask(method, path, chunks, raw, query, client)
        # In a thread of its own: where a browser is driven, this one has a loop already.
        return _CLIENT.submit(asyncio.run, asked).result()

    async def _ask(
        self,
        method: str,
        path: str,
        chunks: list[bytes],
        headers: list[tuple[bytes, bytes]],
        query: str,
        client: str,
    ) -> Answer:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": headers,
            "client": (client, 40000),
            "server": ("127.0.0.1", 8000),
        }
        answer = Answer(0, [], b"")
        pending = iter(chunks)

        async def receive() -> dict[str, Any]:
            chunk = next(pending, None)
            if chunk is None:
                await asyncio.Event().wait()
            answer.chunks_read += 1
            last = answer.chunks_read == len(chunks)
            return {"type": "http.request", "body": chunk, "more_body": not last}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = [(k.decode(), v.decode("latin-1")) for k, v in message["headers"]]
            else:
                answer.body += message.get("body", b"")

        await self.app(scope, receive, send)
        return answer

    def get(self, path: str, **more: Any) -> Answer:
        return self.ask("GET", path, **more)

    def post(self, path: str, fields: dict[str, str] | None = None, **more: Any) -> Answer:
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            **more.pop("headers", {}),
        }
        return self.ask("POST", path, urlencode(fields or {}).encode(), headers, **more)

    def subscribe(self, address: str, language: str = "en", **more: Any) -> Answer:
        return self.post("/subscribe", form(address, language), **more)

    def confirm_token(self, address: str = "") -> str:
        """The token in the newest confirmation mail."""
        with self.store.read() as tx:
            newest = tx.execute(
                sa.select(tables.notices.c.confirmation_id)
                .where(tables.notices.c.kind == "confirm")
                .order_by(sa.literal_column("rowid").desc())
            ).first()
        assert newest is not None
        return self.parts.vault.confirm_token(newest[0])

    def reader(self, address: str = "anna@example.org", language: str = "en") -> people.Person:
        """A confirmed reader, made through the forms."""
        self.subscribe(address, language)
        assert self.post(f"/confirm/{self.confirm_token()}").status == 200
        return self.people()[-1]

    def mail_token(self, person: people.Person) -> str:
        return self.parts.vault.mail_token(person.link_id)

    def data_token(self, person: people.Person) -> str:
        with self.store.write() as tx:
            asked = people.ask_data(tx, person.id, self.now)
        assert asked.confirmation_id is not None
        return self.parts.vault.data_token(asked.confirmation_id)

    def people(self) -> list[people.Person]:
        with self.store.read() as tx:
            # In the order in which they came, where the database tells it.
            came = "rowid" if self.store.dialect == "sqlite" else "id"
            ids = tx.execute(
                sa.select(tables.subscribers.c.id).order_by(sa.literal_column(came))
            ).scalars()
            return [found for each in ids if (found := people.find(tx, each))]

    def state(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table: two equal states are the same database."""
        with self.store.read() as tx:
            return {
                table.name: sorted(map(repr, tx.execute(sa.select(table)).tuples()))
                for table in tables.metadata.sorted_tables
            }


def form(address: str, language: str = "en", **changes: str) -> dict[str, str]:
    """The sign-up form as the site sends it."""
    return {
        "address": address,
        "language": language,
        "wording": HASH[language],
        "agree": "yes",
        "website": "",
        **changes,
    }


def make_house(
    tmp_path: Path, site: Path | None, *, store: Store | None = None, **changes: Any
) -> Iterator[House]:
    """`store`: one that is migrated already; without it SQLite in `tmp_path`."""
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    if store is None:
        store = open_store(f"sqlite:///{private / 'newsletter.db'}")
        store.migrate()
    with store.write() as tx:
        wordings.register(tx, WORDINGS, NOW)
    key = rootkey.new(tmp_path / "root.key")
    values: dict[str, Any] = {
        "title": "Test letter",
        "languages": ("en", "ru", "de"),
        "public_url": URL,
        "site_url": URL,
        "zone": dt.UTC,
        "store": store,
        "vault": vault.unlock(store, key, NOW),
        "journal": Journal(private / "journal.jsonl"),
        "wordings": lambda: WORDINGS,
        "next_issue": lambda now: FIRST_ISSUE,
        "clock": lambda: NOW,
        "templates": tuple(resources.templates("web")),
        "tokens": resources.templates("site")[-1] / "tokens.css",
        "icon": resources.templates("site")[-1] / "icon.svg",
        "site": site,
        **changes,
    }
    try:
        yield House(WebParts(**values), store)
    finally:
        store.close()
