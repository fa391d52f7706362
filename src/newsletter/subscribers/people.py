"""What a person can do: ask, confirm, leave, be erased, change language.

    ask -> (confirmation mail) -> confirm -> ... -> leave | erase

Every function acts inside the caller's transaction (`store.write()`), by the
tables in states.py, and returns a value. No function tells the outside more
than a stranger may know: the web answers alike for all of them.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.subscribers import consent, rows, suppression, wordings
from newsletter.subscribers.address import Address
from newsletter.subscribers.states import Door, Event, Reason, State, after
from newsletter.subscribers.vault import Vault

VALID_FOR = dt.timedelta(hours=48)
"""How long a confirmation link works; after it the request is purged ([retention])."""

DATA_VALID_FOR = dt.timedelta(hours=2)
"""How long a mailed link to one's own data works: it shows the address."""

MAILS_A_DAY = 3
"""Confirmation mails to one address in 24 hours: nobody's mailbox is flooded through our form."""

MAIL_GAP = dt.timedelta(minutes=5)
"""A form sent twice in a row is one request."""


@dataclass(frozen=True, slots=True)
class Person:
    """A subscriber without their address."""

    id: str
    link_id: bytes
    language: str
    state: State
    consent_epoch: int
    suppression_key: bytes
    evidence_key: bytes
    requested_at: dt.datetime
    confirmed_at: dt.datetime | None
    left_at: dt.datetime | None

    def __repr__(self) -> str:
        return f"Person({self.id}, {self.state})"


@dataclass(frozen=True, slots=True)
class Asked:
    """`subscriber_id` is None when nothing was kept; mail the confirmation only when `send_notice`."""

    subscriber_id: str | None
    confirmation_id: bytes | None
    send_notice: bool
    consent_epoch: int = 0


class Outcome(StrEnum):
    """What came of a confirmation link."""

    CONFIRMED = "confirmed"
    ALREADY = "already"
    """The second click; nothing changed."""
    STALE = "stale"
    """Unknown, too old, or asked before the person left: a new request is needed."""
    BLOCKED = "blocked"
    """A suppression that a fresh opt-in does not lift."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    outcome: Outcome
    subscriber_id: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Left:
    """`changed` is False for the second click."""

    subscriber_id: str
    suppression_key: bytes
    changed: bool


def find(tx: Connection, subscriber_id: str) -> Person | None:
    return _one(tx, rows.BY_ID, subscriber_id)


def find_by_link(tx: Connection, link_id: bytes) -> Person | None:
    """Whoever a mail's token names (`vault.read_mail_token`)."""
    return _one(tx, rows.BY_LINK, link_id)


def find_by_address(tx: Connection, vault: Vault, address: Address) -> Person | None:
    """Whoever has this address, through the blind index."""
    vault.follow(tx)
    return _one(tx, rows.BY_INDEX, vault.indexes(address))


def _one(tx: Connection, query: sa.Select[Any], who: object) -> Person | None:
    row = tx.execute(query, {"who": who}).first()
    return person(row) if row else None


def person(row: Any) -> Person:
    """A Person from a row that has the columns of `rows.PERSON`."""
    return Person(
        row.id,
        bytes(row.link_id),
        row.language,
        State(row.state),
        row.consent_epoch,
        bytes(row.suppression_key),
        bytes(row.evidence_key),
        row.requested_at,
        row.confirmed_at,
        row.left_at,
    )


def ask(
    tx: Connection,
    vault: Vault,
    address: Address,
    language: str,
    wording_hash: str,
    now: dt.datetime,
    *,
    valid_for: dt.timedelta = VALID_FOR,
) -> Asked:
    """The sign-up form was sent for `address`, showing the wording of this hash.

    Nothing is promised to whoever sent it: a known, a suppressed and a new
    address differ only in what is mailed.

    Raises:
        ValueError: no such wording is registered (`wordings.find` first).
    """
    if wordings.find(tx, wording_hash) is None:
        raise ValueError("a consent wording that was never registered")
    found = find_by_address(tx, vault, address)
    key = found.suppression_key if found else vault.suppression_key(address)
    if suppression.closed(tx, key, Door.FORM, now):
        return Asked(None, None, send_notice=False)
    if found is None:
        subscriber_id, epoch = _insert(tx, vault, address, language, now), 0
    else:
        subscriber_id, epoch = found.id, found.consent_epoch
        after(found.state, Event.ASK)  # the state stays as it is
        if _is_mailed(tx, found) or _asked_enough(tx, found.id, "confirm", now):
            return Asked(found.id, None, send_notice=False, consent_epoch=epoch)
        _take_spelling(tx, vault, found.id, address)
    confirmation_id = link(
        tx, subscriber_id, "confirm", wording_hash, language, now, now + valid_for
    )
    return Asked(subscriber_id, confirmation_id, send_notice=True, consent_epoch=epoch)


