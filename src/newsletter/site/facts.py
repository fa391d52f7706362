"""What the pages of one site ask: who wrote what, on which topic, and how a list shows it.

Made once from the catalogue and the letters; a row or a card that stands in
many lists is made once too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence

from newsletter.config import Settings
from newsletter.content import Catalogue, urls
from newsletter.content.model import Article, Picture
from newsletter.content.reading import Reading
from newsletter.language import Language
from newsletter.site.letters import Sent
from newsletter.site.places import Places
from newsletter.site.sheet import Assets, Values


class Facts:
    """The catalogue, indexed for pages. `by_topic`, `by_author` (by its path): newest first.

    `versions`: id -> language -> article, withdrawn ones too. `preview`: the
    address of the picture beside a link, for the picture that a page opens with.
    """

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        letters: Sequence[Sent],
        places: Places,
        assets: Assets,
        preview: Callable[[str], str],
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.letters = letters
        self.places = places
        self.assets = assets
        self.preview = preview
        self.at = places.at
        self.languages = settings.publication.languages
        self.spoken = {tag: Language(tag, "site") for tag in self.languages}
        self.rank = {one.source.path: place for place, one in enumerate(catalogue.articles)}
        self.by_topic: dict[tuple[str, str], list[Article]] = {}
        self.by_author: dict[str, list[Article]] = {}
        for article in catalogue.articles:
            for topic in article.topics:
                self.by_topic.setdefault((topic, article.language), []).append(article)
            if article.authors:
                paths = {self.author_path(each.name, article) for each in article.authors}
                for path in sorted(paths):
                    self.by_author.setdefault(path, []).append(article)
        self.versions: dict[str, dict[str, Article]] = {}
        for article in (*catalogue.articles, *catalogue.withdrawn):
            self.versions.setdefault(article.id, {})[article.language] = article
        self._rows: dict[str, Values] = {}
        self._cards: dict[str, Values] = {}
        self._days: dict[tuple[dt.date, str], Values] = {}
        self._topic_links: dict[tuple[str, str], Values] = {}
        self._minutes: dict[tuple[int, str], str] = {}

    def say(self, message: str, tag: str) -> str:
        """What the program itself says, in a language."""
        return self.spoken[tag].gettext(message)

    # -- addresses ---------------------------------------------------------------

    def article_href(self, article: Article) -> str:
        return self.at(urls.article_path(article, self.languages))

    def author_path(self, name: str, article: Article) -> str:
        return urls.author_path(name, article.language, self.languages)

    def author_href(self, name: str, article: Article) -> str:
        """The author's page; "" when nothing of theirs is published in that language."""
        path = self.author_path(name, article)
        return self.at(path) if path in self.by_author else ""

    def everywhere(self, place: Callable[[str, Sequence[str]], str]) -> dict[str, str]:
        """A page that each language has: language -> its path."""
        return {tag: place(tag, self.languages) for tag in self.languages}

    # -- topics ------------------------------------------------------------------

    def topics_of(self, tag: str) -> list[str]:
        """Topics with an article in this language, in the order of the topics' file."""
        used = {topic for topic, language in self.by_topic if language == tag}
        known = [topic for topic in self.catalogue.topics if topic in used]
        return known + sorted(used - set(known))

    def topic_link(self, topic: str, tag: str) -> Values:
        link = self._topic_links.get((topic, tag))
        if link is None:
            link = self._topic_links[topic, tag] = {
                "href": self.at(urls.topic_path(topic, tag, self.languages)),
                "text": self.catalogue.topic_name(topic, tag),
            }
        return link

    def topic_tags(self, tag: str) -> list[Values]:
        """Every topic of a language, with how many explainers it has."""
        return [
            {**self.topic_link(topic, tag), "count": len(self.by_topic[topic, tag])}
            for topic in self.topics_of(tag)
        ]

    # -- articles in lists -------------------------------------------------------

    def row(self, article: Article) -> Values:
        """What a list shows of an article."""
        row = self._rows.get(article.source.path)
        if row is None:
            row = self._rows[article.source.path] = {
                "href": self.article_href(article),
                "title": article.title,
                "summary": article.summary,
                "published": self.day(article.published, article.language),
            }
        return row

    def card(self, article: Article) -> Values:
        """What a card shows: a row, its picture, and how long it takes to read."""
        card = self._cards.get(article.source.path)
        if card is None:
            card = self._cards[article.source.path] = {
                **self.row(article),
                "picture": self.picture(article.picture, decorative=True),
                "minutes": self.minutes(self.catalogue.reading(article), article.language),
            }
        return card

    def picture(self, picture: Picture | None, *, decorative: bool = False) -> Values | None:
        """What `draw` in a template needs; the digest makes a changed drawing a changed page."""
        drawn = self.catalogue.pictures.get(picture.path) if picture else None
        if picture is None or drawn is None:
            return None
        return {
            "path": picture.path,
            "alt": "" if decorative else picture.alt,
            "digest": drawn.digest,
        }

    def minutes(self, reading: Reading, tag: str) -> str:
        words = self._minutes.get((reading.minutes, tag))
        if words is None:
            words = self.spoken[tag].ngettext("%(n)s minute", "%(n)s minutes", reading.minutes)
            self._minutes[reading.minutes, tag] = words
        return words

    def contents(self, reading: Reading) -> list[Values]:
        """The headings of a text."""
        return [
            {"level": heading.level, "id": heading.id, "text": heading.text}
            for heading in reading.contents
        ]

    # -- dates -------------------------------------------------------------------

    def local(self, moment: dt.datetime) -> dt.date:
        """The day on which a moment falls in the publication's zone."""
        return moment.astimezone(self.settings.publication.time_zone).date()

    def day(self, moment: dt.datetime, tag: str) -> Values:
        return self.date(self.local(moment), tag)

    def date(self, day: dt.date, tag: str) -> Values:
        shown = self._days.get((day, tag))
        if shown is None:
            shown = {"iso": day.isoformat(), "text": self.spoken[tag].date(day)}
            self._days[day, tag] = shown
        return shown

    def month(self, period: str, tag: str) -> str:
        year, month = period.split("-")
        return self.spoken[tag].month(dt.date(int(year), int(month), 1))
