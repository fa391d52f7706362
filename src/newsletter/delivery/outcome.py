"""What one try came to, and the Transport that tells it. Nothing here knows a database."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from newsletter.errors import Finding


class Stage(StrEnum):
    """How far the dialogue got (RFC 5321 §3)."""

    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    TERMINATOR = "terminator"
    """The final dot was, or may have been, written."""


class Kind(StrEnum):
    ACCEPTED = "accepted"
    """250 after the final dot: the next hop took it. Does not promise an inbox."""
    DEFERRED = "deferred"
    """A later try may succeed; the message certainly was not taken."""
    REJECTED = "rejected"
    """5xx to RCPT or to the dot, and only those: the reader's mailbox said no."""
    OUR_FAULT = "our_fault"
    """5xx to greeting, STARTTLS, AUTH or MAIL: about us, not the reader. The sender pauses."""
    IN_DOUBT = "in_doubt"
    """Cut, timed out or nonsense after the terminator: nobody can say (RFC 1047)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`code` is the RFC 5321 reply, `enhanced` the RFC 3463 status, `reply` those of its words that name nobody."""

    kind: Kind
    stage: Stage
    code: int | None = None
    enhanced: str | None = None
    reply: str = ""


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321: who sends, and the one who gets it. `smtputf8` when the local part is not ASCII.

    `dot_before` is a moment of the boot-time clock (`boot_seconds`): a process
    that slept past it must not write the final dot, because its lease is over
    and somebody else may have judged the row. `delivery_id` is the row's, for
    a transport whose reports come back with it; None for a mail without a row.
    `envelope_id` is what a report by mail comes back with (RFC 3461 §4.4): our
    keyed token, like the one in the return path. `dotless` says that no line
    of the message begins with a dot, so that nobody need look for one.
    """

    sender: str
    recipient: str
    smtputf8: bool = False
    dot_before: float = math.inf
    delivery_id: str | None = None
    envelope_id: str | None = None
    dotless: bool = False

    def __repr__(self) -> str:
        return "Envelope(***)"


@dataclass(frozen=True, slots=True)
class Following:
    """The message that this connection will most likely be given next, and its bytes' number."""

    envelope: Envelope
    size: int


class Connection(Protocol):
    """One conversation with a relay; used by one thread, except `abort`."""

    def ready(self) -> Outcome | None:
        """Open the conversation if it is not open. None when MAIL may follow, else the trouble.

        Asked before a row is begun, so that a relay that is off touches no row.
        """
        ...

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        """Offer one message (CRLF bytes). Never raises for anything the network does."""
        ...

    def abort(self) -> None:
        """Cut the conversation from another thread; the `send` under way ends with an Outcome."""
        ...

    def close(self) -> None:
        """Say goodbye. Never raises; what it comes to does not matter (RFC 5321 §4.1.1.10)."""
        ...


class Transport(Protocol):
    """A way out of the house. Three real ones: smtp, sendgrid, outbox."""

    name: str

    def connect(self) -> Connection:
        """A new conversation, not opened yet."""
        ...

    def explain(self, outcome: Outcome) -> Finding:
        """What an outcome that stops or slows the sender means to the publisher: one line, and the way out."""
        ...


def boot_seconds() -> float:
    """A clock that nobody sets and that runs on while the machine sleeps."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
