"""Take in what came back, and amend the public record of every issue whose account it changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from newsletter.config import Settings
from newsletter.delivery import record
from newsletter.delivery.feedback import collecting
from newsletter.delivery.feedback.collecting import Collected, Letter, Office, Source
from newsletter.store.tables import issues


def collect(
    settings: Settings,
    office: Office,
    sources: Sequence[Source],
    now: dt.datetime,
    stopped: Callable[[], bool] = lambda: False,
) -> Collected:
    """Read `sources`, and apply what waited for its delivery.

    Raises:
        CouldNotRun: NL645, NL646: a source cannot be read. What was taken in stands.
    """
    done = Collected()
    try:
        collecting.collect(office, sources, now, done, stopped)
    finally:
        _amend(settings, office, done)
    return done


def take_in(settings: Settings, office: Office, letter: Letter, now: dt.datetime) -> Collected:
    """Act on one mail that somebody else keeps until this returns: a mail server's pipe."""
    done = Collected()
    collecting.take_in(office, [letter], done, now)
    _amend(settings, office, done)
    return done


def _amend(settings: Settings, office: Office, done: Collected) -> None:
    """Also of the newest issue: a webhook may have changed its account, or a process died before this."""
    folder = settings.path(settings.store.record)
    with office.store.read() as tx:
        newest = tx.scalar(sa.select(sa.func.max(issues.c.period)))
        for period in sorted(done.periods | ({newest} if newest else set())):
            record.publish(tx, period, folder)
