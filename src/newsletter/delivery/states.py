"""The states of a delivery and the one table of what may follow what. Pure.

    QUEUED -> CLAIMED -> SENDING -> ACCEPTED | DEFERRED | REJECTED | IN_DOUBT
       ^         |          |
       +---------+----------+   its sender died before it began, or the fault is ours

DEFERRED is QUEUED with a later due time. IN_DOUBT never leaves by itself: only
evidence or the operator's word moves it. docs/delivery-states.md says when each
arrow is taken; a test holds this table, the database's CHECK and that page
against each other.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    QUEUED = "queued"
    """Waits for a sender."""
    CLAIMED = "claimed"
    """One sender holds it; nothing went over the network."""
    SENDING = "sending"
    """Begun, and committed as begun, before the first byte of its message."""
    ACCEPTED = "accepted"
    """The next hop answered 250 after the final dot. Does not promise an inbox."""
    DEFERRED = "deferred"
    """Certainly not taken; waits for its next try."""
    REJECTED = "rejected"
    """The mailbox said no for good, or the issue closed before any try succeeded."""
    EXCLUDED = "excluded"
    """The person left, was erased or suppressed, or the issue was halted, before it began."""
    IN_DOUBT = "in_doubt"
    """Perhaps taken, perhaps not: nobody can say (RFC 1047). Never sent again by itself."""
    BOUNCED = "bounced"
    """A report of non-delivery came back (RFC 3464)."""
    COMPLAINED = "complained"
    """The reader called it spam (RFC 5965)."""


S = State
ALLOWED: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.CLAIMED, S.EXCLUDED, S.REJECTED, S.IN_DOUBT}),
    S.DEFERRED: frozenset({S.CLAIMED, S.EXCLUDED, S.REJECTED, S.IN_DOUBT}),
    S.CLAIMED: frozenset({S.SENDING, S.QUEUED, S.EXCLUDED, S.IN_DOUBT}),
    S.SENDING: frozenset({S.ACCEPTED, S.DEFERRED, S.REJECTED, S.QUEUED, S.IN_DOUBT}),
    S.IN_DOUBT: frozenset({S.ACCEPTED, S.REJECTED, S.QUEUED, S.BOUNCED, S.COMPLAINED}),
    S.ACCEPTED: frozenset({S.BOUNCED, S.COMPLAINED}),
    S.REJECTED: frozenset(),
    S.EXCLUDED: frozenset(),
    S.BOUNCED: frozenset(),
    S.COMPLAINED: frozenset(),
}

WAITING = frozenset({S.QUEUED, S.DEFERRED})
"""May be claimed when due."""
PENDING = frozenset({S.QUEUED, S.DEFERRED, S.CLAIMED, S.SENDING})
"""Not yet ended; an issue with any of these is not closed."""
SETTLED = frozenset(State) - PENDING


def may(before: State, after: State) -> bool:
    """Whether a delivery may go from `before` to `after`."""
    return after in ALLOWED[before]


def before(after: State) -> frozenset[State]:
    """Every state that may become `after`."""
    return frozenset(state for state, following in ALLOWED.items() if after in following)
