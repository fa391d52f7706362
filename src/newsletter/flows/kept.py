"""Compose with a shelf: what was parsed before is not parsed again.

Beside the site's own, so that a draft never waits for a build. No shelf (a
read-only disk, a second process) costs time and nothing else.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from newsletter.config import Settings
from newsletter.content.shelf import Shelf, ShelfDamaged
from newsletter.files import Held, hold
from newsletter.issue.compose import Draft, compose
from newsletter.issue.period import Period

FOLDER = ".cache/issue"


def composed(settings: Settings, period: Period) -> Draft:
    """The draft of `period`; a damaged shelf is thrown away.

    Raises:
        Findings: as `compose`.
    """
    folder = settings.root / FOLDER
    held = _alone(folder)
    if held is not None:
        with held:
            try:
                return _with(Shelf(folder), settings, period)
            except ShelfDamaged:
                shutil.rmtree(folder, ignore_errors=True)
    return compose(settings, period)


def _with(shelf: Shelf, settings: Settings, period: Period) -> Draft:
    try:
        made = compose(settings, period, shelf=shelf)
        shelf.save()
        return made
    finally:
        shelf.close()


def _alone(folder: Path) -> Held | None:
    """The shelf, when it is ours for now."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return hold(folder)
    except OSError:
        return None
