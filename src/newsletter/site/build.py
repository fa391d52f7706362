"""Build the site: read the words, plan the pages, write what differs, switch once.

content.load ─► Catalogue ─┐
letters.load ─► Sent ──────┴► Planner ─► sheets ─► render ─► tree.publish
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from newsletter import content, resources
from newsletter.config import Settings
from newsletter.content import Catalogue, serial, urls
from newsletter.content.model import Article
from newsletter.errors import Finding, Findings
from newsletter.language import Language
from newsletter.site import feeds, letters, style, tree
from newsletter.site.places import Linker, Pictures, Places, picture_file
from newsletter.site.plan import Plan, Planner, Sheet
from newsletter.site.render import Renderer

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What a build did. `pages` are HTML pages; the other counts are files.

    `left_out` says why articles are not there ("draft", "waiting", "expired")
    and how many. `next_change`: when a date makes the site another one.
    """

    pages: int
    written: int
    unchanged: int
    removed: int
    seconds: float
    left_out: Mapping[str, int]
    warnings: tuple[Finding, ...]
    next_change: dt.datetime | None = None


def build(
    settings: Settings,
    now: dt.datetime,
    out: Path,
    *,
    jobs: int = 1,
    drafts: bool = False,
    cache: bool = True,
    progress: Progress | None = None,
) -> BuildReport:
    """Make `out` the site as of `now`.

    Raises:
        Findings: something the editors wrote is wrong; `out` is untouched.
        CouldNotRun: the place cannot be written; `out` is untouched.
    """
    started = time.monotonic()
    tree.check_place(out, settings.root)
    memory = settings.root / ".cache" / "site"
    with tree.alone(memory):
        return _build(
            settings, now, out, memory, started, jobs=jobs, drafts=drafts, progress=progress
        )


