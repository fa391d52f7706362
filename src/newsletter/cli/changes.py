"""Has a text changed since the last look? By the names, sizes and times of files: cheap enough for every half minute.

A few files more than needed may count as changed; the build itself goes by
contents and writes nothing that is the same.
"""

from __future__ import annotations

import os
from pathlib import Path

from newsletter.config import FILE_NAME

FOLDERS = ("content", "templates")


class Texts:
    """The texts and templates of the publication in `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._before = self._marks()
        self._settings = _mark(root / FILE_NAME)

    def changed(self) -> bool:
        """Whether a file came, went or changed since the last time this was asked."""
        now = self._marks()
        before, self._before = self._before, now
        return now != before

    def settings_changed(self) -> bool:
        """Whether newsletter.toml is another one than at the start."""
        return _mark(self._root / FILE_NAME) != self._settings

    def _marks(self) -> dict[str, tuple[int, ...]]:
        found: dict[str, tuple[int, ...]] = {}
        for folder in FOLDERS:
            for place, _, names in os.walk(self._root / folder):
                for name in names:
                    path = os.path.join(place, name)  # noqa: PTH118 - thousands of files
                    found[path] = _mark(path)
        return found


def _mark(path: str | Path) -> tuple[int, ...]:
    """What changes with a file; () for one that is not there."""
    try:
        told = os.stat(path)  # noqa: PTH116
    except OSError:
        return ()
    return (told.st_mtime_ns, told.st_ctime_ns, told.st_size, told.st_ino)
