"""Nothing is kept longer than it is needed, and nobody who still has a right loses their row."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import sqlalchemy as sa

from newsletter.store import Store, tables
from newsletter.subscribers import address, consent, people, suppression
from newsletter.subscribers.people import Asked
from newsletter.subscribers.retention import Terms, Tidied, tidy
from newsletter.subscribers.states import Reason, State
from newsletter.subscribers.vault import Vault

READER = "reader@example.org"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TERMS = Terms()
NOTHING = Tidied(0, 0, 0, 0)


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def state(store: Store, vault: Vault) -> State:
    with store.read() as tx:
        found = people.find_by_address(tx, vault, read(READER))
    return found.state if found else State.ABSENT


def leave(store: Store, who: str, at: dt.datetime) -> None:
    with store.write() as tx:
        people.leave(tx, who, at, "page")


def test_a_request_that_was_never_confirmed_goes_after_two_days(
    store: Store, vault: Vault, ask: Callable[..., Asked], now: dt.datetime
) -> None:
    ask(READER)
    assert tidy(store, TERMS, now + 47 * HOUR) == NOTHING
    assert tidy(store, TERMS, now + 48 * HOUR, dry_run=True) == Tidied(1, 0, 0, 1)
    assert state(store, vault) is State.PENDING
    assert tidy(store, TERMS, now + 48 * HOUR) == Tidied(1, 0, 0, 0)
    assert state(store, vault) is State.ABSENT
    with store.read() as tx:
        assert suppression.reasons(tx, vault.suppression_key(read(READER))) == {}
        assert tx.execute(sa.select(tables.confirmations)).all() == []


def test_whoever_asked_again_keeps_their_link(
    store: Store, vault: Vault, ask: Callable[..., Asked], now: dt.datetime
) -> None:
    ask(READER)
    again = ask(READER, now + 40 * HOUR)
    assert tidy(store, TERMS, now + 60 * HOUR) == Tidied(0, 0, 0, 1)
    assert again.confirmation_id is not None
    with store.write() as tx:
        done = people.confirm(tx, again.confirmation_id, now + 60 * HOUR)
    assert done.outcome is people.Outcome.CONFIRMED


def test_a_subscriber_is_never_tidied_away(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime
) -> None:
    subscribe(READER)
    assert tidy(store, TERMS, now + 5000 * DAY) == Tidied(0, 0, 0, 1)
    assert state(store, vault) is State.CONFIRMED
    with store.read() as tx:
        assert len(consent.evidence(tx, vault.evidence_key(read(READER)))) == 1


def test_the_address_of_whoever_left_goes_and_hash_and_evidence_stay(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime
) -> None:
    leave(store, subscribe(READER), now)
    assert tidy(store, TERMS, now + 29 * DAY).left == 0
    assert tidy(store, TERMS, now + 30 * DAY).left == 1
    assert state(store, vault) is State.ABSENT
    with store.read() as tx:
        assert set(suppression.reasons(tx, vault.suppression_key(read(READER)))) == {Reason.LEFT}
        assert len(consent.evidence(tx, vault.evidence_key(read(READER)))) == 2


def test_whoever_left_and_asked_again_keeps_their_row_while_the_link_works(
    store: Store,
    vault: Vault,
    subscribe: Callable[..., str],
    ask: Callable[..., Asked],
    now: dt.datetime,
) -> None:
    leave(store, subscribe(READER), now)
    ask(READER, now + 29 * DAY)
    assert tidy(store, TERMS, now + 30 * DAY).left == 0
    assert tidy(store, TERMS, now + 32 * DAY).left == 1


def test_evidence_of_a_withdrawn_consent_goes_after_its_term(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime
) -> None:
    leave(store, subscribe(READER), now)
    assert tidy(store, TERMS, now + 1094 * DAY).evidence == 0
    assert tidy(store, TERMS, now + 1095 * DAY, dry_run=True).evidence == 1
    assert tidy(store, TERMS, now + 1095 * DAY).evidence == 1
    with store.read() as tx:
        assert consent.evidence(tx, vault.evidence_key(read(READER))) == []
        assert consent.verify(tx) == consent.Verdict(2, 0, None)
        # What must stay: do not mail.
        assert set(suppression.reasons(tx, vault.suppression_key(read(READER)))) == {Reason.LEFT}


def test_whoever_came_back_keeps_all_evidence(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime
) -> None:
    leave(store, subscribe(READER), now)
    subscribe(READER, now + DAY)
    assert tidy(store, TERMS, now + 2000 * DAY).evidence == 0
    with store.read() as tx:
        assert len(consent.evidence(tx, vault.evidence_key(read(READER)))) == 3


def test_many_are_tidied_in_several_writes(
    store: Store, vault: Vault, ask: Callable[..., Asked], now: dt.datetime
) -> None:
    for number in range(7):
        ask(f"r{number}@example.org")
    from newsletter.subscribers import retention

    size, retention.BATCH = retention.BATCH, 3
    try:
        assert tidy(store, TERMS, now + 3 * DAY).unconfirmed == 7
    finally:
        retention.BATCH = size
    assert tidy(store, TERMS, now + 3 * DAY) == NOTHING


def test_a_link_to_the_data_does_not_put_off_a_deletion_that_is_due(
    store: Store, vault: Vault, ask: Callable[..., Asked], now: dt.datetime
) -> None:
    who = ask(READER).subscriber_id
    assert who is not None
    with store.write() as tx:
        asked = people.ask_data(tx, who, now + 47 * HOUR)
    assert asked.send_notice
    assert tidy(store, TERMS, now + 48 * HOUR) == Tidied(1, 0, 0, 0)
    assert state(store, vault) is State.ABSENT
