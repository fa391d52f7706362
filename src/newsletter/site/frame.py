"""What stands around every page: the head and foot of its language, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from newsletter.config import Settings
from newsletter.content import urls
from newsletter.site.facts import Facts
from newsletter.site.sheet import Sheet, Values

MEDIA = {
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "json": "application/feed+json",
}


def chrome(facts: Facts, tag: str) -> Values:
    """What all pages of a language show: the values that templates see as `site`."""
    at, languages = facts.at, facts.languages
    wording = facts.catalogue.wording(tag)
    pages = [page for page in facts.catalogue.pages if page.language == tag]
    return {
        "title": facts.settings.publication.title,
        "language": tag,
        "direction": facts.spoken[tag].direction,
        "home": at(urls.home_path(tag, languages)),
        "style": at(f"/{facts.assets.style}"),
        "icon": at(f"/{facts.assets.icon}"),
        "feed": at(urls.feed_path(tag, languages)),
        "feeds": [
            {"href": at(urls.feed_path(tag, languages, None, kind)), "type": media}
            for kind, media in MEDIA.items()
        ],
        "menu": _menu(facts, tag),
        "footer": [
            {"href": at(urls.page_path(page, languages)), "text": page.title}
            for page in pages
            if page.menu == "footer"
        ],
        "subscribe": f"{facts.settings.public_url}/subscribe",
        "solver": _solver(facts.settings),
        "wording": {"hash": wording.hash, "text": wording.text} if wording else None,
        "health": facts.settings.publication.subject == "health",
        "shared": bool(facts.settings.processors),
    }


def _menu(facts: Facts, tag: str) -> list[Values]:
    """The links at the top; the one with `find` leads to the search."""
    at, languages = facts.at, facts.languages
    pages = [page for page in facts.catalogue.pages if page.language == tag]
    menu = [
        (urls.articles_path(tag, languages), facts.say("Explainers", tag)),
        (urls.archive_path(tag, languages), facts.say("Past letters", tag)),
        *((urls.page_path(page, languages), page.title) for page in pages if page.menu == "top"),
    ]
    if not any(page.id == "subscribe" for page in pages):
        menu.append((urls.subscribe_path(tag, languages), facts.say("Subscribe", tag)))
    links: list[Values] = [{"href": at(path), "text": text, "find": False} for path, text in menu]
    if facts.assets.search:
        href = at(urls.search_path(tag, languages))
        links.append({"href": href, "text": facts.say("Search", tag), "find": True})
    return links


def _solver(settings: Settings) -> str | None:
    """The forms' script, which solves the sign-up form's sum; None where it is another origin's."""
    site, forms = urlsplit(settings.site_url), urlsplit(settings.public_url)
    same = (site.scheme, site.netloc) == (forms.scheme, forms.netloc)
    return f"{forms.path.rstrip('/')}/forms/ask.js" if same else None


def sheet(
    facts: Facts,
    path: str,
    template: str,
    tag: str,
    values: Values,
    *,
    others: Mapping[str, str] | None = None,
    section: str = "",
    **rest: Any,
) -> Sheet:
    """A sheet with what every page says of itself: its address, its other languages, its place in the menu.

    `others`: language -> path of the same page there. In the switcher a
    language without it leads to that language's first page. `rest` are fields
    of `Sheet`.
    """
    at, absolute, languages = facts.at, facts.places.absolute, facts.languages
    others = others or {}
    alternates = (
        tuple((other, absolute(others[other])) for other in languages if other in others)
        if len(others) > 1
        else ()
    )
    said = {
        "path": at(path),
        "canonical": absolute(path),
        "alternates": [{"language": other, "url": url} for other, url in alternates]
        + ([{"language": "x-default", "url": alternates[0][1]}] if alternates else []),
        "languages": [
            {
                "language": other,
                "name": facts.spoken[other].name,
                "href": at(others.get(other) or urls.home_path(other, languages)),
            }
            for other in languages
            if other != tag
        ],
        "section": at(section or path),
        "description": values.get("summary") or values.get("lede") or "",
        "preview": absolute(facts.preview((values.get("picture") or {}).get("path", ""))),
        "hidden": False,
        **values,
    }
    return Sheet(path, template, tag, said, alternates=alternates, **rest)
