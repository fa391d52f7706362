"""Build the site: read the words, plan the pages, make what differs, switch once.

inputs the same, and no date has passed? ─► nothing to do
content.load ─► Catalogue ─┐
letters.load ─► Sent ──────┴► Planner ─► sheets ─► Pages ─► tree.publish ─► memory
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from newsletter import content, resources
from newsletter.config import Settings
from newsletter.content import urls
from newsletter.content.remember import ShelfDamaged
from newsletter.content.shelf import Shelf
from newsletter.errors import Finding, Findings, Where
from newsletter.site import (
    feeds,
    inputs,
    letters,
    memory,
    outlets,
    photos,
    previews,
    search,
    style,
    tree,
)
from newsletter.site.memory import Memory
from newsletter.site.pages import Pages
from newsletter.site.places import Linker, Pictures, Places, picture_file
from newsletter.site.plan import Planner, Sheet
from newsletter.site.render import Renderer

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
    tree.check_place(out, settings.root)
    folder = settings.root / MEMORY
    with tree.alone(folder, patience):
        one = _Build(settings, now, out, folder, jobs=jobs, drafts=drafts, progress=progress)
        try:
            report = one.run(cache=cache)
        except ShelfDamaged:
            shutil.rmtree(folder / "shelf", ignore_errors=True)
            report = one.run(cache=cache)
        if verify:
            one.verify()
    return report


class _Build:
    """One build into one folder."""

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
        self.folder = folder
        self.jobs = jobs
        self.drafts = drafts
        self.progress = progress
        self.file = folder / f"{tree.digest(str(out.resolve()).encode())}.json"
        self.spare = self.file.with_suffix(".tree")
        self.clock = Clock()

    def run(self, *, cache: bool) -> BuildReport:
        before = memory.read(self.file)
        given = inputs.everything(self.settings, drafts=self.drafts)
        self.clock.lap("inputs")
        if cache and before.holds(given, self.now) and self._untouched(before):
            self.clock.lap("compare")
            return self._report(before, tree.Switched(0, len(before.stamps), 0))
        shelf = Shelf(self.folder / "shelf") if cache else None
        try:
            made = self._make(before, shelf)
            wanted, signatures = made.wanted(self.progress)
            self.clock.lap("pages")
            self.out.parent.mkdir(parents=True, exist_ok=True)
            switched, stamps = tree.publish(self.out, wanted, made.data, before.stamps, self.spare)
            self.clock.lap("write")
            if shelf is not None:
                shelf.save()
        except Findings as problem:
            raise Findings(problem.findings, _state(self.out)) from None
        finally:
            if shelf is not None:
                shelf.close()
        after = Memory(
            given,
            self.now,
            made.catalogue.next_change,
            made.pages,
            made.catalogue.left_out,
            made.warnings,
            stamps,
            signatures,
        )
        memory.write(self.file, after)
        self.clock.lap("remember")
        return self._report(after, switched)

    def _make(self, before: Memory, shelf: Shelf | None) -> Site:
        catalogue = content.load(
            self.settings,
            self.now,
            drafts=self.drafts,
            shelf=shelf,
            jobs=self.jobs,
            progress=self.progress,
        )
        self.clock.lap("texts")
        shown = photos.make(
            self.settings.root,
            catalogue.pictures,
            jobs=self.jobs,
            cache=shelf is not None,
            progress=self.progress,
        )
        self.clock.lap("photos")
        site = Site(
            self.settings,
            catalogue,
            shown,
            before if shelf is not None else Memory(),
            cache=shelf is not None,
        )
        self.clock.lap("plan")
        return site

    def _untouched(self, before: Memory) -> bool:
        return self.out.is_dir() and all(
            tree.still_ours(self.out, name, stamp) for name, stamp in before.stamps.items()
        )

    def _report(self, after: Memory, switched: tree.Switched) -> BuildReport:
        return BuildReport(
            pages=after.pages,
            written=switched.written,
            unchanged=switched.unchanged,
            removed=switched.removed,
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
        catalogue = content.load(self.settings, self.now, drafts=self.drafts, jobs=self.jobs)
        shown = photos.make(self.settings.root, catalogue.pictures, jobs=self.jobs, cache=False)
        anew = Site(self.settings, catalogue, shown, Memory(), cache=False)
        wanted, _ = anew.wanted(None)
        remembered = memory.read(self.file).stamps
        wrong = sorted(set(remembered) ^ set(wanted))
        with tempfile.TemporaryDirectory() as scratch:
            tree.publish(Path(scratch) / "site", wanted, anew.data, {}, Path(scratch) / "spare")
            for name in wanted:
                with suppress(OSError):
                    if (self.out / name).read_bytes() == (
                        Path(scratch) / "site" / name
                    ).read_bytes():
                        continue
                wrong.append(name)
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
        self.clock.lap("verify")


def _state(out: Path) -> str:
    """The closing sentence of a failed build: what readers see now."""
    index = out / "index.html"
    if not index.is_file():
        return f"Nothing was published: {out.name}/ does not exist yet."
    built = dt.datetime.fromtimestamp(out.stat().st_mtime).astimezone()
    return f"Nothing was published: {out.name}/ is still the build of {built:%Y-%m-%d %H:%M}."


class Clock:
    """Where the time goes, step by step."""

    def __init__(self) -> None:
        self.started = self.last = time.monotonic()
        self.laps: dict[str, float] = {}

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = self.laps.get(name, 0.0) + now - self.last
        self.last = now

    def total(self) -> float:
        return time.monotonic() - self.started

    def costs(self) -> tuple[tuple[str, float], ...]:
        return tuple(sorted(self.laps.items(), key=lambda lap: -lap[1]))


class Site:
    """Every file of one site: which there are, and the bytes of each."""

    def __init__(
        self,
        settings: Settings,
        catalogue: content.Catalogue,
        shown: photos.Photos,
        before: Memory,
        *,
        cache: bool,
    ) -> None:
        self.settings = settings
        self.kept = {
            name: search.Kept(each.digest, each.kept) for name, each in shown.files.items()
        }
        self.catalogue = catalogue
        self.before = before
        self.letters = letters.load(settings)
        self.places = Places(settings.site_url, settings.publication.languages)
        self.files: dict[str, bytes] = {}
        self.sheets: dict[str, Sheet] = {}
        folders = resources.templates("site", settings.root)
        sheet = style.sheet(folders)
        icon = next(
            folder / "icon.svg" for folder in folders if (folder / "icon.svg").is_file()
        ).read_bytes()
        names = style.named("style", ".css", sheet), style.named("icon", ".svg", icon)
        self.files |= dict(zip(names, (sheet, icon), strict=True))
        script = ""
        if search.version(settings):
            code = next(
                folder / "search.js" for folder in folders if (folder / "search.js").is_file()
            ).read_bytes()
            script = style.named("search", ".js", code)
            self.files[script] = code
        seen = previews.make(
            settings.root,
            catalogue.pictures,
            {each.picture.path for each in catalogue.articles if each.picture},
            icon,
            cache=cache,
        )
        self.kept |= seen.files
        plan = Planner(
            settings, catalogue, self.letters.sent, self.places, *names, script, seen.of
        ).plan()
        linker = Linker(self.places, catalogue, settings.public_url)
        broken = letters.broken_links(self.letters, linker)
        if broken:
            raise Findings(broken)
        self._pages = Pages(
            plan,
            catalogue,
            linker,
            Pictures(self.places, catalogue.pictures, shown),
            Renderer(settings.root),
        )
        for each in plan.sheets:
            name = urls.file_of(each.path)
            if name in self.sheets:
                raise Findings(
                    [
                        Finding(
                            "NL210",
                            f"two pages want the address {each.path}",
                            help="change the `slug` or `aliases` of one",
                        )
                    ]
                )
            self.sheets[name] = each
        self.files |= {
            picture_file(drawn): drawn.data
            for drawn in catalogue.pictures.values()
            if not drawn.inline and not drawn.photo
        }
        self.files |= self.letters.pictures
        self.outlets = outlets.planned(settings, catalogue, self.places, linker)
        self.files["robots.txt"] = feeds.robots(self.places.absolute("/sitemap.xml"))
        self.files["sitemap.xml"] = feeds.sitemap(
            [
                (
                    self.places.absolute(each.path),
                    each.changed.isoformat() if each.changed else None,
                    each.alternates,
                )
                for each in plan.sheets
                if each.listed
            ]
        )
        self.pages = len(plan.sheets)
        self.kept |= search.make(settings, catalogue, self.letters.sent, self.places, cache=cache)
        self.warnings = (
            *catalogue.warnings,
            *self.letters.warnings,
            *search.missing(settings),
        )

    def wanted(self, progress: Progress | None) -> tuple[dict[str, str], dict[str, str]]:
        """(file -> digest of its bytes, page or feed -> signature). One whose signature is known is not made."""
        wanted = {name: tree.digest(data) for name, data in self.files.items()}
        wanted |= {name: kept.digest for name, kept in self.kept.items()}
        signatures = {name: outlet.signature for name, outlet in self.outlets.items()}
        signatures |= {name: self._pages.signature(sheet) for name, sheet in self.sheets.items()}
        stamps, known = self.before.stamps, self.before.signatures
        missing = []
        for name, signature in signatures.items():
            if known.get(name) == signature and name in stamps:
                wanted[name] = stamps[name].digest
            else:
                missing.append(name)
        for count, name in enumerate(missing, 1):
            data = self._made(name)
            self.files[name] = data
            wanted[name] = tree.digest(data)
            if progress is not None:
                progress(count, len(missing), "pages")
        return wanted, signatures

    def _made(self, name: str) -> bytes:
        sheet = self.sheets.get(name)
        return self._pages.make(sheet) if sheet else self.outlets[name].make()

    def data(self, name: str) -> bytes:
        """The bytes of a file, made now if they were not needed before."""
        if name in self.kept:
            return self.kept[name].place.read_bytes()
        return self.files[name] if name in self.files else self._made(name)
