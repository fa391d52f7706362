"""End what has ended: expire, close, publish the record, tell the publisher of doubts."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress

from newsletter.content import urls
from newsletter.delivery import feedback, ledger, notices
from newsletter.delivery.ledger import Sum
from newsletter.flows.open import witness_of
from newsletter.flows.parts import Books, Parts
from newsletter.flows.telling import tell
from newsletter.issue.period import Period


def close(books: Books, period: str, now: dt.datetime) -> Sum:
    """The account of `period` after whatever could be ended at `now` was ended."""
    settings = books.settings
    with books.store.write() as tx:
        ledger.expire(tx, now)
        if ledger.close(tx, period, now):
            feedback.weigh_rejected(tx, period, now)
        account = ledger.sums(tx, period)
        assert account is not None, "only an opened issue is closed"
        if account.in_doubt and not account.pending and settings.month.notify:
            language = settings.publication.languages[0]
            notices.tell(tx, notices.Word.IN_DOUBT, period, language, now)
    tell(settings, books.store, now, books.complain, also=[period])
    witness_of(books).record(books.store, now)
    return account


def listed(parts: Parts, period: Period) -> bool:
    """Whether the archive of the site that lies there names the issue, in any language."""
    languages = parts.settings.publication.languages
    for tag in languages:
        page = parts.settings.path("public") / urls.file_of(urls.archive_path(tag, languages))
        with suppress(OSError):
            if urls.issue_path(str(period), tag, languages) in page.read_text("utf-8", "replace"):
                return True
    return False