def _is_mailed(tx: Connection, person: Person) -> bool:
    """A reader whose mails came back is confirmed and yet not mailed: only a new opt-in changes that."""
    return person.state is State.CONFIRMED and not suppression.reasons(tx, person.suppression_key)


def _insert(tx: Connection, vault: Vault, address: Address, language: str, now: dt.datetime) -> str:
    row = new_row(vault, address, language, now)
    tx.execute(rows.INSERT, row)
    return str(row["id"])


def new_row(
    vault: Vault,
    address: Address,
    language: str,
    now: dt.datetime,
    *,
    index: bytes | None = None,
    suppression_key: bytes | None = None,
) -> dict[str, Any]:
    """The row of somebody who just asked; hashes that are known already need not be made again."""
    subscriber_id = secrets.token_hex(16)
    return {
        "id": subscriber_id,
        "link_id": secrets.token_bytes(8),
        "address": vault.seal_address(subscriber_id, address),
        "address_index": index or vault.index(address),
        "suppression_key": suppression_key or vault.suppression_key(address),
        "evidence_key": vault.evidence_key(address),
        "language": language,
        "state": State.PENDING.value,
        "consent_epoch": 0,
        "requested_at": now,
        "confirmed_at": None,
        "left_at": None,
    }


def _asked_enough(tx: Connection, subscriber_id: str, purpose: str, now: dt.datetime) -> bool:
    since = now - dt.timedelta(days=1)
    found = tx.execute(rows.ASKED_SINCE, {"who": subscriber_id, "aim": purpose, "since": since})
    times = found.scalars().all()
    return len(times) >= MAILS_A_DAY or any(now - MAIL_GAP < time <= now for time in times)


def _take_spelling(tx: Connection, vault: Vault, subscriber_id: str, address: Address) -> None:
    """Send to the address as it was spelled last; a link sent to another spelling proves nothing for it."""
    sealed = tx.execute(rows.SEALED, {"who": subscriber_id}).scalar_one()
    if vault.open_address(subscriber_id, sealed) == address.mailbox:
        return
    tx.execute(rows.VOID_LINKS, {"who": subscriber_id})
    new = vault.seal_address(subscriber_id, address)
    tx.execute(rows.RESEAL, {"who": subscriber_id, "sealed": new})


def link(
    tx: Connection,
    subscriber_id: str,
    purpose: str,
    wording_hash: str | None,
    language: str,
    now: dt.datetime,
    expires_at: dt.datetime,
) -> bytes:
    """A new link of `purpose`; its name."""
    confirmation_id = secrets.token_bytes(8)
    row = {
        "id": confirmation_id,
        "subscriber_id": subscriber_id,
        "purpose": purpose,
        "wording_hash": wording_hash,
        "language": language,
        "asked_at": now,
        "expires_at": expires_at,
    }
    tx.execute(rows.ADD_LINK, row)
    return confirmation_id


def confirm(tx: Connection, confirmation_id: bytes, now: dt.datetime) -> Confirmed:
    """The token of a confirmation mail was POSTed (`vault.read_confirm_token`)."""
    asked = tx.execute(rows.LINK, {"name": confirmation_id, "aim": "confirm"}).first()
    found = find(tx, asked.subscriber_id) if asked else None
    if asked is None or found is None:
        return Confirmed(Outcome.STALE)
    if asked.used_at is not None or _is_mailed(tx, found):
        if found.state is not State.CONFIRMED:
            return Confirmed(Outcome.STALE)
        return Confirmed(Outcome.ALREADY, found.id, found.language)
    if asked.expires_at <= now:
        return Confirmed(Outcome.STALE)
    if suppression.closed(tx, found.suppression_key, Door.FORM, now):
        return Confirmed(Outcome.BLOCKED)
    tx.execute(rows.USE_LINK, {"name": confirmation_id, "now": now})
    to = after(found.state, Event.CONFIRM).value
    values = {"tag": asked.language, "asked": asked.asked_at, "now": now}
    tx.execute(rows.CONFIRM, {"who": found.id, "to": to, **values})
    suppression.lift_by_opt_in(tx, found.suppression_key, now)
    wording = wordings.find(tx, asked.wording_hash or "")
    record = consent.Record(
        consent.Happened.GIVEN,
        wording=asked.wording_hash,
        language=wording.language if wording else asked.language,
        method=consent.Method.DOUBLE_OPT_IN,
        asked_at=asked.asked_at,
        mailed_at=_mailed_at(tx, found.id, confirmation_id),
        given_at=now,
    )
    consent.append(tx, found.evidence_key, record, now)
    return Confirmed(Outcome.CONFIRMED, found.id, asked.language)


