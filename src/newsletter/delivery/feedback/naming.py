"""Whose a mail is: claims verified by key, and against each other.

A token of the recipient, a Message-ID of the returned mail and a leave link in
it each name something; all that are there must name the same. One that we did
not make, or two that differ, and the mail names nobody: it is forged, or it is
beyond what can be told. A token whose capitals a server has folded is no name
any more, and says nothing beside those that are (RFC 5321 §2.4 forbids it;
Exim does it to what it tells a pipe).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.feedback.mail import Claims
from newsletter.store.tables import deliveries, notices
from newsletter.subscribers import people
from newsletter.subscribers.tokens import ID_BYTES, Purpose
from newsletter.subscribers.vault import Vault


@dataclass(frozen=True, slots=True)
class Named:
    """A delivery or notice by its id, or a reader by the name in their mail's token."""

    delivery_id: str | None = None
    link_id: bytes | None = None


class Nobody(StrEnum):
    NOT_OURS = "not ours"
    """It claims nothing of ours."""
    FORGED = "forged"
    """It claims what we did not make, or two things at once."""


def whose(tx: Connection, vault: Vault, claims: Claims, domain: str) -> Named | Nobody:
    """What `claims` name; `domain` is that of our Message-IDs."""
    mails: set[str] = set()
    for token in claims.bounce_tokens:
        name = vault.read_token(Purpose.BOUNCE, token)
        found = _by_prefix(tx, name) if name is not None else None
        if found is not None:
            mails.add(found)
        elif not _is_folded(token):
            return Nobody.FORGED
    mails |= _by_envelope_id(tx, vault, claims.envelope_id)
    for message_id in claims.message_ids:
        found = _by_message_id(tx, vault, message_id)
        if found is not None:
            mails.add(found)
        elif _is_like_ours(vault, message_id, domain):
            return Nobody.FORGED
    links = {
        link
        for token in claims.mail_tokens | claims.leave_tokens
        if (link := vault.read_mail_token(token)) is not None or not _is_folded(token)
    }
    if None in links or len(mails) > 1 or len(links) > 1:
        return Nobody.FORGED
    mail, link = next(iter(mails), None), next(iter(links), None)
    if mail is not None:
        return _agreed(tx, mail, link)
    return Named(link_id=link) if link is not None else Nobody.NOT_OURS


def _is_folded(token: str) -> bool:
    """Whether it may have been in capitals, too: of 32 letters at random, one in 17 million has none."""
    return token == token.lower()


_SUBSCRIBER = {
    table.name: sa.select(table.c.subscriber_id).where(table.c.id == sa.bindparam("of"))
    for table in (deliveries, notices)
}


def _agreed(tx: Connection, mail: str, link: bytes | None) -> Named | Nobody:
    """`mail`, unless the reader's link in it is another reader's."""
    reader = people.find_by_link(tx, link) if link is not None else None
    if reader is not None:
        owners = {tx.scalar(query, {"of": mail}) for query in _SUBSCRIBER.values()}
        if reader.id not in owners:
            return Nobody.FORGED
    return Named(delivery_id=mail)


def _by_envelope_id(tx: Connection, vault: Vault, envelope_id: str | None) -> set[str]:
    """ENVID is our token where a relay took it (RFC 3461 §4.4); anything else is another system's own."""
    name = vault.read_token(Purpose.BOUNCE, envelope_id) if envelope_id else None
    found = _by_prefix(tx, name) if name is not None else None
    return {found} if found is not None else set()


_BETWEEN = {
    table.name: sa.select(table.c.id).where(
        table.c.id.between(sa.bindparam("low"), sa.bindparam("high"))
    )
    for table in (deliveries, notices)
}


def _by_prefix(tx: Connection, name: bytes) -> str | None:
    """The id that begins with the eight bytes in a bounce token."""
    rest = 2 * ID_BYTES
    edges = {"low": name.hex() + "0" * rest, "high": name.hex() + "f" * rest}
    found = [str(each) for query in _BETWEEN.values() for each in tx.scalars(query, edges)]
    return found[0] if len(found) == 1 else None


_RANDOM_NAME = re.compile(r"[a-z2-7]{26}", re.ASCII)
"""A notice's (notices.py)."""


def _is_like_ours(vault: Vault, message_id: str, domain: str) -> bool:
    """Whether it has the form of ours: the same domain may write other mails."""
    name, _, host = message_id[1:-1].partition("@")
    of_a_delivery = vault.delivery_named(message_id[1:-1]) is not None
    ours = of_a_delivery or _RANDOM_NAME.fullmatch(name) is not None
    return ours and host.lower() == domain.lower()


_MESSAGE_ID_OF = sa.select(deliveries.c.message_id).where(deliveries.c.id == sa.bindparam("of"))
_BY_RANDOM_NAME = sa.select(notices.c.id).where(notices.c.message_id == sa.bindparam("of"))


def _by_message_id(tx: Connection, vault: Vault, message_id: str) -> str | None:
    """The row whose Message-ID this is. An issue's is its row's id under our key; a notice's is 128 random bits."""
    delivery = vault.delivery_named(message_id[1:-1])
    if delivery is not None and tx.scalar(_MESSAGE_ID_OF, {"of": delivery}) == message_id:
        return delivery
    name = message_id[1:-1].partition("@")[0]
    notice = tx.scalar(_BY_RANDOM_NAME, {"of": name})
    return str(notice) if notice is not None else None
