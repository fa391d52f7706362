"""A migrated store on either database, its vault, and a registered consent wording."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from newsletter.store import Store
from newsletter.subscribers import address, people, wordings
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import Vault, unlock

WORDING = wordings.shown("en", "2026-11", "I agree to get the letter once a month.")


@pytest.fixture
def root() -> RootKey:
    return RootKey(bytes(range(32)))


@pytest.fixture
def vault(store: Store, root: RootKey, now: dt.datetime) -> Vault:
    made = unlock(store, root, now)
    with store.write() as tx:
        wordings.register(tx, [WORDING], now)
    return made


@pytest.fixture
def wording() -> wordings.Shown:
    return WORDING


@pytest.fixture
def ask(store: Store, vault: Vault, now: dt.datetime) -> Callable[..., people.Asked]:
    """`ask("reader@example.org")`: the form was sent."""

    def send(text: str, at: dt.datetime = now, language: str = "en") -> people.Asked:
        read = address.read(text)
        assert isinstance(read, address.Address)
        with store.write() as tx:
            return people.ask(tx, vault, read, language, WORDING.hash, at)

    return send


@pytest.fixture
def subscribe(
    store: Store, ask: Callable[..., people.Asked], now: dt.datetime
) -> Callable[..., str]:
    """`subscribe("reader@example.org")`: asked and confirmed; the subscriber's id."""

    def both(text: str, at: dt.datetime = now) -> str:
        asked = ask(text, at)
        assert asked.confirmation_id is not None
        assert asked.subscriber_id is not None
        with store.write() as tx:
            done = people.confirm(tx, asked.confirmation_id, at)
        assert done.outcome is people.Outcome.CONFIRMED
        return asked.subscriber_id

    return both
