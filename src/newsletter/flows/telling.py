"""Tell the public record what the database knows: the files beside it, and the chain."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection

from newsletter.config import Settings
from newsletter.delivery import record
from newsletter.errors import Findings
from newsletter.store import Store

LATEST = 2
"""Closed issues that are counted again each time: reports come back within weeks."""


AGAIN_MINUTES = 10
"""A tick counts them in one minute of ten: a million readers take a second."""


def tell_in_passing(
    settings: Settings, store: Store, now: dt.datetime, complain: Callable[[Exception], None]
) -> None:
    """What a tick does: write what a crash left out; count closed issues again now and then."""
    latest = LATEST if now.minute % AGAIN_MINUTES == 0 else 0
    tell(settings, store, now, complain, latest=latest)


def tell(
    settings: Settings,
    store: Store,
    now: dt.datetime,
    complain: Callable[[Exception], None],
    *,
    latest: int | None = LATEST,
    also: Collection[str] = (),
) -> None:
    """Bring the public record up to the database.

    A chain that somebody changed is complained of and left as it is: whoever
    has just written to every reader must be able to say so.
    """
    folder = settings.path(settings.store.record)
    try:
        record.keep(store, folder, now, latest=latest, also=also)
    except Findings as broken:
        complain(broken)
