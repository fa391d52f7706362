"""What is not a page: feeds of each language, and the word to robots."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from newsletter.config import Settings
from newsletter.content import Catalogue, serial, urls
from newsletter.content.model import Article
from newsletter.site import feeds
from newsletter.site.places import Linker, Places


def made(
    settings: Settings, catalogue: Catalogue, places: Places, linker: Linker
) -> dict[str, bytes]:
    """File -> bytes."""
    outlet = _Outlets(settings, catalogue, places, linker)
    files = {
        "robots.txt": f"User-agent: *\nAllow: /\nSitemap: {places.absolute('/sitemap.xml')}\n".encode()
    }
    for tag in places.languages:
        files |= outlet.of(tag)
    return files


class _Outlets:
    def __init__(
        self, settings: Settings, catalogue: Catalogue, places: Places, linker: Linker
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.places = places
        self.linker = linker

    def of(self, tag: str) -> dict[str, bytes]:
        languages = self.places.languages
        path = urls.feed_path(tag, languages)
        items = tuple(
            self._item(article) for article in self.catalogue.in_language(tag)[: feeds.MOST]
        )
        home = self.places.absolute(urls.home_path(tag, languages))
        feed = feeds.Feed(
            self.settings.publication.title, tag, self.places.absolute(path), home, items
        )
        return {urls.file_of(path): feeds.atom(feed)}

    def _item(self, article: Article) -> feeds.Item:
        updated = article.published
        if article.updated:
            updated = max(
                updated,
                dt.datetime.combine(
                    article.updated, dt.time(), self.settings.publication.time_zone
                ),
            )
        url = self.places.absolute(urls.article_path(article, self.places.languages))
        html = serial.fill(
            self.catalogue.reading(article).fragment,
            lambda target: self._absolute(target, article.language),
            self._picture,
        )
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

    def _absolute(self, target: str, language: str) -> str:
        path = self.linker.href(target, language)
        return self.places.origin + path if path else ""

    def _picture(self, attributes: Mapping[str, str]) -> str:
        """A feed reader shows no drawing without our colours: its words stand for it."""
        words = attributes.get("alt", "")
        return f"<p><em>{serial.escape(words)}</em></p>" if words else ""
