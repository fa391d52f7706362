"""What an editor saw last, and what changed since. A preview is the last look."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from newsletter.config import Settings
from newsletter.issue import manifest as manifest_file
from newsletter.issue.compose import Draft
from newsletter.issue.edition import Edition
from newsletter.issue.period import Period


@dataclass(frozen=True, slots=True)
class Look:
    """`seen`: there was a preview. `changes`: a unified diff of its plain text to now, line by line."""

    seen: bool
    changes: tuple[str, ...]


def scratch(settings: Settings, period: Period) -> Path:
    """Where the preview of a period lies: below .cache/, outside git."""
    return settings.root / ".cache" / "draft" / str(period)


def since(settings: Settings, draft: Draft) -> Look:
    """What `draft` says that the last preview did not.

    A change that no word shows (a picture, a colour) is one line of its own.
    """
    folder = scratch(settings, draft.issue.period)
    try:
        manifest = (folder / manifest_file.NAME).read_text("utf-8")
    except OSError:
        return Look(False, ())
    if manifest == draft.manifest.contents():
        return Look(True, ())
    lines = [line for edition in draft.editions for line in _changes(folder, edition)]
    return Look(True, tuple(lines) or ("no word changed; pictures, layout or sources did",))


def _changes(folder: Path, edition: Edition) -> list[str]:
    name = f"{edition.language}.txt"
    try:
        before = (folder / name).read_text("utf-8")
    except OSError:
        before = ""
    after = edition.text
    return list(
        difflib.unified_diff(
            before.splitlines(),
            after.splitlines(),
            f"{name} (last look)",
            f"{name} (now)",
            lineterm="",
            n=1,
        )
    )
