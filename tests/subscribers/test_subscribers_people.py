"""What a person can do, by the tables in states.py, on both databases."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from itertools import product

import pytest
import sqlalchemy as sa

from newsletter.store import Store, tables
from newsletter.subscribers import address, consent, people, suppression
from newsletter.subscribers.people import Asked, Outcome
from newsletter.subscribers.states import (
    ALLOWED,
    SUPPRESSION,
    Door,
    Event,
    Reason,
    State,
    after,
    blocks,
    lifted_by_opt_in,
)
from newsletter.subscribers.vault import Vault
from newsletter.subscribers.wordings import Shown

Ask = Callable[..., Asked]
Subscribe = Callable[..., str]
READER = "reader@example.org"
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def state(store: Store, vault: Vault, text: str = READER) -> State:
    with store.read() as tx:
        found = people.find_by_address(tx, vault, read(text))
    return found.state if found else State.ABSENT


def confirm(store: Store, asked: Asked, at: dt.datetime) -> Outcome:
    assert asked.confirmation_id is not None
    with store.write() as tx:
        return people.confirm(tx, asked.confirmation_id, at).outcome


def leave(store: Store, who: str, at: dt.datetime) -> people.Left | None:
    with store.write() as tx:
        return people.leave(tx, who, at, "one-click")


def suppressed(store: Store, vault: Vault, text: str = READER) -> set[Reason]:
    with store.read() as tx:
        return set(suppression.reasons(tx, vault.suppression_key(read(text))))


def records(store: Store, vault: Vault, text: str = READER) -> list[dict[str, object]]:
    with store.read() as tx:
        found = consent.evidence(tx, vault.evidence_key(read(text)))
        assert consent.verify(tx).is_whole
    return [payload for _, payload in found]


def test_asking_makes_nobody_a_subscriber(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    assert asked.send_notice
    assert state(store, vault) is State.PENDING
    assert records(store, vault) == []


def test_a_confirmed_link_makes_a_subscriber_with_evidence(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime, wording: Shown
) -> None:
    assert confirm(store, ask(READER), now + HOUR) is Outcome.CONFIRMED
    assert state(store, vault) is State.CONFIRMED
    assert records(store, vault) == [
        {
            "v": 1,
            "happened": "given",
            "wording": wording.hash,
            "language": "en",
            "method": "double opt-in",
            "asked_at": "2026-11-21T12:00Z",
            "given_at": "2026-11-21T13:00Z",
        }
    ]


def test_the_mailing_of_the_confirmation_is_part_of_the_evidence(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    with store.write() as tx:
        tx.execute(
            tables.notices.insert().values(
                id="n1", kind="confirm", subscriber_id=asked.subscriber_id,
                confirmation_id=asked.confirmation_id, language="en", state="accepted",
                message_id="<m>", consent_epoch=0, due_at=now, made_at=now, closes_at=now + DAY,
                settled_at=now + dt.timedelta(minutes=2),
            )
        )  # fmt: skip
    confirm(store, asked, now + HOUR)
    assert records(store, vault)[0]["mailed_at"] == "2026-11-21T12:02Z"


def test_a_second_click_on_confirm_changes_nothing(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    confirm(store, asked, now)
    assert confirm(store, asked, now + HOUR) is Outcome.ALREADY
    assert len(records(store, vault)) == 1


def test_a_link_that_was_never_made_or_is_too_old_is_stale(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    assert confirm(store, asked, now + people.VALID_FOR) is Outcome.STALE
    assert confirm(store, Asked("x", b"no such!", send_notice=True), now) is Outcome.STALE
    assert state(store, vault) is State.PENDING


def test_an_unregistered_wording_cannot_be_agreed_to(
    store: Store, vault: Vault, now: dt.datetime
) -> None:
    with pytest.raises(ValueError, match="wording"), store.write() as tx:
        people.ask(tx, vault, read(READER), "en", "0" * 64, now)


def test_leaving_ends_it_and_is_written_down(
    store: Store, vault: Vault, subscribe: Subscribe, now: dt.datetime
) -> None:
    who = subscribe(READER)
    with store.read() as tx:
        before = people.find(tx, who)
    left = leave(store, who, now + HOUR)
    with store.read() as tx:
        found = people.find(tx, who)
    assert left is not None
    assert left.changed
    assert before is not None
    assert found is not None
    assert found.consent_epoch == before.consent_epoch + 1
    assert suppressed(store, vault) == {Reason.LEFT}
    assert records(store, vault)[1] == {
        "v": 1, "happened": "withdrawn", "source": "one-click", "withdrawn_at": "2026-11-21T13:00Z",
    }  # fmt: skip


def test_second_click_on_leave_changes_nothing(
    store: Store, vault: Vault, subscribe: Subscribe, now: dt.datetime
) -> None:
    who = subscribe(READER)
    leave(store, who, now)
    left = leave(store, who, now + HOUR)
    assert left is not None
    assert not left.changed
    assert len(records(store, vault)) == 2


def test_nobody_unknown_can_leave(store: Store, vault: Vault, now: dt.datetime) -> None:
    assert leave(store, "0" * 32, now) is None


def test_whoever_left_comes_back_only_by_a_new_confirmation(
    store: Store, vault: Vault, subscribe: Subscribe, ask: Ask, now: dt.datetime
) -> None:
    leave(store, subscribe(READER), now + HOUR)
    again = ask(READER, now + DAY)
    assert state(store, vault) is State.UNSUBSCRIBED
    assert suppressed(store, vault) == {Reason.LEFT}
    assert confirm(store, again, now + DAY) is Outcome.CONFIRMED
    assert state(store, vault) is State.CONFIRMED
    assert suppressed(store, vault) == set()


def test_a_link_asked_for_before_leaving_does_not_undo_it(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    first, second = ask(READER), ask(READER, now + HOUR)
    assert confirm(store, second, now + HOUR) is Outcome.CONFIRMED
    assert second.subscriber_id is not None
    leave(store, second.subscriber_id, now + 2 * HOUR)
    assert confirm(store, first, now + 3 * HOUR) is Outcome.STALE
    assert confirm(store, second, now + 3 * HOUR) is Outcome.STALE
    assert state(store, vault) is State.UNSUBSCRIBED


def test_erasing_leaves_the_keyed_hash_and_nothing_else(
    store: Store, vault: Vault, subscribe: Subscribe, ask: Ask, now: dt.datetime
) -> None:
    who = subscribe(READER)
    ask("other@example.org")
    with store.write() as tx:
        assert people.erase(tx, who, now)
        assert not people.erase(tx, who, now)
    assert state(store, vault) is State.ABSENT
    assert suppressed(store, vault) == {Reason.ERASED}
    assert records(store, vault) == []
    with store.read() as tx:
        verdict = consent.verify(tx)
        links = tx.execute(sa.select(tables.confirmations.c.subscriber_id)).scalars().all()
    assert (verdict.records, verdict.payloads, verdict.is_whole) == (1, 0, True)
    assert who not in links


def test_an_erased_person_may_come_back_as_somebody_new(
    store: Store, vault: Vault, subscribe: Subscribe, now: dt.datetime
) -> None:
    who = subscribe(READER)
    with store.write() as tx:
        people.erase(tx, who, now)
    assert subscribe(READER, now + DAY) != who
    assert suppressed(store, vault) == set()


@pytest.mark.parametrize("reason", Reason)
@pytest.mark.parametrize("age", [dt.timedelta(0), dt.timedelta(days=29), dt.timedelta(days=30)])
def test_the_form_obeys_the_table_of_reasons(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime, reason: Reason, age: dt.timedelta
) -> None:
    with store.write() as tx:
        suppression.add(tx, vault.suppression_key(read(READER)), reason, now - age)
    asked = ask(READER)
    assert asked.send_notice is not blocks(reason, Door.FORM, now - age, now)
    if asked.send_notice:
        assert confirm(store, asked, now) is Outcome.CONFIRMED
        assert suppressed(store, vault) == set()
    else:
        assert asked.confirmation_id is None
        assert state(store, vault) is State.ABSENT


def test_a_complaint_between_asking_and_confirming_stops_it(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    key = vault.suppression_key(read(READER))
    with store.write() as tx:
        suppression.add(tx, key, Reason.COMPLAINED, now)
    assert confirm(store, asked, now) is Outcome.BLOCKED
    assert state(store, vault) is State.PENDING
    with store.write() as tx:
        assert suppression.lift(tx, key, Reason.COMPLAINED)
        assert not suppression.lift(tx, key, Reason.COMPLAINED)
    assert confirm(store, asked, now) is Outcome.CONFIRMED


def test_every_reason_stops_sending_import_and_restore(now: dt.datetime) -> None:
    for reason, door in product(Reason, (Door.SEND, Door.IMPORT, Door.RESTORE)):
        assert blocks(reason, door, now - 1000 * DAY, now)
    assert set(SUPPRESSION) == set(Reason)
    assert not lifted_by_opt_in(Reason.COMPLAINED, now - 10_000 * DAY, now)


def test_the_state_table_is_whole_and_nothing_else_can_happen() -> None:
    assert set(ALLOWED.values()) == set(State)
    for before, event in product(State, Event):
        if (before, event) in ALLOWED:
            assert after(before, event) is ALLOWED[before, event]
        else:
            assert before is State.ABSENT
            with pytest.raises(KeyError):
                after(before, event)
    only_confirm = {event for (_, event), to in ALLOWED.items() if to is State.CONFIRMED}
    assert only_confirm == {Event.CONFIRM, Event.ASK, Event.CHANGE_LANGUAGE}
    assert all(
        before is State.CONFIRMED
        for (before, event), to in ALLOWED.items()
        if to is State.CONFIRMED and event is not Event.CONFIRM
    )


def test_a_confirmed_reader_who_asks_again_gets_no_mail(
    store: Store, vault: Vault, subscribe: Subscribe, ask: Ask, now: dt.datetime
) -> None:
    who = subscribe(READER)
    again = ask("READER@EXAMPLE.ORG", now + DAY)
    assert again == Asked(who, None, send_notice=False, consent_epoch=1)


def test_our_form_floods_nobodys_mailbox(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    times = [now + dt.timedelta(minutes=minute) for minute in range(0, 120, 2)]
    assert sum(ask(READER, at).send_notice for at in times) == people.MAILS_A_DAY
    assert ask(READER, now + 2 * DAY).send_notice


def test_the_last_spelling_is_mailed_and_older_links_prove_nothing_for_it(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    first = ask("reader@example.org")
    second = ask("Reader@example.org", now + HOUR)
    assert first.subscriber_id == second.subscriber_id
    table = tables.subscribers
    with store.read() as tx:
        row = tx.execute(sa.select(table.c.id, table.c.address)).one()
    assert vault.open_address(row.id, row.address) == "Reader@example.org"
    assert confirm(store, first, now + HOUR) is Outcome.STALE
    assert confirm(store, second, now + HOUR) is Outcome.CONFIRMED


def test_a_language_can_be_changed_and_stays(
    store: Store, vault: Vault, subscribe: Subscribe, now: dt.datetime
) -> None:
    who = subscribe(READER)
    with store.write() as tx:
        assert people.change_language(tx, who, "ru")
        assert not people.change_language(tx, "0" * 32, "ru")
        found = people.find(tx, who)
    assert found is not None
    assert found.language == "ru"


def test_a_mailed_link_finds_its_person_and_no_other_link_does(
    store: Store, vault: Vault, subscribe: Subscribe, now: dt.datetime
) -> None:
    who, other = subscribe(READER), subscribe("other@example.org")
    with store.read() as tx:
        found = people.find(tx, who)
        assert found is not None
        assert people.find_by_link(tx, found.link_id) == found
        assert people.find_by_link(tx, b"12345678") is None
        again = people.find(tx, other)
    assert again is not None
    assert again.link_id != found.link_id


def test_a_data_link_works_for_two_hours_and_confirms_nothing(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    who = ask(READER).subscriber_id
    assert who is not None
    with store.write() as tx:
        asked = people.ask_data(tx, who, now)
        assert asked.confirmation_id is not None
        assert not people.ask_data(tx, who, now).send_notice
        found = people.find_by_data_link(tx, asked.confirmation_id, now + HOUR)
        assert found is not None
        assert found.id == who
        assert people.find_by_data_link(tx, asked.confirmation_id, now + 2 * HOUR) is None
    assert confirm(store, asked, now) is Outcome.STALE


def test_a_confirm_link_shows_no_data(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    assert asked.confirmation_id is not None
    with store.read() as tx:
        assert people.find_by_data_link(tx, asked.confirmation_id, now) is None


def test_who_leaves_can_still_use_the_data_link_and_no_confirmation_link(
    store: Store, vault: Vault, ask: Ask, now: dt.datetime
) -> None:
    asked = ask(READER)
    who = asked.subscriber_id
    assert who is not None
    with store.write() as tx:
        data = people.ask_data(tx, who, now)
    assert data.confirmation_id is not None
    for channel in ("one-click", "journal"):
        with store.write() as tx:
            people.leave(tx, who, now + HOUR, channel)
        with store.read() as tx:
            found = people.find_by_data_link(tx, data.confirmation_id, now + HOUR)
        assert found is not None
        assert found.state is State.UNSUBSCRIBED
        assert confirm(store, asked, now + HOUR) is Outcome.STALE
    with store.write() as tx:
        people.erase(tx, who, now + HOUR)
        assert people.find_by_data_link(tx, data.confirmation_id, now + HOUR) is None
