"""Stop an issue that must not go on: whoever was not served yet will not be."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Sum
from newsletter.flows.close import close
from newsletter.flows.parts import Books
from newsletter.issue.period import Period


@dataclass(frozen=True, slots=True)
class Halted:
    """`spared` readers will not get it; mails under way at that instant still arrive."""

    spared: int
    account: Sum


def halt(books: Books, period: Period, now: dt.datetime) -> Halted | None:
    """Halt the issue of `period`; None when it is not open."""
    with books.store.write() as tx:
        spared = ledger.halt(tx, str(period), now)
    if spared is None:
        return None
    return Halted(spared, close(books, str(period), now))
