"""Opening an issue: the one transaction that fixes who gets it and what they get.

    approved issue, now -> checks -> issues row (the month's only one)
                                  -> editions, byte for byte
                                  -> one QUEUED delivery per confirmed, unsuppressed reader

From here on content/ is not read again for this issue. What is refused is a
value with a sentence; the database's own law (UNIQUE(period)) stands behind
the checks for two openers at the same instant.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from newsletter.delivery import ladder
from newsletter.delivery.ledger import audience, clock
from newsletter.issue import period as calendar
from newsletter.issue.edition import ApprovedIssue, sha256
from newsletter.store.tables import editions, issues

if TYPE_CHECKING:
    from newsletter.store import Store
    from newsletter.subscribers.vault import Vault


@dataclass(frozen=True, slots=True)
class Opened:
    """The issue is open; `audience` readers will get it. `clock` goes to the witness."""

    period: str
    audience: int
    opened_at: dt.datetime
    closes_at: dt.datetime
    clock: int


@dataclass(frozen=True, slots=True)
class AlreadySent:
    """This month's issue was opened before; nothing was changed. `same` when it is this very manifest."""

    period: str
    when: dt.datetime
    same: bool
    state: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The issue may not be opened now; nothing was changed. `sentence` says why, for people."""

    code: str
    sentence: str
    help: str


NOBODY = Refused(
    "NL614",
    "there is no confirmed reader yet, so nothing was sent and the month is still free",
    "confirm a sign-up, or `newsletter subscribers import FILE`",
)


@dataclass(frozen=True, slots=True)
class Rules:
    """What opening obeys: the zone in which months are counted, the least gap, the mail's domain.

    `floor` is the last period the witness saw, which a restored database may
    have forgotten; None when there is none.
    """

    zone: ZoneInfo
    minimum_gap_days: int
    domain: str
    floor: str | None = None


def open_issue(
    store: Store, vault: Vault, issue: ApprovedIssue, rules: Rules, now: dt.datetime
) -> Opened | AlreadySent | Refused:
    """Open `issue` at `now` (aware), once.

    Raises:
        ValueError: the manifest is no SHA-256, or an edition has no link to leave by.
    """
    _insist(issue)
    try:
        with store.write() as tx:
            last = _last(tx)
            refusal = _already(tx, issue) or _refusal(issue.period, rules, last, now)
            return refusal or _open(tx, vault, issue, rules, now)
    except IntegrityError as error:
        # Somebody opened it between our look and our row.
        with store.read() as tx:
            found = _already(tx, issue)
        if found is None:
            raise
        del error
        return found


def refusal(tx: Connection | None, period: str, rules: Rules, now: dt.datetime) -> Refused | None:
    """What `open_issue` would refuse at `now`; nothing is changed. `tx` None: there is no store yet."""
    refused = _refusal(period, rules, _last(tx) if tx else None, now)
    return refused or (None if tx and audience.count(tx) else NOBODY)


def _insist(issue: ApprovedIssue) -> None:
    if len(issue.manifest) != 64 or set(issue.manifest) - set("0123456789abcdef"):
        raise ValueError("the manifest is no SHA-256")
    from newsletter.issue.edition import TOKEN_SLOT

    for edition in issue.editions:
        if TOKEN_SLOT not in edition.html or TOKEN_SLOT not in edition.text:
            raise ValueError(f"the edition in {edition.language} has no link to leave by")


def _already(tx: Connection, issue: ApprovedIssue) -> AlreadySent | None:
    row = tx.execute(
        sa.select(issues.c.opened_at, issues.c.manifest, issues.c.state).where(
            issues.c.period == issue.period
        )
    ).first()
    if row is None:
        return None
    return AlreadySent(issue.period, row.opened_at, row.manifest == issue.manifest, row.state)


def _last(tx: Connection) -> Any:
    return tx.execute(
        sa.select(issues.c.period, issues.c.opened_at, issues.c.number)
        .order_by(issues.c.period.desc())
        .limit(1)
    ).first()


def _refusal(period: str, rules: Rules, last: Any, now: dt.datetime) -> Refused | None:
    month = str(calendar.at(now, rules.zone))
    if period != month:
        return Refused(
            "NL611",
            f"{period} cannot be sent now: this month is {month} in {rules.zone.key}",
            "an issue is sent within its own month, or not at all",
        )
    latest = max(filter(None, (last and last.period, rules.floor)), default=None)
    if latest is not None and period <= latest:
        return Refused(
            "NL612",
            f"{period} is not after {latest}, the last issue that was sent",
            "issues go out in order; see `newsletter status`",
        )
    if last is not None and now - last.opened_at < dt.timedelta(days=rules.minimum_gap_days):
        return Refused(
            "NL613",
            f"{last.period} was sent on {last.opened_at.astimezone(rules.zone):%Y-%m-%d}, "
            f"less than {rules.minimum_gap_days} days ago",
            "wait, or lower [month] minimum_gap_days",
        )
    return None


def _open(
    tx: Connection, vault: Vault, issue: ApprovedIssue, rules: Rules, now: dt.datetime
) -> Opened | Refused:
    closes = ladder.closes_at(now, rules.zone)
    expected = audience.count(tx)
    if not expected:
        return NOBODY
    tx.execute(
        sa.insert(issues).values(
            period=issue.period,
            number=issue.number,
            state="open",
            manifest=issue.manifest,
            approved_by=", ".join(issue.approved_by),
            opened_at=now,
            dated=now.replace(microsecond=0),
            closes_at=closes,
            audience=0,
        )
    )
    tx.execute(
        sa.insert(editions),
        [
            {
                "period": issue.period,
                "language": edition.language,
                "subject": edition.subject,
                "html": edition.html,
                "text": edition.text,
                "html_sha256": sha256(edition.html),
                "text_sha256": sha256(edition.text),
            }
            for edition in issue.editions
        ],
    )
    languages = [edition.language for edition in issue.editions]
    counted = audience.fix(tx, vault, issue.period, languages, rules.domain, now, expected)
    tx.execute(sa.update(issues).where(issues.c.period == issue.period).values(audience=counted))
    return Opened(issue.period, counted, now, closes, clock.advance(tx))
