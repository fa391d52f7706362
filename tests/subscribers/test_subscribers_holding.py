"""Whoever asks what is held about them gets all of it; the operator's `show` prints the evidence."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

from newsletter.store import Store, tables
from newsletter.subscribers import address, holding, people
from newsletter.subscribers.vault import Vault
from newsletter.subscribers.wordings import Shown


def read(text: str) -> address.Address:
    found = address.read(text)
    assert isinstance(found, address.Address)
    return found


def test_a_person_is_told_everything_that_is_held(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime, wording: Shown
) -> None:
    who = subscribe("Reader@example.org")
    with store.write() as tx:
        tx.execute(
            tables.issues.insert().values(
                period="2026-12", number=1, state="open", manifest="m", approved_by="e",
                opened_at=now, dated=now, closes_at=now, audience=1,
            )
        )  # fmt: skip
        tx.execute(
            tables.deliveries.insert().values(
                id="d1", period="2026-12", subscriber_id=who, language="en", state="accepted",
                message_id="<m>", consent_epoch=1, due_at=now, settled_at=now,
            )
        )  # fmt: skip
        people.leave(tx, who, now, "one-click")
    with store.read() as tx:
        found = people.find(tx, who)
        assert found is not None
        held = holding.held(tx, vault, found)
    at = "2026-11-21T12:00Z"
    assert held["address"] == "Reader@example.org"
    assert (held["state"], held["left_at"]) == ("unsubscribed", at)
    assert held["issues"] == [
        {"period": "2026-12", "language": "en", "state": "accepted", "at": at}
    ]
    assert held["do_not_mail"] == [{"reason": "left", "since": at}]
    assert [record["happened"] for record in held["consent"]] == ["given", "withdrawn"]
    assert held["consent"][0]["wording_text"] == wording.text
    assert json.loads(json.dumps(held)) == held


def test_the_operator_sees_what_is_left_of_somebody_who_is_gone(
    store: Store, vault: Vault, subscribe: Callable[..., str], now: dt.datetime
) -> None:
    who = subscribe("reader@example.org")
    with store.read() as tx:
        assert holding.about(tx, vault, read("READER@example.org"))["state"] == "confirmed"
    with store.write() as tx:
        people.erase(tx, who, now)
    with store.read() as tx:
        assert holding.about(tx, vault, read("reader@example.org")) == {
            "state": "absent",
            "consent": [],
            "do_not_mail": [{"reason": "erased", "since": "2026-11-21T12:00Z"}],
        }
        assert holding.about(tx, vault, read("stranger@example.org"))["do_not_mail"] == []
