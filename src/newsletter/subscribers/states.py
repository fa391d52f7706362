"""A subscriber's states, what leads from one to the next, and what a suppression blocks. Pure.

    (absent) --ask--> PENDING --confirm--> CONFIRMED --leave--> UNSUBSCRIBED --confirm--> CONFIRMED
    any --erase--> (absent)

`people.py` acts by these two tables and by nothing else.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    ABSENT = "absent"
    """No row: never asked, or erased."""
    PENDING = "pending"
    CONFIRMED = "confirmed"
    UNSUBSCRIBED = "unsubscribed"


class Event(StrEnum):
    ASK = "ask"
    """The sign-up form was sent; proves nothing yet."""
    CONFIRM = "confirm"
    """A POST with the token of the confirmation mail, or imported evidence of consent."""
    LEAVE = "leave"
    ERASE = "erase"
    CHANGE_LANGUAGE = "change_language"


ALLOWED: dict[tuple[State, Event], State] = {
    (State.ABSENT, Event.ASK): State.PENDING,
    (State.PENDING, Event.ASK): State.PENDING,
    (State.CONFIRMED, Event.ASK): State.CONFIRMED,
    # Whoever left stays away until they confirm again.
    (State.UNSUBSCRIBED, Event.ASK): State.UNSUBSCRIBED,
    (State.PENDING, Event.CONFIRM): State.CONFIRMED,
    (State.CONFIRMED, Event.CONFIRM): State.CONFIRMED,
    (State.UNSUBSCRIBED, Event.CONFIRM): State.CONFIRMED,
    (State.PENDING, Event.LEAVE): State.UNSUBSCRIBED,
    (State.CONFIRMED, Event.LEAVE): State.UNSUBSCRIBED,
    (State.UNSUBSCRIBED, Event.LEAVE): State.UNSUBSCRIBED,
    (State.ABSENT, Event.ERASE): State.ABSENT,
    (State.PENDING, Event.ERASE): State.ABSENT,
    (State.CONFIRMED, Event.ERASE): State.ABSENT,
    (State.UNSUBSCRIBED, Event.ERASE): State.ABSENT,
    (State.PENDING, Event.CHANGE_LANGUAGE): State.PENDING,
    (State.CONFIRMED, Event.CHANGE_LANGUAGE): State.CONFIRMED,
    (State.UNSUBSCRIBED, Event.CHANGE_LANGUAGE): State.UNSUBSCRIBED,
}
"""Whatever is not here cannot happen; `after` raises for it."""


def after(state: State, event: Event) -> State:
    """The state that `event` leads to.

    Raises:
        KeyError: the transition does not exist; the caller has lost track.
    """
    return ALLOWED[state, event]


class Reason(StrEnum):
    """Why an address must not be mailed."""

    LEFT = "left"
    ERASED = "erased"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class Door(StrEnum):
    """A way in that a suppression may close."""

    FORM = "form"
    """No confirmation mail is sent; the answer on the page is the same."""
    IMPORT = "import"
    RESTORE = "restore"
    """A backup does not bring the person back."""
    SEND = "send"


@dataclass(frozen=True, slots=True)
class Rule:
    """`blocks` these doors; `opt_in_after`: a fresh opt-in lifts it once it is this old, None never.

    The form is closed for as long as an opt-in would not lift it.
    """

    blocks: frozenset[Door]
    opt_in_after: dt.timedelta | None


_CLOSED = frozenset({Door.IMPORT, Door.RESTORE, Door.SEND})

SUPPRESSION: dict[Reason, Rule] = {
    Reason.LEFT: Rule(_CLOSED, dt.timedelta(0)),
    Reason.ERASED: Rule(_CLOSED, dt.timedelta(0)),
    # A mailbox that was full or gone is worth one more try a month later.
    Reason.BOUNCED: Rule(_CLOSED, dt.timedelta(days=30)),
    # Only the operator lifts it: a second complaint costs every other reader.
    Reason.COMPLAINED: Rule(_CLOSED, None),
}


def blocks(reason: Reason, door: Door, since: dt.datetime, now: dt.datetime) -> bool:
    """Whether a suppression made at `since` closes `door` at `now`."""
    if door is Door.FORM:
        return not lifted_by_opt_in(reason, since, now)
    return door in SUPPRESSION[reason].blocks


def lifted_by_opt_in(reason: Reason, since: dt.datetime, now: dt.datetime) -> bool:
    """Whether a confirmed opt-in at `now` ends a suppression made at `since`."""
    wait = SUPPRESSION[reason].opt_in_after
    return wait is not None and now >= since + wait
