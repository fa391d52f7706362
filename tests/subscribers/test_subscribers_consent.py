"""The chain of consents: nothing altered, inserted or taken out unseen; erasure leaves it whole."""

from __future__ import annotations

import datetime as dt
import hashlib
import json

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from newsletter.store import Store, tables
from newsletter.subscribers import consent, wordings
from newsletter.subscribers.consent import Happened, Record

KEYS = [bytes([n]) * 32 for n in range(5)]


@pytest.fixture
def chained(store: Store, now: dt.datetime) -> Store:
    with store.write() as tx:
        for key in KEYS:
            consent.append(tx, key, Record(Happened.GIVEN, wording="w", given_at=now), now)
    return store


def verdict(store: Store) -> consent.Verdict:
    with store.read() as tx:
        return consent.verify(tx)


def test_an_untouched_chain_is_whole(chained: Store) -> None:
    assert verdict(chained) == consent.Verdict(5, 5, None)


def test_records_added_together_or_singly_make_one_chain(chained: Store, now: dt.datetime) -> None:
    with chained.write() as tx:
        consent.append_all(tx, [(key, "{}") for key in KEYS], now)
    assert verdict(chained) == consent.Verdict(10, 10, None)


def test_a_forgotten_payload_leaves_the_chain_whole(chained: Store) -> None:
    with chained.write() as tx:
        assert consent.forget(tx, KEYS[2]) == 1
        assert consent.evidence(tx, KEYS[2]) == []
    assert verdict(chained) == consent.Verdict(5, 4, None)


def test_a_digest_says_nothing_about_a_forgotten_payload(chained: Store, now: dt.datetime) -> None:
    """Without its salt even the exact payload cannot be recognised."""
    with chained.write() as tx:
        digests = tx.execute(sa.select(tables.consents.c.salted_digest)).scalars().all()
    assert len({bytes(digest) for digest in digests}) == 5


@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_altered_payload_is_found(chained: Store, seq: int) -> None:
    table = tables.consent_payloads
    with chained.write() as tx:
        tx.execute(table.update().where(table.c.seq == seq).values(payload='{"v":1}'))
    assert verdict(chained).broken_at == seq


@pytest.mark.parametrize("column", ["salted_digest", "chain"])
@pytest.mark.parametrize("seq", [1, 3, 5])
def test_an_altered_link_is_found(chained: Store, seq: int, column: str) -> None:
    with chained.write() as tx:
        tx.execute(
            tables.consents.update()
            .where(tables.consents.c.seq == seq)
            .values({column: b"\1" * 32})
        )
    assert verdict(chained).broken_at == seq


def test_a_record_taken_out_of_the_middle_is_found(chained: Store) -> None:
    with chained.write() as tx:
        consent.forget(tx, KEYS[2])
        tx.execute(tables.consents.delete().where(tables.consents.c.seq == 3))
    assert verdict(chained).broken_at == 4


def test_a_record_that_was_rewritten_with_all_its_sums_is_found_by_the_next(
    chained: Store,
) -> None:
    """Whoever can write to the database can make one record fit itself, but not the ones after it."""
    links, kept = tables.consents, tables.consent_payloads
    salt, payload = b"s" * 16, '{"v":1}'
    digest = hashlib.sha256(salt + payload.encode()).digest()
    with chained.write() as tx:
        before = tx.execute(sa.select(links.c.chain).where(links.c.seq == 2)).scalar_one()
        chain = hashlib.sha256(before + (3).to_bytes(8) + digest).digest()
        tx.execute(kept.update().where(kept.c.seq == 3).values(salt=salt, payload=payload))
        tx.execute(links.update().where(links.c.seq == 3).values(salted_digest=digest, chain=chain))
    assert verdict(chained).broken_at == 4


def test_two_records_exchanged_are_found(chained: Store) -> None:
    table = tables.consent_payloads
    with chained.write() as tx:
        rows = tx.execute(sa.select(table).where(table.c.seq.in_([2, 3]))).mappings().all()
        tx.execute(table.delete().where(table.c.seq.in_([2, 3])))
        for row in rows:
            tx.execute(table.insert().values({**row, "seq": 5 - row["seq"]}))
    # The two payloads are alike, but each has its own salt.
    assert verdict(chained).broken_at == 2


@given(
    st.builds(
        Record,
        st.sampled_from(Happened),
        wording=st.none() | st.text(),
        source=st.none() | st.text(),
        given_at=st.none() | st.datetimes(timezones=st.just(dt.UTC), min_value=dt.datetime(1971, 1, 1)),  # noqa: DTZ001
    )
)  # fmt: skip
def test_a_payload_is_canonical_and_to_the_minute(record: Record) -> None:
    payload = record.payload()
    read = json.loads(payload)
    again = json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert again == payload
    assert None not in read.values()
    if record.given_at is not None:
        assert read["given_at"] == record.given_at.isoformat(timespec="minutes")[:-6] + "Z"


def test_a_wording_is_kept_word_for_word_and_named_by_its_text(
    store: Store, now: dt.datetime
) -> None:
    words = [wordings.shown("en", "1", "I agree."), wordings.shown("ru", "1", "Я согласен.")]
    with store.write() as tx:
        wordings.register(tx, words, now)
        wordings.register(tx, words, now)
        assert wordings.find(tx, words[1].hash) == words[1]
        assert wordings.find(tx, "none") is None
        assert wordings.by_name(tx)["ru/1"] == words[1]


def test_a_wording_under_a_false_hash_is_refused(store: Store, now: dt.datetime) -> None:
    false = wordings.Shown("0" * 64, "en", "1", "I agree.")
    with pytest.raises(ValueError, match="hash"), store.write() as tx:
        wordings.register(tx, [false], now)
