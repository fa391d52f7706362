"""The delivery room's fixtures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from delivery_house import House

from newsletter.config import Settings
from newsletter.store import Store
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock


@pytest.fixture
def house(store: Store, publication: Callable[..., Settings], now: dt.datetime) -> House:
    """On SQLite and on PostgreSQL."""
    return House(publication(), store, unlock(store, RootKey(bytes(range(32))), now), now)


@pytest.fixture
def sqlite_house(
    sqlite_store: Store, publication: Callable[..., Settings], now: dt.datetime
) -> House:
    """For tests whose point is not the database."""
    vault = unlock(sqlite_store, RootKey(bytes(range(32))), now)
    return House(publication(), sqlite_store, vault, now)
