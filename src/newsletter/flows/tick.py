"""One tick of the month: go on with what is open, send what is due, say what is not approved.

open issue with somebody waiting? -> go on, close
decide(now)  DUE        -> send
             UNAPPROVED -> a word to [month] notify, once
             otherwise  -> nothing; the decision's sentence says why
"""

from __future__ import annotations

import threading

import sqlalchemy as sa

from newsletter.delivery import ledger, notices
from newsletter.delivery.ledger import Refused, whereabouts
from newsletter.errors import Findings
from newsletter.flows import send as sending
from newsletter.flows import signing
from newsletter.flows.close import close, listed
from newsletter.flows.open import witness_of
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent
from newsletter.issue import period as calendar
from newsletter.issue.period import Period
from newsletter.schedule import month
from newsletter.schedule.month import Decision, Last, Verdict
from newsletter.store.tables import issues


def decision(parts: Parts) -> Decision:
    """What holds for this month, as `schedule` and `status` say it."""
    settings, now = parts.settings, parts.clock()
    rules = month.Rules(settings.month, settings.publication.time_zone)
    with parts.store.read() as tx:
        row = tx.execute(
            sa.select(issues.c.period, issues.c.opened_at).order_by(issues.c.period.desc()).limit(1)
        ).first()
    last = Last(row.period, row.opened_at) if row else None
    first = month.decide(now, rules, last, approved=True)
    if first.verdict is not Verdict.DUE:
        return first
    return month.decide(now, rules, last, approved=_approved(parts, first.period))


def _approved(parts: Parts, period: Period) -> bool:
    try:
        signing.load(parts.settings, period)
    except Findings:
        return False
    return True


def tick(
    parts: Parts, stop: threading.Event | None = None
) -> tuple[Decision, Sent | Refused | None]:
    """Do what this moment asks for; the decision, and what was sent.

    Raises:
        CouldNotRun: the database is behind its witness, or has none.
    """
    _go_on_with_what_is_open(parts, stop)
    found = decision(parts)
    if found.verdict is Verdict.DUE:
        return found, sending.send(parts, found.period, stop=stop)
    if found.verdict is Verdict.UNAPPROVED and parts.settings.month.notify:
        language = parts.settings.publication.languages[0]
        with parts.store.write() as tx:
            word = notices.Word.NOT_APPROVED
            notices.tell(tx, word, str(found.period), language, parts.clock())
    return found, None


def _go_on_with_what_is_open(parts: Parts, stop: threading.Event | None) -> None:
    with parts.store.write() as tx:
        # Notices too: a confirmation that a killed process held goes out now.
        ledger.recover(tx, whereabouts.here(), parts.clock())
        ledger.expire(tx, parts.clock())
        open_now = list(tx.scalars(sa.select(issues.c.period).where(issues.c.state == "open")))
    if not open_now:
        return
    witness_of(parts).insist(parts.store)
    for period in open_now:
        report = sending.go_on(parts, period, stop)
        account = close(parts, period, parts.clock())
        if (report or account.closed_at) and not listed(parts, calendar.read(period)):
            parts.rebuild()
