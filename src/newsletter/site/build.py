"""Build the site: read the words, plan the pages, make what differs, switch once.

inputs the same, and no date has passed? ─► nothing to do
content.load ─► Catalogue ─┐
letters.load ─► Sent ──────┴► plan ─► sheets ─► Pages ─► next tree ─► switch ─► memory
"""

from __future__ import annotations

import datetime as dt
import gc
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from newsletter.config import Settings
from newsletter.content.shelf import Shelf, ShelfDamaged
from newsletter.errors import Finding, Findings
from newsletter.site import inputs, lock, memory, place
from newsletter.site.clock import Clock
from newsletter.site.inputs import Inputs
from newsletter.site.memory import Memory
from newsletter.site.stamps import digest, is_ours

Progress = Callable[[int, int, str], None]
MEMORY = ".cache/site"
"""Folder below the publication; safe to delete."""


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. `pages` are HTML pages; the other counts are files.

    `left_out` says why articles are not there ("draft", "waiting", "expired")
    and how many. `next_change`: when a date makes the site another one.
    `costs`: (what, seconds), the dearest first.
    """

    pages: int
    written: int
    unchanged: int
    removed: int
    seconds: float
    left_out: Mapping[str, int]
    warnings: tuple[Finding, ...]
    next_change: dt.datetime | None = None
    costs: tuple[tuple[str, float], ...] = ()


def build(
    settings: Settings,
    now: dt.datetime,
    out: Path,
    *,
    jobs: int = 1,
    drafts: bool = False,
    cache: bool = True,
    verify: bool = False,
    patience: float = 0.0,
    progress: Progress | None = None,
) -> BuildReport:
    """Make `out` the site as of `now`.

    `cache=False` makes every page anew. `verify` does so once more in a scratch
    folder and compares every byte. `patience`: how many seconds to wait for
    another build of this publication to end.

    Raises:
        Findings: something the editors wrote is wrong, `out` is untouched; or
            (NL306) what was remembered differs from what is made anew.
        CouldNotRun: the place cannot be written; `out` is untouched.
    """
    place.check(out, settings.root)
    folder = settings.root / MEMORY
    with lock.alone(folder, patience), _no_collector():
        one = _Build(settings, now, out, folder, jobs=jobs, drafts=drafts, progress=progress)
        try:
            report = one.run(cache=cache)
        except ShelfDamaged:
            shutil.rmtree(folder / "shelf", ignore_errors=True)
            report = one.run(cache=cache)
        if verify:
            one.verify()
    return report


@contextmanager
def _no_collector() -> Iterator[None]:
    """A build makes a hundred thousand values that live until its end: nothing to collect, much to look at."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class _Build:
    """One build into one folder. What only a build that makes something needs is imported when it does."""

    def __init__(
        self,
        settings: Settings,
        now: dt.datetime,
        out: Path,
        folder: Path,
        *,
        jobs: int,
        drafts: bool,
        progress: Progress | None,
    ) -> None:
        self.settings = settings
        self.now = now
        self.out = out
        self.jobs = jobs
        self.drafts = drafts
        self.progress = progress
        self.shelf = folder / "shelf"
        self.file = folder / f"{digest(str(out.resolve()).encode())}.json"
        self.spare = self.file.with_suffix(".tree")
        self.clock = Clock()

    def run(self, *, cache: bool) -> BuildReport:
        before = memory.read(self.file)
        given = inputs.everything(self.settings, drafts=self.drafts)
        self.clock.lap("inputs")
        if cache and before.holds(given.digest, self.now) and self._untouched(before):
            self.clock.lap("compare")
            return self._report(before, 0, len(before.stamps), 0)
        shelf = Shelf(self.shelf) if cache else None
        try:
            report = self._make(before if cache else before.forgetful(), given, shelf)
            if shelf is not None:
                shelf.save()
        except Findings as problem:
            raise Findings(problem.findings, _state(self.out)) from None
        finally:
            if shelf is not None:
                shelf.close()
        return report

    def _make(self, before: Memory, given: Inputs, shelf: Shelf | None) -> BuildReport:
        """Everything that is not as it was, made and published."""
        from newsletter import content
        from newsletter.site import making, photos, pruning, tree
        from newsletter.site.inventory import Inventory

        self.clock.lap("imports")
        settings, jobs, progress = self.settings, self.jobs, self.progress
        catalogue = content.load(
            settings,
            self.now,
            drafts=self.drafts,
            shelf=shelf,
            given=given.texts,
            jobs=jobs,
            progress=progress,
        )
        self.clock.lap("texts")
        cache = shelf is not None
        shown = photos.make(
            settings.root, catalogue.pictures, jobs=jobs, cache=cache, progress=progress
        )
        self.clock.lap("photos")
        made = Inventory(settings, catalogue, shown, cache=cache)
        self.clock.lap("plan")
        signatures = made.signatures()
        known = {name for name, each in signatures.items() if before.knows(name, each)}
        wanted = made.digests() | {name: before.stamps[name].digest for name in known}
        missing = [name for name in signatures if name not in known]
        self.clock.lap("compare")
        with tree.told(self.out, self.spare):
            self.out.parent.mkdir(parents=True, exist_ok=True)
            names = wanted.keys() | signatures.keys()
            following = tree.Next(self.out, before.stamps, self.spare, names)
            self.clock.lap("write")
            stamps = making.make(missing, made, following, jobs, progress)
            self.clock.lap("pages")
            switched, stamps = following.publish(stamps, wanted, made.data)
        self.clock.lap("write")
        after = Memory(
            given.digest,
            self.now,
            catalogue.next_change,
            made.pages,
            catalogue.left_out,
            made.warnings,
            stamps,
            signatures,
        )
        memory.write(self.file, after)
        if cache:
            pruning.prune(settings.root, stamps, self.file.parent)
        self.clock.lap("remember")
        return self._report(after, switched.written, switched.unchanged, switched.removed)

    def _untouched(self, before: Memory) -> bool:
        return self.out.is_dir() and all(
            is_ours(self.out, name, stamp) for name, stamp in before.stamps.items()
        )

    def _report(self, after: Memory, written: int, unchanged: int, removed: int) -> BuildReport:
        return BuildReport(
            pages=after.pages,
            written=written,
            unchanged=unchanged,
            removed=removed,
            seconds=self.clock.total(),
            left_out=after.left_out,
            warnings=after.warnings,
            next_change=after.until,
            costs=self.clock.costs(),
        )

    def verify(self) -> None:
        """Make everything anew in a scratch folder and compare every byte.

        Raises:
            Findings: NL306 for each file that differs.
        """
        from newsletter import content
        from newsletter.site import photos, verify
        from newsletter.site.inventory import Inventory

        catalogue = content.load(self.settings, self.now, drafts=self.drafts, jobs=self.jobs)
        shown = photos.make(self.settings.root, catalogue.pictures, jobs=self.jobs, cache=False)
        anew = Inventory(self.settings, catalogue, shown, cache=False)
        verify.compare(self.out, memory.read(self.file).stamps.keys(), anew, self.jobs)
        self.clock.lap("verify")


def _state(out: Path) -> str:
    """The closing sentence of a failed build: what readers see now."""
    index = out / "index.html"
    if not index.is_file():
        return f"Nothing was published: {out.name}/ does not exist yet."
    built = dt.datetime.fromtimestamp(out.stat().st_mtime).astimezone()
    return f"Nothing was published: {out.name}/ is still the build of {built:%Y-%m-%d %H:%M}."
