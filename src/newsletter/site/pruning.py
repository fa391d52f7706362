"""Renditions and previews that no build's site has any more are thrown away.

    what lies below .cache ─► not in this site? ─► in no other remembered one? ─► gone

The names of a site's pictures hold the key of what they were made from, so the
memories of all builds (of public/, of a preview with drafts) say what is still
wanted. Only names that we give are touched; a stranger's file stays, with its
folder.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from newsletter.content import photos
from newsletter.site import memory, previews

_KEY = re.compile(r"\.([0-9a-f]{16})\.")
_FOLDER = re.compile(r"[0-9a-f]{16}")
_RENDITION = re.compile(r"made\.json|[0-9]+\.(avif|webp|jpeg|png)")
_PREVIEW = re.compile(r"([0-9a-f]{16})\.(jpg|png)")


def prune(root: Path, names: Iterable[str], memories: Path) -> int:
    """Throw away what neither the site with these file names nor another remembered one has: how many.

    `memories`: the folder of the builds' memories. What cannot be thrown away stays.
    """
    wanted = _keys(names)
    lying = _renditions(root) | _previews(root)
    if lying.keys() - wanted:
        for file in memories.glob("*.json"):
            wanted |= _keys(memory.read(file).stamps)
    gone = lying.keys() - wanted
    with suppress(OSError):
        for key in gone:
            _remove(lying[key])
    for folder in (root / photos.MEMORY).glob(".new-*"):  # a build that was killed left it
        shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def _keys(names: Iterable[str]) -> set[str]:
    return {found[1] for name in names if (found := _KEY.search(name))}


def _renditions(root: Path) -> dict[str, Path]:
    return {
        path.name: path
        for path in (root / photos.MEMORY).glob("*")
        if _FOLDER.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    }


def _previews(root: Path) -> dict[str, Path]:
    return {
        found[1]: path
        for path in (root / previews.MEMORY).glob("*")
        if (found := _PREVIEW.fullmatch(path.name))
    }


def _remove(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for file in path.iterdir():
        if _RENDITION.fullmatch(file.name):
            file.unlink(missing_ok=True)
    with suppress(OSError):  # somebody else's file lies there too
        path.rmdir()
