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
    return [
        Finding(
            "NL457",
            f"the clinical review of `{article.id}` ({article.language}) is pending",
            Where(article.source.path),
            help="have it reviewed and write `review: {last, next, by}`, or exclude it from this issue",
            level=Level.WARNING if allowed else Level.ERROR,
        )
        for article in articles
        if article.review is not None and article.review.pending
    ]


def overdue(articles: Iterable[Article], day: dt.date) -> list[Finding]:
    """NL458 for each article whose next review should have been before `day`."""
    return [
        Finding(
            "NL458",
            f"the review of `{article.id}` ({article.language}) was due on {article.review.next.isoformat()}",
            Where(article.source.path),
            help="have it reviewed again before it is recommended to anybody, or exclude it",
        )
        for article in articles
        if article.review is not None
        and not article.review.pending
        and article.review.next is not None
        and article.review.next < day
    ]
