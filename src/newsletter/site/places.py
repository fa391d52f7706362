"""From a path of the site to what stands in a page: the address of a link, the tag of a picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote, urlsplit

from newsletter.content import Catalogue, links, urls
from newsletter.content.pictures import Drawn
from newsletter.content.serial import attribute
from newsletter.site.photos import Photos, Rendition

_PLAIN = re.compile(r"[A-Za-z0-9/._-]*")


class Places:
    """Addresses of one build. `site_url` has no slash at its end."""

    def __init__(self, site_url: str, languages: tuple[str, ...]) -> None:
        parts = urlsplit(site_url)
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.prefix = parts.path.rstrip("/")
        self.languages = languages
        self._known: dict[str, str] = {}

    def at(self, path: str) -> str:
        """A path as it stands in a page's link."""
        known = self._known.get(path)
        if known is None:
            whole = self.prefix + path
            plain = _PLAIN.fullmatch(whole)
            known = whole if plain else quote(whole, safe="/:@!$&'()*+,;=~-._%")
            self._known[path] = known
        return known

    def absolute(self, path: str) -> str:
        return self.origin + self.at(path)


class Linker:
    """Resolves canonical targets for pages of one language.

    A text that is not there in that language is linked in the first language
    that has it: the stated fallback. `forms` is where the forms lie, with no
    slash at its end.
    """

    def __init__(self, places: Places, catalogue: Catalogue, forms: str) -> None:
        self.places = places
        self.forms = forms
        self.catalogue = catalogue
        self.texts: dict[tuple[str, str, str], str] = {}
        for article in (*catalogue.articles, *catalogue.withdrawn):
            self.texts["article", article.id, article.language] = urls.article_path(
                article, places.languages
            )
        for page in catalogue.pages:
            self.texts["page", page.id, page.language] = urls.page_path(page, places.languages)

    def href(self, target: str, language: str) -> str:
        """The address of `target` as written on a page in `language`; "" when it is not published."""
        kind, name, named, anchor = links.split(target)
        if kind == "held":
            return links.held(self.forms, named or language)
        place = self._path(kind, name, named, language)
        if place is None:
            return ""
        return self.places.at(place) + (f"#{quote(anchor, safe='')}" if anchor else "")

    def _path(self, kind: str, name: str, named: str | None, language: str) -> str | None:
        languages = self.places.languages
        match kind:
            case "article" | "page":
                for tag in dict.fromkeys((named or language, *(() if named else languages))):
                    if (kind, name, tag) in self.texts:
                        return self.texts[kind, name, tag]
                return None
            case "topic":
                return urls.topic_path(name, named or language, languages)
            case "issue":
                return urls.issue_path(name, named or language, languages)
            case "issues":
                return urls.archive_path(named or language, languages)
            case "subscribe":
                return urls.subscribe_path(named or language, languages)
            case "home":
                return urls.home_path(named or language, languages)
            case _:
                return name


def picture_file(drawn: Drawn) -> str:
    """The file of a picture on the site; its name changes with its bytes."""
    path = PurePosixPath(drawn.path)
    return f"assets/{path.stem}.{drawn.digest[:10]}{path.suffix.lower()}"


SIZES = {
    "": "(min-width: 42rem) 38rem, calc(100vw - 2.5rem)",
    "card": "(min-width: 42rem) 20rem, calc(100vw - 2.5rem)",
}
"""How wide a photo is shown: in the text's column (tokens.css: --measure, --edge), or on a card."""


class Pictures:
    """Tags of pictures: a drawing stands in the page itself, a photo is files of ours."""

    def __init__(self, places: Places, drawn: Mapping[str, Drawn], photos: Photos) -> None:
        self.places = places
        self.drawn = drawn
        self.photos = photos
        self._eager = ""

    def begin(self, opening: str) -> None:
        """A new page; its first photo is not loaded lazily. `opening`: the picture above the text, or ""."""
        picture = self.drawn.get(opening)
        self._eager = "opening" if picture is not None and picture.photo else "body"

    def opening(self, attributes: Mapping[str, str], place: str) -> str:
        """The tag of a picture that a template draws; `place` is a key of SIZES."""
        first = self._eager == "opening" and not place
        return self._tag(attributes, place, lazy=not first)

    def tag(self, attributes: Mapping[str, str]) -> str:
        """The tag of `img` attributes from the tree (src, alt); "" when the picture is not there."""
        picture = self.drawn.get(attributes.get("src", ""))
        first = self._eager == "body" and picture is not None and picture.photo
        if first:
            self._eager = ""
        return self._tag(attributes, "", lazy=not first)

    def _tag(self, attributes: Mapping[str, str], place: str, *, lazy: bool) -> str:
        picture = self.drawn.get(attributes.get("src", ""))
        if picture is None:
            return ""
        alt = attributes.get("alt", "")
        if picture.inline:
            words = f'role="img" aria-label="{attribute(alt)}"' if alt else 'aria-hidden="true"'
            return picture.inline.replace("<svg", f'<svg {words} focusable="false"', 1)
        when = 'loading="lazy"' if lazy else 'fetchpriority="high"'
        size = f'width="{picture.width}" height="{picture.height}"'
        rest = f'alt="{attribute(alt)}" {size} {when} decoding="async"'
        photo = self.photos.by_path.get(picture.path)
        if photo is None:
            return f'<img src="{self.places.at("/" + picture_file(picture))}" {rest}>'
        *modern, (_, plain) = photo.kinds
        sizes = SIZES[place]
        sources = "".join(
            f'<source type="image/{kind}" srcset="{self._set(some)}" sizes="{sizes}">'
            for kind, some in modern
        )
        src = self.places.at("/" + photo.middle.name)
        return f'<picture>{sources}<img src="{src}" srcset="{self._set(plain)}" sizes="{sizes}" {rest}></picture>'

    def _set(self, renditions: tuple[Rendition, ...]) -> str:
        return ", ".join(f"{self.places.at('/' + each.name)} {each.width}w" for each in renditions)
