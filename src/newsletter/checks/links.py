"""Do the links of an issue lead somewhere, and are its news new?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from urllib.parse import urlsplit

from newsletter.checks.markup import Element
from newsletter.errors import Finding, Level, Where
from newsletter.issue.assemble import Issue
from newsletter.issue.edition import TOKEN_SLOT, Edition


def nowhere(
    edition: Edition, elements: list[Element], site: str, pages: Collection[str]
) -> list[Finding]:
    """NL477 for each link to our own site that no page answers; `pages` are the paths that exist.

    Links that hold a reader's token are answered by the forms.
    """
    root = site.rstrip("/")
    found: dict[str, None] = {}
    for element in elements:
        href = element.given.get("href", "")
        if element.tag != "a" or not (href == root or href.startswith(f"{root}/")):
            continue
        path = urlsplit(href.removeprefix(root)).path or "/"
        if TOKEN_SLOT not in path and path not in pages:
            found[path] = None
    return [
        Finding(
            "NL477",
            f"the {edition.language} mail links to {path}, and no page will be there",
            help="correct the link; pages end in a slash, and an article must be published when the issue is due",
        )
        for path in found
    ]


def stale_news(issue: Issue, window_days: int) -> list[Finding]:
    """NL478 for picked news from the future (an error) or older than the window (a warning)."""
    day = issue.as_of.date()
    found = {}
    for selection in issue.selections:
        for pick in selection.news:
            where = Where(selection.letter.source.path)
            if pick.date > day:
                found[pick.id] = Finding(
                    "NL478", f"the news item {pick.id} is dated {pick.date}, after the issue", where,
                    help="correct its date in the letter",
                )  # fmt: skip
            elif pick.date < day - dt.timedelta(days=window_days):
                found[pick.id] = Finding(
                    "NL478", f"the news item {pick.id} is from {pick.date}, older than {window_days} days", where,
                    help="leave it out, or say in its note why it matters now", level=Level.WARNING,
                )  # fmt: skip
    return list(found.values())