def _build(
    settings: Settings,
    now: dt.datetime,
    out: Path,
    memory: Path,
    started: float,
    *,
    jobs: int,
    drafts: bool,
    progress: Progress | None,
) -> BuildReport:
    try:
        catalogue = content.load(settings, now, drafts=drafts, jobs=jobs, progress=progress)
        site = _Site(settings, catalogue)
        files, pages = site.files(progress)
    except Findings as problem:
        raise Findings(problem.findings, _state(out)) from None
    manifest = (
        settings.root / ".cache" / "site" / f"{tree.digest(str(out.resolve()).encode())}.json"
    )
    wanted = {name: tree.digest(data) for name, data in files.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    switched, stamps = tree.publish(out, wanted, files.__getitem__, tree.read_manifest(manifest))
    tree.write_manifest(manifest, stamps)
    return BuildReport(
        pages,
        switched.written,
        switched.unchanged,
        switched.removed,
        time.monotonic() - started,
        catalogue.left_out,
        (*catalogue.warnings, *site.letters.warnings),
        catalogue.next_change,
    )


def _state(out: Path) -> str:
    """The closing sentence of a failed build: what readers see now."""
    index = out / "index.html"
    if not index.is_file():
        return f"Nothing was published: {out.name}/ does not exist yet."
    built = dt.datetime.fromtimestamp(out.stat().st_mtime).astimezone()
    return f"Nothing was published: {out.name}/ is still the build of {built:%Y-%m-%d %H:%M}."


class _Site:
    """Everything one build makes, as files in memory."""

    def __init__(self, settings: Settings, catalogue: Catalogue) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.languages = settings.publication.languages
        self.places = Places(settings.site_url, self.languages)
        self.linker = Linker(self.places, catalogue)
        self.pictures = Pictures(self.places, catalogue.pictures)
        self.renderer = Renderer(settings.root)
        self.renderer.environment.globals["draw"] = self._draw
        self.letters = letters.load(settings)

    def files(self, progress: Progress | None) -> tuple[dict[str, bytes], int]:
        """(file -> bytes, number of pages)."""
        folders = resources.templates("site", self.settings.root)
        sheet = style.sheet(folders)
        icon = next(
            folder / "icon.svg" for folder in folders if (folder / "icon.svg").is_file()
        ).read_bytes()
        files = {
            style.named("style", ".css", sheet): sheet,
            style.named("icon", ".svg", icon): icon,
        }
        style_name, icon_name = files
        plan = Planner(
            self.settings, self.catalogue, self.letters.sent, self.places, style_name, icon_name
        ).plan()
        for number, one in enumerate(plan.sheets, 1):
            name = urls.file_of(one.path)
            if name in files:
                raise Findings(
                    [
                        Finding(
                            "NL210",
                            f"two pages want the address {one.path}",
                            None,
                            help="change the `slug` or `aliases` of one",
                        )
                    ]
                )
            files[name] = self._page(one, plan).encode()
            if progress is not None:
                progress(number, len(plan.sheets), "pages")
        for drawn in self.catalogue.pictures.values():
            if not drawn.inline:
                files[picture_file(drawn)] = drawn.data
        files |= self.letters.pictures
        files |= self._feeds()
        files["sitemap.xml"] = self._sitemap(plan)
        files["robots.txt"] = (
            f"User-agent: *\nAllow: /\nSitemap: {self.places.absolute('/sitemap.xml')}\n".encode()
        )
        return files, len(plan.sheets)

    def _page(self, sheet: Sheet, plan: Plan) -> str:
        spoken = Language(sheet.language, "site")
        body = sheet.html
        if sheet.reading is not None:
            body = serial.fill(
                sheet.reading.fragment,
                lambda target: self.linker.href(target, sheet.language),
                self.pictures.tag,
            )
        return self.renderer.render(
            sheet.template,
            {
                "site": plan.chrome[sheet.language],
                "page": {**sheet.values, "body": Markup(body)},  # noqa: S704 - made by our own serialiser, or frozen
                "_": spoken.gettext,
                "ngettext": spoken.ngettext,
            },
        )

    def _draw(self, picture: Mapping[str, str]) -> Markup:
        return Markup(self.pictures.tag({"src": picture["path"], "alt": picture["alt"]}))  # noqa: S704 - rebuilt from known elements

    def _feeds(self) -> dict[str, bytes]:
        title = self.settings.publication.title
        made = {}
        for tag in self.languages:
            path = urls.feed_path(tag, self.languages)
            items = tuple(
                self._item(article) for article in self.catalogue.in_language(tag)[: feeds.MOST]
            )
            home = self.places.absolute(urls.home_path(tag, self.languages))
            made[urls.file_of(path)] = feeds.atom(
                feeds.Feed(title, tag, self.places.absolute(path), home, items)
            )
        return made

    def _item(self, article: Article) -> feeds.Item:
        zone = self.settings.publication.time_zone
        updated = article.published
        if article.updated:
            updated = max(updated, dt.datetime.combine(article.updated, dt.time(), zone))
        fragment = self.catalogue.reading(article).fragment
        html = serial.fill(
            fragment,
            lambda target: self.places.origin + self.linker.href(target, article.language),
            self._feed_picture,
        )
        url = self.places.absolute(urls.article_path(article, self.languages))
        return feeds.Item(
            key=f"{article.language}/{article.id}",
            title=article.title,
            url=url,
            summary=article.summary,
            html=html.replace('href="#', f'href="{url}#'),
            published=article.published,
            updated=updated,
            authors=tuple(author.name for author in article.authors),
            topics=tuple(
                self.catalogue.topic_name(topic, article.language) for topic in article.topics
            ),
        )

    def _feed_picture(self, attributes: Mapping[str, str]) -> str:
        """A feed reader shows no drawing without our colours: its words stand for it."""
        return (
            f"<p><em>{serial.escape(attributes.get('alt', ''))}</em></p>"
            if attributes.get("alt")
            else ""
        )

    def _sitemap(self, plan: Plan) -> bytes:
        return feeds.sitemap(
            [
                (
                    self.places.absolute(sheet.path),
                    sheet.changed.isoformat() if sheet.changed else None,
                    sheet.alternates,
                )
                for sheet in plan.sheets
                if sheet.listed
            ]
        )
