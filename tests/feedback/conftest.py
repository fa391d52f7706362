"""The feedback room's fixtures: a house whose issue was sent, and a journal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
from feedback_house import Sent

from newsletter.config import Settings
from newsletter.store import Store
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock


def _sent(store: Store, settings: Settings, folder: Path, now: dt.datetime) -> Sent:
    vault = unlock(store, RootKey(bytes(range(32))), now)
    return Sent(settings, store, vault, now, Journal(folder / "journal.jsonl"))


@pytest.fixture
def sent(
    store: Store, publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> Sent:
    """On SQLite and on PostgreSQL."""
    return _sent(store, publication(), tmp_path, now)


@pytest.fixture
def sqlite_sent(
    sqlite_store: Store, publication: Callable[..., Settings], tmp_path: Path, now: dt.datetime
) -> Sent:
    """For tests whose point is not the database."""
    return _sent(sqlite_store, publication(), tmp_path, now)
