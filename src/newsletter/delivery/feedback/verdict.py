"""From what a server said, and from what happened before, to "do not mail again". Pure.

    code and status -> Weight            weigh
    Weight and history -> suppress?      condemns

| what came back | weight | suppressed |
|---|---|---|
| 5.1.1, 5.1.2, 5.1.3, 5.1.6, 5.1.10, 5.2.1 | gone | at once |
| 521, 550, 551, 553, 556 without a status that says more | gone | at once |
| x.7.x; or a refusal for our sake | ours | never |
| x.5.x, x.6.x, 5.1.7, 5.1.8, 5.2.3, x.3.4: our words, sender or size | ours | never |
| a 4yz code, 4.x.x, 5.2.2, and whatever else | strike | after three issues in a row |

A status is asked before the bare code: 550 5.7.1 is about our reputation, and
550 alone is mostly "no such user". A mailbox that is gone is not tried again;
one that was full is tried until three issues in a row came back, with none
that stayed taken between them.

Source: RFC 3463 §3, RFC 5248, RFC 7505 (5.1.10); the codes that block at once
are mox's (queue/suppression.go), except that 5.7.1 is about us.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from newsletter.delivery.states import State

IN_A_ROW = 3
"""So many issues in a row that came back: a quarter of a year of a full mailbox."""

GONE_CODES = frozenset({521, 550, 551, 553, 556})
GONE_STATUS = frozenset({"5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10", "5.2.1"})
OUR_STATUS = frozenset({"5.1.7", "5.1.8", "5.2.3", "5.3.4", "4.3.4"})
OUR_SUBJECTS = frozenset({"5", "6", "7"})
"""RFC 3463 §3.6 to §3.8: protocol, content, policy."""


class Weight(StrEnum):
    GONE = "gone"
    """The mailbox does not exist."""
    STRIKE = "strike"
    """It did not take this one."""
    OURS = "ours"
    """It says something about us."""


def weigh(code: int | None, enhanced: str | None, *, blocked: bool = False) -> Weight:
    """What a failure says about the mailbox; `blocked`: whoever told it says that it is about us."""
    first, subject, detail = enhanced.split(".") if enhanced else ("", "0", "0")
    if blocked or subject in OUR_SUBJECTS or enhanced in OUR_STATUS:
        return Weight.OURS
    if first == "4" or (code is not None and code < 500):  # the two disagree: do not give up
        return Weight.STRIKE
    if enhanced in GONE_STATUS:
        return Weight.GONE
    if (subject, detail) == ("0", "0") and code in GONE_CODES:
        return Weight.GONE
    return Weight.STRIKE


class Past(StrEnum):
    """What one earlier issue says about a mailbox."""

    TAKEN = "taken"
    FAILED = "failed"
    SILENT = "silent"
    """Never sent, in doubt, or it failed for our sake."""


def condemns(weight: Weight, past: Iterable[Past]) -> bool:
    """Whether the reader is suppressed; `past` is newest first, this failure in it."""
    match weight:
        case Weight.GONE:
            return True
        case Weight.OURS:
            return False
        case Weight.STRIKE:
            return _in_a_row(past) >= IN_A_ROW


def _in_a_row(past: Iterable[Past]) -> int:
    count = 0
    for each in past:
        if each is Past.TAKEN:
            break
        count += each is Past.FAILED
    return count


_REASON = re.compile(r"(\w+)((?: \d{3})?)((?: [245]\.\d{1,3}\.\d{1,3})?)", re.ASCII)
_TOLD = frozenset({"report", "blocked", "rcpt", "terminator"})


def reason(code: int | None, enhanced: str | None, *, blocked: bool = False) -> str:
    """What stands in the ledger's row of a mail that came back: "report 550 5.1.1"."""
    parts = ("blocked" if blocked else "report", code, enhanced)
    return " ".join(str(part) for part in parts if part is not None)


def past(state: State, why: str | None) -> Past:
    """What a row of the ledger says, from its state and its reason."""
    if state in (State.ACCEPTED, State.COMPLAINED):
        return Past.TAKEN
    said = read_reason(why)
    if state in (State.BOUNCED, State.REJECTED) and said is not None:
        return (
            Past.SILENT if weigh(said[0], said[1], blocked=said[2]) is Weight.OURS else Past.FAILED
        )
    return Past.SILENT


def read_reason(why: str | None) -> tuple[int | None, str | None, bool] | None:
    """Code, status and blocked of "rcpt 550 5.1.1" or "report 5.2.2"; None: nobody judged a mailbox."""
    found = _REASON.fullmatch(why or "")
    if found is None or found[1] not in _TOLD:
        return None
    return int(found[2]) if found[2] else None, found[3].strip() or None, found[1] == "blocked"
