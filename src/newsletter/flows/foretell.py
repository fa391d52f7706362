"""What `send` would do now: every gate on its way is asked, and nothing is changed.

key, road, witness and mirror
  -> opened before? what is left of it
  -> else every gate of flows/open.py, all of them: sending tells the first

Sending makes the site before it asks for the issue's page; here nothing is
made. So a page that is not made yet, and does not answer, is told as that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from newsletter.checks.placeholders import unsendable
from newsletter.config import Settings
from newsletter.content import urls
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Refused, Sum
from newsletter.errors import CouldNotRun, Finding, Findings
from newsletter.flows import signing
from newsletter.flows.audience import audience
from newsletter.flows.open import not_yet, rules_of, unreadable
from newsletter.issue.edition import ApprovedIssue
from newsletter.issue.period import Period
from newsletter.schedule.seen import Seen, Standing, finding
from newsletter.schedule.witness import Witness
from newsletter.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ground:
    """What is asked. `store` None: there is no database yet.

    `needs` raise CouldNotRun where something is missing without which nothing
    is sent: the key, the road. `readable` tells whether a page of the site
    answers, `made` whether the site has a page at a path.
    """

    settings: Settings
    store: Store | None
    witness: Witness
    now: dt.datetime
    needs: tuple[Callable[[], object], ...]
    readable: Callable[[str], bool]
    made: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Foretold:
    """`account`: the issue is open already, and so it stands. `issue` and `audience`: what would go to
    how many in which language. `findings`: why it would not."""

    account: Sum | None
    issue: ApprovedIssue | None
    audience: dict[str, int]
    findings: tuple[Finding, ...]


def foretell(ground: Ground, period: Period, *, early: bool = False) -> Foretold:
    """What `send` would do with the issue of `period`."""
    found: list[Finding] = []
    for need in ground.needs:
        _collect(found, need)
    seen = _collect(found, lambda: _witnessed(ground))
    account = _account(ground, period)
    if account is not None:
        return Foretold(account, None, {}, tuple(found))
    refused = _of_the_calendar(ground, period, seen, early=early)
    issue = _collect(found, lambda: signing.load(ground.settings, period))
    if issue is not None:
        found += unsendable(ground.settings, issue.editions)
        refused += _unreadable(ground, issue)
    found += [Finding(each.code, each.sentence, help=each.help) for each in refused]
    counted = audience(ground.store) if ground.store is not None else {}
    return Foretold(None, issue, counted, tuple(found))


def _collect(found: list[Finding], ask: Callable[[], T]) -> T | None:
    """What `ask` says; None when it refuses, and `found` knows why."""
    try:
        return ask()
    except (CouldNotRun, Findings) as wrong:
        found += wrong.findings
        return None


def _witnessed(ground: Ground) -> Seen | None:
    """As `send` insists on it.

    Raises:
        CouldNotRun: NL70x, NL710; a database that is made anew is a stranger to a witness that is there.
    """
    if ground.store is not None:
        return ground.witness.ask(ground.store, ground.now)
    seen = ground.witness.read()
    if seen is not None:
        raise CouldNotRun(finding(Standing.STRANGER, seen, Seen("", None, 0), []))
    return None


def _unreadable(ground: Ground, issue: ApprovedIssue) -> Iterator[Refused]:
    """NL709, in other words where the page is not made yet."""
    languages, site = ground.settings.publication.languages, ground.settings.site_url
    paths = [urls.issue_path(issue.period, each.language, languages) for each in issue.editions]
    waiting = {site + path for path in paths if not ground.made(path)}
    silent: list[str] = []

    def readable(url: str) -> bool:
        answers = ground.readable(url)
        if not answers and url in waiting:
            silent.append(url)
        return answers or url in waiting

    yield from unreadable(ground.settings, issue, readable)
    for url in silent:
        yield Refused(
            "NL709",
            f"the page that every mail of {issue.period} links to is not made yet, so nobody knows"
            f" whether it will answer: {url}",
            "`newsletter build`, and see that it is served; then ask again",
        )


def _of_the_calendar(
    ground: Ground, period: Period, seen: Seen | None, *, early: bool
) -> list[Refused]:
    """NL701, and NL611 to NL614: the month's rules, as the witness and the ledger know them."""
    last = seen.issue if seen else None
    refused = list(not_yet(ground.settings, last, period, ground.now, early=early))
    rules = rules_of(ground.settings, seen.last if seen else None)
    if ground.store is None:
        told = ledger.refusal(None, str(period), rules, ground.now)
    else:
        with ground.store.read() as tx:
            told = ledger.refusal(tx, str(period), rules, ground.now)
    if told is not None and told.code not in [each.code for each in refused]:
        refused.append(told)
    return refused


def _account(ground: Ground, period: Period) -> Sum | None:
    if ground.store is None:
        return None
    with ground.store.read() as tx:
        return ledger.sums(tx, str(period))
