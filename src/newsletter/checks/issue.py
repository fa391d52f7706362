"""The gates of an issue: every check that speaks before an approval, in one list."""

from __future__ import annotations

import datetime as dt

from newsletter.checks.placeholders import placeholders
from newsletter.checks.reviews import overdue, pending
from newsletter.checks.sameness import differences
from newsletter.config import Settings
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
        *(
            finding
            for edition in draft.editions
            for finding in differences(edition, settings.site_url)
        ),
        *placeholders(settings, draft.editions, Level.WARNING),
    ]
