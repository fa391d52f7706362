"""Every file of one site: which there are, and how each is made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from newsletter import content, resources
from newsletter.config import Settings
from newsletter.content import urls
from newsletter.errors import Finding, Findings
from newsletter.site import (
    feeds,
    letters,
    outlets,
    pagefind,
    places,
    plan,
    previews,
    promise,
    style,
)
from newsletter.site.facts import Facts
from newsletter.site.pages import Pages
from newsletter.site.photos import Photos
from newsletter.site.places import Linker, Pictures, Places
from newsletter.site.render import Renderer
from newsletter.site.search import make as make_search
from newsletter.site.sheet import Assets, Plan, Sheet
from newsletter.site.stamps import Kept, digest


class Inventory:
    """The files of a site by their names. Pages and feeds are made when they are asked for.

    `pages`: how many HTML pages. `cache=False`: whatever is kept on the disk is
    made anew.
    """

    def __init__(
        self, settings: Settings, catalogue: content.Catalogue, shown: Photos, *, cache: bool
    ) -> None:
        folders = resources.templates("site", settings.root)
        found = letters.load(settings)
        where = Places(settings.site_url, settings.publication.languages)
        assets, self._ready = _assets(settings, folders)
        seen = previews.make(
            settings.root,
            catalogue.pictures,
            {each.picture.path for each in catalogue.articles if each.picture},
            self._ready[assets.icon],
            cache=cache,
        )
        linker = Linker(where, catalogue, settings.public_url)
        broken = letters.broken_links(found, linker)
        if broken:
            raise Findings(broken)
        made = plan.planned(Facts(settings, catalogue, found.sent, where, assets, seen.of))
        pictures = Pictures(where, catalogue.pictures, shown)
        self._pages = Pages(made, catalogue, linker, pictures, Renderer(settings.root))
        self._sheets = _by_file(made)
        self._outlets = outlets.planned(settings, catalogue, where, linker)
        self._ready |= {
            places.picture_file(drawn): drawn.data
            for drawn in catalogue.pictures.values()
            if not drawn.inline and not drawn.photo
        }
        self._ready |= found.pictures
        self._ready |= promise.served(settings, tuple(catalogue.pages))
        self._ready["robots.txt"] = feeds.robots(where.absolute("/sitemap.xml"))
        self._ready["sitemap.xml"] = _sitemap(made, where)
        self._kept = {name: Kept(each.digest, each.kept) for name, each in shown.files.items()}
        self._kept |= seen.files
        self._kept |= make_search(settings, catalogue, found.sent, where, cache=cache)
        self.pages = len(made.sheets)
        self.warnings = (
            *catalogue.warnings,
            *found.warnings,
            *pagefind.missing(settings),
            *promise.warnings(settings),
        )

    def names(self) -> Iterator[str]:
        """Every file of the site."""
        yield from self.digests()
        yield from self._outlets
        yield from self._sheets

    def digests(self) -> dict[str, str]:
        """File -> digest, of those whose bytes are there already."""
        ready = {name: digest(data) for name, data in self._ready.items()}
        return ready | {name: kept.digest for name, kept in self._kept.items()}

    def signatures(self) -> dict[str, str]:
        """Page or feed -> a digest of all that it is made of."""
        found = {name: outlet.signature for name, outlet in self._outlets.items()}
        return found | {name: self._pages.signature(sheet) for name, sheet in self._sheets.items()}

    def data(self, name: str) -> bytes:
        """The bytes of a file; those of a page or a feed are made now."""
        if name in self._sheets:
            return self._pages.make(self._sheets[name])
        if name in self._outlets:
            return self._outlets[name].make()
        return self._ready[name] if name in self._ready else self._kept[name].place.read_bytes()


def _assets(settings: Settings, folders: list[Path]) -> tuple[Assets, dict[str, bytes]]:
    """The names and bytes of what pages load."""

    def first(name: str) -> bytes:
        return next(folder / name for folder in folders if (folder / name).is_file()).read_bytes()

    files: dict[str, bytes] = {}

    def named(stem: str, suffix: str, data: bytes) -> str:
        name = style.named(stem, suffix, data)
        files[name] = data
        return name

    assets = Assets(
        named("style", ".css", style.sheet(folders)),
        named("icon", ".svg", first("icon.svg")),
        named("search", ".js", first("search.js")) if pagefind.version(settings) else "",
    )
    return assets, files


def _by_file(made: Plan) -> dict[str, Sheet]:
    """File -> the page that lies there.

    Raises:
        Findings: NL210, two pages want one address.
    """
    sheets: dict[str, Sheet] = {}
    for each in made.sheets:
        name = urls.file_of(each.path)
        if name in sheets:
            raise Findings(
                [
                    Finding(
                        "NL210",
                        f"two pages want the address {each.path}",
                        help="change the `slug` or `aliases` of one",
                    )
                ]
            )
        sheets[name] = each
    return sheets


def _sitemap(made: Plan, where: Places) -> bytes:
    return feeds.sitemap(
        [
            (
                where.absolute(each.path),
                each.changed.isoformat() if each.changed else None,
                each.alternates,
            )
            for each in made.sheets
            if each.listed
        ]
    )
