"""Feeds of each language and topic, made only when an entry has changed."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from newsletter.config import Settings
from newsletter.content import Catalogue, serial, urls
from newsletter.content.model import Article
from newsletter.site import feeds, inputs, memory
from newsletter.site.places import Linker, Places


@dataclass(frozen=True, slots=True)
class Outlet:
    """One feed file: what it is made of, and how to make it when that has changed."""

    signature: str
    make: Callable[[], bytes]


def planned(
    settings: Settings, catalogue: Catalogue, places: Places, linker: Linker
) -> dict[str, Outlet]:
    """File -> outlet: three kinds of feed for each language and each topic in it."""
    outlets = _Outlets(settings, catalogue, places, linker)
    return {name: each for tag in places.languages for name, each in outlets.of(tag).items()}


class _Outlets:
    def __init__(
        self, settings: Settings, catalogue: Catalogue, places: Places, linker: Linker
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.places = places
        self.linker = linker
        self.items: dict[str, feeds.Item] = {}
        self.signed: dict[str, tuple[object, ...]] = {}

    def of(self, tag: str) -> dict[str, Outlet]:
        """The feeds of a language: of everything, whole; of each topic, in summaries."""
        articles = self.catalogue.in_language(tag)
        title = self.settings.publication.title
        by_topic: dict[str, list[Article]] = {}
        for article in articles:
            for topic in article.topics:
                by_topic.setdefault(topic, []).append(article)
        made = self._three(tag, None, title, articles)
        for topic, some in by_topic.items():
            name = f"{title}: {self.catalogue.topic_name(topic, tag)}"
            made |= self._three(tag, topic, name, some)
        return made

    def _three(
        self, tag: str, topic: str | None, title: str, articles: Sequence[Article]
    ) -> dict[str, Outlet]:
        languages = self.places.languages
        newest = articles[: feeds.MOST]
        home = urls.topic_path(topic, tag, languages) if topic else urls.home_path(tag, languages)
        signed = [self._signed(article) for article in newest]
        made = {}
        for kind in urls.FEEDS:
            path = urls.feed_path(tag, languages, topic, kind)
            url = self.places.absolute(path)
            make = partial(
                self._feed,
                kind,
                title,
                tag,
                url,
                self.places.absolute(home),
                newest,
                whole=not topic,
            )
            made[urls.file_of(path)] = Outlet(
                memory.signature(inputs.version(), title, url, signed), make
            )
        return made

    def _feed(
        self,
        kind: str,
        title: str,
        tag: str,
        url: str,
        home: str,
        articles: Sequence[Article],
        *,
        whole: bool,
    ) -> bytes:
        items = [self._item(article) for article in articles]
        if not whole:
            items = [replace(item, html=f"<p>{serial.escape(item.summary)}</p>") for item in items]
        feed = feeds.Feed(title, tag, url, home, tuple(items))
        match kind:
            case "atom":
                return feeds.atom(feed)
            case "rss":
                return feeds.rss(feed)
            case _:
                return feeds.json_feed(feed)

    def _signed(self, article: Article) -> tuple[object, ...]:
        """Plain values that an entry is made of."""
        path = article.source.path
        if path not in self.signed:
            reading = self.catalogue.reading(article)
            self.signed[path] = (
                article.source.digest,
                reading.digest,
                [
                    self._absolute(link.target, article.language)
                    for link in reading.links
                    if link.target.startswith(serial.INSIDE)
                ],
                self.places.absolute(urls.article_path(article, self.places.languages)),
                [self.catalogue.topic_name(topic, article.language) for topic in article.topics],
            )
        return self.signed[path]

    def _item(self, article: Article) -> feeds.Item:
        """One entry; the same in every feed, so it is made once."""
        path = article.source.path
        if path not in self.items:
            self.items[path] = self._made(article)
        return self.items[path]

    def _made(self, article: Article) -> feeds.Item:
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
        if target.startswith("#"):
            return target
        path = self.linker.href(target, language)
        return self.places.origin + path if path else ""

    def _picture(self, attributes: Mapping[str, str]) -> str:
        """A feed reader shows no drawing without our colours: its words stand for it."""
        words = attributes.get("alt", "")
        return f"<p><em>{serial.escape(words)}</em></p>" if words else ""
