"""Nobody invents a clinician's review: what is pending is not sent, and what is overdue is told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from newsletter.content.model import Article
from newsletter.errors import Finding, Level, Where


def pending(articles: Iterable[Article], *, allowed: bool = False) -> list[Finding]:
    """NL457 for each article of an issue whose clinical review is pending.

    `allowed` makes it a warning; only the demonstration and tests say so.
    """
    waiting = (each for each in articles if each.review is not None and each.review.pending)
    return [
        Finding(
            "NL457",
            f"the clinical review of `{id_}` ({', '.join(a.language for a in versions)}) is pending",
            Where(versions[0].source.path),
            help="have it reviewed and write `review: {last, next, by}`, or exclude it from this issue",
            level=Level.WARNING if allowed else Level.ERROR,
        )
        for id_, versions in _together(waiting).items()
    ]


def overdue(articles: Iterable[Article], day: dt.date) -> list[Finding]:
    """NL458 for each article whose next review should have been before `day`."""
    late = (
        each
        for each in articles
        if each.review is not None
        and not each.review.pending
        and each.review.next is not None
        and each.review.next < day
    )
    return [
        Finding(
            "NL458",
            f"the review of `{id_}` ({', '.join(a.language for a in versions)}) is overdue on {day}",
            Where(versions[0].source.path),
            help="have it reviewed again before it is recommended to anybody, or exclude it",
        )
        for id_, versions in _together(late).items()
    ]


def _together(articles: Iterable[Article]) -> dict[str, list[Article]]:
    """By id: the languages of one article are one thing to do."""
    found: dict[str, list[Article]] = {}
    for article in articles:
        found.setdefault(article.id, []).append(article)
    return found
