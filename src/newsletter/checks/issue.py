"""The gates of an issue: every check that speaks before an approval, in one list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from newsletter.checks import clients, hosts, languages, links, reading, sizes, wording
from newsletter.checks.markup import elements
from newsletter.checks.placeholders import placeholders, stranded
from newsletter.checks.reviews import overdue, pending
from newsletter.checks.sameness import differences
from newsletter.config import Settings
from newsletter.content.model import Letter
from newsletter.errors import Finding, Level
from newsletter.issue.compose import Draft


def gates(
    settings: Settings, draft: Draft, now: dt.datetime, *, allow_pending_review: bool = False
) -> list[Finding]:
    """What the checks say of a draft; an ERROR among them stops the approval.

    `now` is aware: what is overdue by the later of today and the due moment.
    """
    zone = settings.publication.time_zone
    day = max(now, draft.issue.as_of).astimezone(zone).date()
    return [
        *pending(draft.articles, allowed=allow_pending_review),
        *overdue(draft.articles, day),
        *languages.incomplete(draft.issue),
        *links.stale_news(draft.issue, settings.news.window_days),
        *(each for selection in draft.issue.selections for each in wording.inbox(selection.letter)),
        *_mails(settings, draft),
        *wording.untouched(draft.editions, draft.articles, _letters(draft)),
        *placeholders(settings, draft.editions, Level.WARNING),
        *stranded(settings, Level.WARNING),
    ]


def _letters(draft: Draft) -> dict[str, Letter]:
    return {each.language: each.letter for each in draft.issue.selections}


def _mails(settings: Settings, draft: Draft) -> Iterator[Finding]:
    """What every edition's bytes are asked."""
    site = settings.site_url
    for edition, view in zip(draft.editions, draft.views, strict=True):
        parts = elements(edition.html)
        yield from sizes.too_large(edition, view)
        yield from hosts.foreign(edition, parts, site)
        yield from hosts.tracking(edition, parts)
        yield from reading.alt_texts(edition, parts)
        yield from reading.headings(edition, parts)
        yield from reading.pale(edition, parts)
        yield from reading.link_names(edition, parts)
        yield from wording.left_behind(edition)
        yield from links.nowhere(edition, parts, site, draft.pages)
        yield from clients.unsupported(edition, parts)
        yield from differences(edition, site)
