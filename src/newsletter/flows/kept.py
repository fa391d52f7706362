"""Compose with a shelf: what was parsed before is not parsed again.

Beside the site's own, so that a draft never waits for a build. No shelf (a
read-only disk, a second process) costs time and nothing else.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.config import Settings
from newsletter.content.shelf import Shelf, ShelfDamaged
from newsletter.issue.compose import Draft, compose
from newsletter.issue.period import Period

FOLDER = ".cache/issue"


def composed(settings: Settings, period: Period) -> Draft:
    """The draft of `period`; a damaged shelf is thrown away.

    Raises:
        Findings: as `compose`.
    """
    folder = settings.root / FOLDER
    with _alone(folder) as free:
        if free:
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


@contextmanager
def _alone(folder: Path) -> Iterator[bool]:
    """Whether the shelf is ours for now; the lock goes with the process, however that ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
    except OSError:
        yield False
        return
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
