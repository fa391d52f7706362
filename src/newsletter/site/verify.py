"""Whether a site is what is made anew, byte for byte: the proof of everything that was remembered."""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path

from newsletter.errors import Finding, Findings, Where
from newsletter.site import making, tree
from newsletter.site.inventory import Inventory


def compare(out: Path, remembered: Collection[str], anew: Inventory, jobs: int) -> None:
    """Build `anew` in a scratch folder and hold every file of `out` against it.

    Raises:
        Findings: NL306 for each file that differs, is missing, or should not be.
    """
    names = set(anew.names())
    wrong = sorted(set(remembered) ^ names)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "site"
        following = tree.Next(folder, {}, Path(scratch) / "spare", names)
        digests = anew.digests()
        stamps = making.make(sorted(names - digests.keys()), anew, following, jobs, None)
        following.publish(stamps, digests, anew.data)
        wrong += [name for name in sorted(names) if _bytes(out / name) != _bytes(folder / name)]
    if wrong:
        raise Findings(
            Finding(
                "NL306",
                f"{name} differs from what is made anew",
                Where(name),
                help="this is our fault: build with --no-cache, and please report it",
            )
            for name in dict.fromkeys(wrong)
        )


def _bytes(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except OSError:
        return None
