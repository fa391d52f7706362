"""The canary: planted addresses stand in clear nowhere in the room of people."""

from __future__ import annotations

import base64
import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from newsletter.store import Store
from newsletter.subscribers import people
from newsletter.subscribers.importing import import_file
from newsletter.subscribers.journal import Journal, Kind
from newsletter.subscribers.vault import Vault

NAMES = ("canary-form", "Canary-Left", "canary-erased", "canary-import", "канарейка")


@pytest.fixture
def store(sqlite_store: Store) -> Store:
    """The files of SQLite are what can be searched."""
    return sqlite_store


def test_no_planted_address_is_in_the_database_its_log_or_the_journal(
    store: Store,
    vault: Vault,
    ask: Callable[..., people.Asked],
    subscribe: Callable[..., str],
    now: dt.datetime,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    addresses = [f"{name}@example.org" for name in NAMES]
    journal = Journal(tmp_path / "people" / "journal.jsonl")
    ask(addresses[0])
    ask(addresses[4])
    for text, kind in ((addresses[1], Kind.LEAVE), (addresses[2], Kind.ERASE)):
        who = subscribe(text)
        with store.write() as tx:
            found = people.find(tx, who)
            assert found is not None
            journal.append(
                kind, found.id, found.suppression_key, epoch=found.consent_epoch, now=now
            )
            if kind is Kind.LEAVE:
                people.leave(tx, who, now, "one-click")
            else:
                people.erase(tx, who, now)
    listed = tmp_path / "list.csv"
    listed.write_text(
        "address,consent_text,consented_at,method\n"
        f"{addresses[3]},I agree,2026-10-01,paper\n{addresses[3]},,,\n",
        "utf-8",
    )
    report = import_file(store, vault, listed, now, languages=("en",))
    assert report.imported == 1

    searched = 0
    needles = [spelling for text in addresses for spelling in _spellings(text)]
    for path in sorted((tmp_path / "people").iterdir()):
        content = path.read_bytes()
        searched += len(content)
        assert [needle for needle in needles if needle in content.lower()] == [], path.name
    assert searched > 100_000
    said = f"{caplog.text} {report!r} {vault!r}".lower()
    assert [name for name in NAMES if name.lower() in said] == []


def _spellings(text: str) -> list[bytes]:
    local = text.partition("@")[0].lower()
    plain = local.encode()
    utf16 = local.encode("utf-16-le")
    return [plain, utf16, base64.b64encode(plain)[:-4].lower(), plain.hex().encode()]


def test_the_canary_would_be_heard(store: Store, vault: Vault, tmp_path: Path) -> None:
    """The search finds an address that does stand there."""
    with store.write() as tx:
        tx.exec_driver_sql("CREATE TABLE leak (address TEXT)")
        tx.exec_driver_sql("INSERT INTO leak VALUES ('Canary-Form@example.org')")
    content = b"".join(path.read_bytes() for path in (tmp_path / "people").iterdir()).lower()
    assert any(needle in content for needle in _spellings("canary-form@example.org"))
