"""Sheets become pages: the body's slots filled, the template rendered, or nothing when all is known."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from newsletter.content import Catalogue, serial
from newsletter.content.reading import Reading
from newsletter.language import Language
from newsletter.site import inputs, memory
from newsletter.site.places import Linker, Pictures
from newsletter.site.render import Renderer
from newsletter.site.sheet import Plan, Sheet


class Pages:
    """Makes pages of one plan, and says beforehand what each is made of."""

    def __init__(
        self,
        plan: Plan,
        catalogue: Catalogue,
        linker: Linker,
        pictures: Pictures,
        renderer: Renderer,
    ) -> None:
        self.plan = plan
        self.catalogue = catalogue
        self.linker = linker
        self.pictures = pictures
        self.renderer = renderer
        renderer.environment.globals["draw"] = self._draw
        self._closures = memory.closures(inputs.templates(renderer.folders))
        self._chrome = {tag: memory.signature(values) for tag, values in plan.chrome.items()}
        self._spoken = {tag: Language(tag, "site") for tag in plan.chrome}

    def signature(self, sheet: Sheet) -> str:
        """A digest of everything the page is made of."""
        body: object = sheet.html
        if sheet.reading is not None:
            body = self._made_of(sheet.reading, sheet.language)
        beside = self._made_of(sheet.beside, sheet.language) if sheet.beside else []
        return memory.signature(
            inputs.version(),
            self._closures.get(sheet.template, ""),
            self._chrome[sheet.language],
            sheet.values,
            [body, *beside],
        )

    def _made_of(self, reading: Reading, language: str) -> list[object]:
        """What the slots of a body become."""
        targets = [
            self.linker.href(link.target, language)
            for link in reading.links
            if link.target.startswith(serial.INSIDE)
        ]
        shown = [self.catalogue.pictures[each.path].digest for each in reading.pictures]
        return [reading.digest, targets, shown]

    def make(self, sheet: Sheet) -> bytes:
        """The page's bytes."""
        spoken = self._spoken[sheet.language]
        body = sheet.html
        self.pictures.begin((sheet.values.get("picture") or {}).get("path", ""))
        if sheet.reading is not None:
            body = self._filled(sheet.reading, sheet.language)
        beside = self._filled(sheet.beside, sheet.language) if sheet.beside else ""
        values = {
            "site": self.plan.chrome[sheet.language],
            "page": {
                **sheet.values,
                "body": Markup(body),  # noqa: S704 - made by our own serialiser, or frozen
                "beside": Markup(beside),  # noqa: S704 - made by our own serialiser
            },
            "_": spoken.gettext,
            "ngettext": spoken.ngettext,
        }
        return self.renderer.render(sheet.template, values).encode()

    def _filled(self, reading: Reading, language: str) -> str:
        return serial.fill(
            reading.fragment,
            lambda target: self.linker.href(target, language),
            self.pictures.tag,
        )

    def _draw(self, picture: Mapping[str, str], place: str = "") -> Markup:
        attributes = {"src": picture["path"], "alt": picture["alt"]}
        return Markup(self.pictures.opening(attributes, place))  # noqa: S704 - rebuilt from known elements
