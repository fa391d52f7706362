"""What came back about a mail: one event, whoever told it. Pure.

    DSN, feedback report, mail to the leave address, webhook, mail log -> Event

An event names a delivery (or notice) by its id, or a reader by the name in
their mail's token; never by an address. Whoever makes one has verified that
name: by a keyed token, a Message-ID of ours, or a signed request.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    DELIVERED = "delivered"
    """The next hop, or one behind it, took the mail: evidence for a delivery in doubt."""
    DEFERRED = "deferred"
    """A later hop has it and tries again: that, too, says that ours took it."""
    BOUNCED = "bounced"
    """It could not be delivered (RFC 3464 Action: failed)."""
    BLOCKED = "blocked"
    """Refused for our sake, not the reader's: reputation, policy, authentication. Suppresses nobody."""
    COMPLAINED = "complained"
    """The reader called it spam (RFC 5965)."""
    LEFT = "left"
    """The reader asked to leave, by a mail or through a relay's own link."""


ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
"""RFC 3463 §2."""
_SOURCE = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that came back.

    `delivery_id` is a delivery's or a notice's id; `link_id` (8 bytes) is the
    name in a reader's mail token, for a complaint or a leave that names no
    delivery. `at` is when it reached us, by a clock of ours. `unique` makes
    the event one: a second event with the same `unique` is a replay and
    changes nothing; only its hash is kept. `source` is a short word such as
    "dsn", "sendgrid", "log".

    Raises:
        ValueError: it names nobody, both at once, or holds a value that is none.
    """

    kind: Kind
    unique: str
    source: str
    at: dt.datetime
    delivery_id: str | None = None
    link_id: bytes | None = None
    code: int | None = None
    enhanced: str | None = None

    def __post_init__(self) -> None:
        if (self.delivery_id is None) == (self.link_id is None):
            raise ValueError("an event names a delivery or a reader")
        if self.link_id is not None and self.kind not in (Kind.COMPLAINED, Kind.LEFT):
            raise ValueError(f"{self.kind} is about a delivery")
        if self.at.tzinfo is None:
            raise ValueError("a moment without a zone is no moment")
        if self.code is not None and not 200 <= self.code <= 599:
            raise ValueError("no RFC 5321 reply code")
        if self.enhanced is not None and not ENHANCED.fullmatch(self.enhanced):
            raise ValueError("no RFC 3463 status")
        if not _SOURCE.fullmatch(self.source) or not self.unique:
            raise ValueError("an event says where it is from and what makes it one")

    @property
    def key(self) -> bytes:
        """32 bytes under which the event is kept once: whatever `unique` held does not show."""
        return hashlib.sha256(f"{self.source}\0{self.unique}".encode()).digest()

    def __repr__(self) -> str:
        return f"Event({self.kind}, {self.source}, {self.delivery_id or 'a reader'})"
