"""Open an issue: the approved bytes, this month's rules and the witness meet, once.

witness and mirror agree, clock is right -> opened before? -> due, or --early
  -> the gap after what was forgotten is over -> approval holds
  -> the archive's page answers -> ledger -> witness
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator

from newsletter.checks.placeholders import unsendable
from newsletter.config import Settings
from newsletter.content import urls
from newsletter.delivery import ledger
from newsletter.delivery.headers import Letterhead
from newsletter.delivery.ledger import AlreadySent, Opened, Refused
from newsletter.errors import Findings
from newsletter.flows import signing
from newsletter.flows.parts import Books, Parts
from newsletter.flows.telling import tell
from newsletter.issue import period as calendar
from newsletter.issue.edition import ApprovedIssue
from newsletter.issue.period import Period
from newsletter.schedule import month
from newsletter.schedule.witness import Witness


def witness_of(books: Books) -> Witness:
    return Witness(books.settings.path(books.settings.store.witness), books.mirror)


def open_issue(
    parts: Parts, period: Period, now: dt.datetime, *, early: bool = False
) -> Opened | AlreadySent | Refused:
    """Open the issue of `period` at `now`; what was opened before is said and left alone.

    Raises:
        Findings: it is not approved, a byte of it changed (NL46x), or it names a
            placeholder (NL459).
        CouldNotRun: the database is behind its witness, or has none (NL70x); the clock
            stands before what was sent already (NL710).
    """
    settings, witness = parts.settings, witness_of(parts)
    seen = witness.insist(parts.store, now)
    with parts.store.read() as tx:
        account = ledger.sums(tx, str(period))
    if account is not None:
        return AlreadySent(account.period, account.opened_at, True, account.state)
    for refused in not_yet(settings, seen.issue, period, now, early=early):
        return refused
    approved = signing.load(settings, period)
    named = unsendable(settings, approved.editions)
    if named:
        raise Findings(named, f"{period} was not opened; nobody was sent anything.")
    parts.rebuild()
    for unread in unreadable(settings, approved, parts.readable):
        return unread
    rules = rules_of(settings, seen.last)
    result = ledger.open_issue(parts.store, parts.vault, approved, rules, now)
    if isinstance(result, Opened):
        witness.record(parts.store, now)
        tell(settings, parts.store, now, parts.complain, latest=None)
    return result


def rules_of(settings: Settings, floor: str | None) -> ledger.Rules:
    """What the ledger obeys. `floor`: the last period that the witness saw."""
    return ledger.Rules(
        zone=settings.publication.time_zone,
        minimum_gap_days=settings.month.minimum_gap_days,
        domain=Letterhead.of(settings).domain,
        floor=floor,
    )


def not_yet(
    settings: Settings, last: month.Last | None, period: Period, now: dt.datetime, *, early: bool
) -> Iterator[Refused]:
    """NL611 of another month; NL701 before it is due, NL613 within the least gap after `last`, the last issue known.

    Of another month nothing else is told: no setting and no approval would change it.
    """
    schedule = month.Rules(settings.month, settings.publication.time_zone)
    if calendar.at(now, schedule.zone) != period:
        other = ledger.refusal(None, str(period), rules_of(settings, None), now)
        if other:
            yield other
        return
    if not early and now < schedule.due(period):
        yield Refused(
            "NL701",
            f"{period} is due on {schedule.local(schedule.due(period))}, so nothing was sent",
            f"wait for it, or `newsletter send {period} --early`",
        )
    too_soon = _too_soon(schedule, last, period, now)
    if too_soon:
        yield too_soon


def _too_soon(
    rules: month.Rules, last: month.Last | None, period: Period, now: dt.datetime
) -> Refused | None:
    """The least gap after the last issue, which a restored database may have forgotten."""
    if last is None or last.period >= str(period) or now >= month.free_after(rules, last):
        return None
    return Refused(
        "NL613",
        f"{last.period} was sent on {rules.local(last.opened_at)}, "
        f"less than {rules.month.minimum_gap_days} days ago",
        "wait, or lower [month] minimum_gap_days",
    )


def unreadable(
    settings: Settings, issue: ApprovedIssue, readable: Callable[[str], bool]
) -> Iterator[Refused]:
    """NL709: every mail links to the archive's page, so the page is there before the first mail is."""
    for edition in issue.editions:
        path = urls.issue_path(issue.period, edition.language, settings.publication.languages)
        if not readable(settings.site_url + path):
            yield Refused(
                "NL709",
                f"the page that every mail of {issue.period} links to does not answer: "
                f"{settings.site_url}{path}",
                "start `newsletter run`, or copy public/ to where the site is served; then send again",
            )
