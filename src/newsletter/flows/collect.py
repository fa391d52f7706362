"""Take in what came back, and amend the public record of every issue whose account it changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from newsletter.config import Settings
from newsletter.delivery.feedback import collecting
from newsletter.delivery.feedback.collecting import Collected, Letter, Office, Source
from newsletter.flows.parts import silent
from newsletter.flows.telling import tell


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
        _amend(settings, office, done, now)
    return done


def take_in(settings: Settings, office: Office, letter: Letter, now: dt.datetime) -> Collected:
    """Act on one mail that somebody else keeps until this returns: a mail server's pipe."""
    done = Collected()
    collecting.take_in(office, [letter], done, now)
    if done.periods:
        tell(settings, office.store, now, silent, latest=0, also=done.periods)
    return done


def _amend(settings: Settings, office: Office, done: Collected, now: dt.datetime) -> None:
    """Also of the newest issues: a webhook may have changed their account, or a process died before this."""
    tell(settings, office.store, now, silent, also=done.periods)
