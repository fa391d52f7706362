"""The promise page: one row for each month, made from the public chain, and the file to check it with.

A publication has one when its editors wrote a page called `promise`; then the
chain lies on the site as well. A chain that does not hold is shown to nobody:
the build warns, and the page says so.
"""

from __future__ import annotations

from babel.numbers import format_decimal

from newsletter.config import Settings
from newsletter.content import urls
from newsletter.content.model import Page
from newsletter.errors import Finding, Level, Where
from newsletter.files import read_file
from newsletter.issue import chain, chain_story
from newsletter.issue.chain import Cell, Chain, Event, Line
from newsletter.site.facts import Facts
from newsletter.site.letters import Sent
from newsletter.site.sheet import Values

PAGE = "promise"
"""The id of the editors' page."""
MONTHS = "months"
"""Where on it the table stands."""
FILE = f"issues/{chain.NAME}"
"""Where the chain lies on the site."""


def read(settings: Settings) -> bytes:
    """The chain's bytes; none before the first letter."""
    try:
        return read_file(settings.path(settings.store.record) / chain.NAME)
    except OSError:
        return b""


def served(settings: Settings, pages: tuple[Page, ...]) -> dict[str, bytes]:
    """File of the site -> the chain, where a page tells of it."""
    data = read(settings)
    return {FILE: data} if data and any(page.id == PAGE for page in pages) else {}


def warnings(settings: Settings) -> list[Finding]:
    """NL660, NL661 as warnings: the site is made all the same, without the table."""
    told = chain.read(read(settings))
    name = f"{settings.store.record}/{chain.NAME}"
    broken = [("NL660", each) for each in told.broken]
    zone = settings.publication.time_zone
    broken += [("NL661", each) for each in chain_story.story(told.lines, zone)]
    return [
        Finding(
            code,
            each.what,
            Where(name, each.line),
            help="`newsletter audit` says all that is wrong; the promise page shows no table until then",
            level=Level.WARNING,
        )
        for code, each in broken
    ]


def values(facts: Facts, page: Page) -> Values | None:
    """What the part of the page is made of; None on every other page."""
    if page.id != PAGE:
        return None
    told = chain.read(read(facts.settings))
    holds = not warnings(facts.settings)
    opened = [line for line in told.lines if line.event is Event.OPENED] if holds else []
    return {
        "id": MONTHS,
        "holds": holds,
        "rows": [_row(facts, told, line, page.language) for line in reversed(opened)],
        "lines": len(told.lines),
        "head": told.head,
        "href": facts.at(f"/{FILE}"),
        "name": chain.NAME,
    }


def _row(facts: Facts, told: Chain, line: Line, tag: str) -> Values:
    period = line.period
    totals = told.totals(period)
    sent = next((each for each in facts.letters if each.period == period and each.listed), None)
    return {
        "period": period,
        "month": facts.month(period, tag),
        "href": _letter(facts, sent, tag) if sent is not None else "",
        "number": line.said["number"],
        "day": facts.day(line.at, tag),
        "manifest": line.said["manifest"],
        "audience": _number(facts, line.said["audience"], tag),
        "accepted": _number(facts, totals["accepted"], tag) if totals else "",
        "halted": bool(told.of(period, Event.HALTED)),
    }


def _letter(facts: Facts, sent: Sent, tag: str) -> str:
    """Its page in the archive, in this language or the nearest that it has."""
    spoken = tag if tag in sent.editions else next(iter(sent.editions))
    return facts.at(urls.issue_path(sent.period, spoken, facts.languages))


def _number(facts: Facts, cell: Cell, tag: str) -> str:
    """In the language's own digits and grouping; small counts as a range that points at nobody."""
    if isinstance(cell, int):
        return format_decimal(cell, locale=facts.spoken[tag].locale)
    return "1–4"
