"""One tick of the month: go on with what is open, send what is due, say what is not approved.

the journal's leaves -> database
open issue with somebody waiting? -> go on, close
decide(now)  DUE        -> send
             UNAPPROVED -> a word to [month] notify, once a day
             otherwise  -> nothing; the decision's sentence says why
"""

from __future__ import annotations

import datetime as dt
import threading

import sqlalchemy as sa

from newsletter.config import Settings
from newsletter.delivery import ledger, notices
from newsletter.delivery.ledger import AlreadySent, Recovered, Refused
from newsletter.delivery.loop import Progress
from newsletter.errors import Findings
from newsletter.flows import send as sending
from newsletter.flows import signing
from newsletter.flows.close import listed
from newsletter.flows.open import witness_of
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent
from newsletter.flows.telling import tell_in_passing
from newsletter.issue import period as calendar
from newsletter.issue.period import Period
from newsletter.schedule import month
from newsletter.schedule.month import Decision, Verdict
from newsletter.schedule.witness import Witness, name, newest
from newsletter.store import Store
from newsletter.store.restored import was_restored
from newsletter.store.tables import issues

DAY = dt.timedelta(days=1)


def outlook(
    settings: Settings,
    store: Store | None,
    witness: Witness,
    now: dt.datetime,
    *,
    past: bool = True,
) -> Decision:
    """What holds for the month of `now`, by the database and whatever its witness remembers beyond it.

    `store` None: there is no database yet. `past` False: `now` is only asked
    about, and may lie before what was sent.

    Raises:
        CouldNotRun: NL703, the witness cannot be read.
    """
    rules = month.Rules(settings.month, settings.publication.time_zone)
    last, seen = None, None
    if store is not None:
        with store.read() as tx:
            last, seen = newest(tx), witness.seen(name(tx))
    if seen is not None and seen.issue and (last is None or seen.issue.period > last.period):
        last = seen.issue
    latest = seen.at if seen and past else None
    first = month.decide(now, rules, last, approved=True, latest=latest)
    if first.verdict is not Verdict.DUE:
        return first
    approved = _approved(settings, first.period)
    return month.decide(now, rules, last, approved=approved, latest=latest)


def decision(parts: Parts) -> Decision:
    """What holds for this month, as `schedule` and `status` say it."""
    return outlook(parts.settings, parts.store, witness_of(parts), parts.clock())


def _approved(settings: Settings, period: Period) -> bool:
    try:
        signing.load(settings, period)
    except Findings:
        return False
    return True


def tick(
    parts: Parts, stop: threading.Event | None = None, progress: Progress | None = None
) -> tuple[Decision, Sent | Refused | None]:
    """Do what this moment asks for; the decision, and what was sent or gone on with.

    Raises:
        CouldNotRun: the database is behind its witness, or has none; the clock stands
            before what was sent already.
    """
    parts.catch_up()
    gone_on = _go_on_with_what_is_open(parts, stop, progress)
    witness_of(parts).follow(parts.store)
    tell_in_passing(parts.settings, parts.store, parts.clock(), parts.complain)
    found = decision(parts)
    if found.verdict is Verdict.DUE and not (stop and stop.is_set()):
        return found, sending.send(parts, found.period, stop=stop, progress=progress)
    if found.verdict is Verdict.UNAPPROVED and parts.settings.month.notify:
        language, now = parts.settings.publication.languages[0], parts.clock()
        with parts.store.write() as tx:
            day = (now - found.due_at) // DAY
            notices.tell(tx, notices.Word.NOT_APPROVED, str(found.period), language, now, day=day)
    return found, gone_on


def _go_on_with_what_is_open(
    parts: Parts, stop: threading.Event | None, progress: Progress | None
) -> Sent | None:
    """What came of the open issue, when anything of it was due."""
    with parts.store.write() as tx:
        # Notices too: a confirmation that a killed process held goes out now.
        recovered = ledger.settle_and_recover(tx, parts.clock())
        open_now = tx.execute(
            sa.select(issues.c.period, issues.c.opened_at, issues.c.state).where(
                sa.or_(
                    issues.c.state == "open",
                    # Halted while some were under way: their end is still to be told.
                    sa.and_(issues.c.state == "halted", issues.c.closed_at.is_(None)),
                )
            )
        ).all()
        restored = was_restored(tx)
    if not open_now and not restored:
        return None
    with ledger.helm.held(parts.store):
        witness_of(parts).insist(parts.store, parts.clock())
        went = [
            _go_on_with(
                parts,
                AlreadySent(row.period, row.opened_at, True, row.state),
                recovered,
                stop,
                progress,
            )
            for row in open_now
        ]
    return next((sent for sent in went if sent.report), None)


def _go_on_with(
    parts: Parts,
    opening: AlreadySent,
    recovered: Recovered,
    stop: threading.Event | None,
    progress: Progress | None,
) -> Sent:
    with parts.store.write() as tx:
        ledger.expire(tx, parts.clock())
    sent = sending.go_on(parts, opening, recovered, stop, progress)
    asked = stop is not None and stop.is_set()
    moved = sent.report or sent.account.closed_at
    if not asked and moved and not listed(parts, calendar.read(opening.period)):
        parts.rebuild()
    return sent
