"""An approved draft becomes files that never change again, and files become nothing on withdrawal.

    pictures and editions, each flushed to the disk
      ─► edition.toml last: with it the issue is approved, without it nothing is
    withdrawal: edition.toml first, then the rest

So whatever a power cut leaves behind is either the whole issue or none.
Reading and verifying is `frozen`; `load` stands here too, because freezing
and loading are one promise.
"""

from __future__ import annotations

from pathlib import Path

from newsletter import files
from newsletter.config import Settings
from newsletter.issue import manifest as manifest_file
from newsletter.issue.compose import Draft
from newsletter.issue.frozen import SUFFIXES, folder, load, manifests, periods, pictures
from newsletter.issue.manifest import Manifest
from newsletter.issue.period import Period

__all__ = ["discard", "load", "manifests", "periods", "pictures", "sign", "write"]


def write(settings: Settings, draft: Draft, manifest: Manifest) -> Path:
    """Freeze `draft` under `manifest` (the draft's own, with approvals); returns the manifest's path.

    What an earlier, withdrawn approval may have left behind is taken away.
    """
    place = folder(settings, manifest.period)
    shelf = place / "pictures"
    assert manifest.contents() == draft.manifest.contents()
    (place / manifest_file.NAME).unlink(missing_ok=True)
    wanted: set[Path] = set()
    if draft.pictures:
        shelf.mkdir(parents=True, exist_ok=True)
    for picture in draft.pictures:
        files.write_atomic(shelf / picture.name, picture.data)
        wanted.add(shelf / picture.name)
    for edition in draft.editions:
        for part, suffix in SUFFIXES.items():
            path = place / f"{edition.language}{suffix}"
            files.write_atomic(path, getattr(edition, part).encode("utf-8"))
            wanted.add(path)
    for path in _frozen_files(place):
        if path not in wanted:
            path.unlink()
    return sign(settings, manifest)


def sign(settings: Settings, manifest: Manifest) -> Path:
    """Write the manifest alone: the last step of freezing, or one more approval of the same bytes."""
    path = folder(settings, manifest.period) / manifest_file.NAME
    files.write_atomic(path, manifest.text().encode("utf-8"))
    return path


def discard(settings: Settings, period: Period) -> tuple[Path, ...]:
    """Take back the freezing of `period`; the letters stay. Returns what was removed."""
    place = folder(settings, period)
    manifest = place / manifest_file.NAME
    removed = [manifest] if manifest.exists() else []
    manifest.unlink(missing_ok=True)
    if place.is_dir():
        files.sync_folder(place)
    for path in _frozen_files(place):
        path.unlink()
        removed.append(path)
    if (place / "pictures").is_dir() and not any((place / "pictures").iterdir()):
        (place / "pictures").rmdir()
    return tuple(removed)


def _frozen_files(place: Path) -> list[Path]:
    """Everything in an issue's folder that freezing writes, beside the manifest."""
    found = [
        path
        for path in place.glob("*.*")
        if path.is_file()
        and any(path.name == f"{path.name.split('.')[0]}{end}" for end in SUFFIXES.values())
    ]
    found += [path for path in (place / "pictures").glob("*") if path.is_file()]
    return sorted(found)