def _mailed_at(tx: Connection, subscriber_id: str, confirmation_id: bytes) -> dt.datetime | None:
    """When the next hop took the confirmation mail: part of the evidence (BGH I ZR 164/09)."""
    found = tx.execute(rows.MAILED_AT, {"who": subscriber_id, "name": confirmation_id})
    return found.scalars().first()


def leave(tx: Connection, subscriber_id: str, now: dt.datetime, channel: str) -> Left | None:
    """The person takes back their consent; None when there is no such person.

    `channel` says how ("one-click", "page", "operator", "journal").
    Confirmation links that were asked for before are void: an old mail does not
    undo this. A link to their own data still works: whoever leaves first can
    then see what is held, and erase it.
    """
    found = find(tx, subscriber_id)
    if found is None:
        return None
    suppression.add(tx, found.suppression_key, Reason.LEFT, now)
    tx.execute(rows.VOID_CONFIRMATIONS, {"who": found.id})
    if found.state is State.UNSUBSCRIBED:
        return Left(found.id, found.suppression_key, changed=False)
    to = after(found.state, Event.LEAVE).value
    tx.execute(rows.LEAVE, {"who": found.id, "to": to, "now": now})
    if found.state is State.CONFIRMED:
        record = consent.Record(consent.Happened.WITHDRAWN, source=channel, withdrawn_at=now)
        consent.append(tx, found.evidence_key, record, now)
    return Left(found.id, found.suppression_key, changed=True)


def erase(tx: Connection, subscriber_id: str, now: dt.datetime) -> bool:
    """Overwrite and delete the person and their evidence; only the keyed hash "do not mail" stays.

    Returns False when there is no such person.
    """
    found = find(tx, subscriber_id)
    if found is None:
        return False
    suppression.add(tx, found.suppression_key, Reason.ERASED, now)
    consent.forget(tx, found.evidence_key)
    remove(tx, found.id)
    return True


def remove(tx: Connection, subscriber_id: str) -> None:
    """Take the row out: the sealed address is overwritten first, so no page keeps it.

    What mail servers said about the person goes too; that it was tried stays.
    """
    sealed = tx.execute(rows.SEALED, {"who": subscriber_id}).scalar() or b""
    tx.execute(rows.RESEAL, {"who": subscriber_id, "sealed": secrets.token_bytes(len(sealed))})
    tx.execute(rows.FORGET_REPLIES, {"who": subscriber_id})
    tx.execute(rows.DELETE, {"who": subscriber_id})


def change_language(tx: Connection, subscriber_id: str, language: str) -> bool:
    """The next issue comes in `language` (one of the publication's). False: no such person."""
    found = find(tx, subscriber_id)
    if found is None:
        return False
    after(found.state, Event.CHANGE_LANGUAGE)
    tx.execute(rows.LANGUAGE, {"who": found.id, "tag": language})
    return True


def ask_data(
    tx: Connection, subscriber_id: str, now: dt.datetime, *, once_a_day: bool = False
) -> Asked:
    """Somebody wants a link to what is held about this person; it is mailed to them alone.

    `once_a_day`: whoever asks may be a stranger who knows the address, so no
    such mail is sent within 24 hours of another.
    """
    found = find(tx, subscriber_id)
    enough = _asked_enough(tx, subscriber_id, "data", now)
    if found is None or enough or (once_a_day and _data_mailed_today(tx, subscriber_id, now)):
        return Asked(found.id if found else None, None, send_notice=False)
    made = link(tx, found.id, "data", None, found.language, now, now + DATA_VALID_FOR)
    return Asked(found.id, made, send_notice=True, consent_epoch=found.consent_epoch)


def _data_mailed_today(tx: Connection, subscriber_id: str, now: dt.datetime) -> bool:
    """Told by the mails: a link is deleted soon after it has ended."""
    since = now - dt.timedelta(days=1)
    found = tx.execute(rows.DATA_MAILED_SINCE, {"who": subscriber_id, "since": since})
    return found.first() is not None


def find_by_data_link(tx: Connection, confirmation_id: bytes, now: dt.datetime) -> Person | None:
    """Whoever a mailed data link names (`vault.read_data_token`), while it works."""
    asked = tx.execute(rows.LINK, {"name": confirmation_id, "aim": "data"}).first()
    if asked is None or asked.expires_at <= now:
        return None
    return find(tx, asked.subscriber_id)
