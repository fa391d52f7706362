"""The plan of the site: which pages there are, and every value each of them shows.

Nothing is rendered here. A page's values are plain (text, numbers, lists), so
that they can be compared with last time's; its body is a fragment whose slots
are filled when it is written.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from newsletter.config import Settings
from newsletter.content import Catalogue, urls
from newsletter.content.model import Article, Page, Picture
from newsletter.content.reading import Reading
from newsletter.language import Language
from newsletter.site import data, letters
from newsletter.site.letters import Sent
from newsletter.site.places import Places

Values = dict[str, Any]
HOME_ARTICLES = 3


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page to write. `path` is its address; `values` are what the template sees as `page`.

    `reading` is the body with slots (of an article or page), `html` a body
    that is finished (a frozen letter), `beside` what stands apart from it (a
    correction), with slots. `listed`: in the sitemap.
    """

    path: str
    template: str
    language: str
    values: Values
    reading: Reading | None = None
    html: str = ""
    beside: Reading | None = None
    listed: bool = True
    changed: dt.date | None = None
    alternates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    sheets: tuple[Sheet, ...]
    chrome: dict[str, Values] = field(repr=False)


class Planner:
    """Makes the plan from a catalogue and the sent letters."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        letters: Sequence[Sent],
        places: Places,
        style: str,
        icon: str,
        search: str,
        preview: Callable[[str], str],
    ) -> None:
        self.settings = settings
        self.catalogue = catalogue
        self.letters = letters
        self.places = places
        self.style = style
        self.icon = icon
        self.search = search
        self.preview = preview
        self.languages = settings.publication.languages
        self.spoken = {tag: Language(tag, "site") for tag in self.languages}
        self.by_language = {tag: catalogue.in_language(tag) for tag in self.languages}
        self.rank = {one.source.path: place for place, one in enumerate(catalogue.articles)}
        self.rows: dict[str, Values] = {}
        self.cards: dict[str, Values] = {}
        self.days: dict[tuple[dt.date, str], Values] = {}
        self.by_topic: dict[tuple[str, str], list[Article]] = {}
        for article in catalogue.articles:
            for topic in article.topics:
                self.by_topic.setdefault((topic, article.language), []).append(article)
        self.by_author: dict[str, list[Article]] = {}
        for article in catalogue.articles:
            places_of = {self._author_path(each.name, article) for each in article.authors}
            for place in sorted(places_of):
                self.by_author.setdefault(place, []).append(article)
        self.versions: dict[str, dict[str, Article]] = {}
        for article in (*catalogue.articles, *catalogue.withdrawn):
            self.versions.setdefault(article.id, {})[article.language] = article

    def plan(self) -> Plan:
        sheets: list[Sheet] = []
        for tag in self.languages:
            sheets += self._language(tag)
        return Plan(tuple(sheets), {tag: self._chrome(tag) for tag in self.languages})

    # -- what every page of a language shows --------------------------------------

    def _chrome(self, tag: str) -> Values:
        say = self.spoken[tag].gettext
        at = self.places.at
        wording = self.catalogue.wording(tag)
        menu = [
            {"href": at(urls.articles_path(tag, self.languages)), "text": say("Explainers")},
            {"href": at(urls.archive_path(tag, self.languages)), "text": say("Past letters")},
        ]
        pages = [page for page in self.catalogue.pages if page.language == tag]
        menu += [
            {"href": self._page(page), "text": page.title} for page in pages if page.menu == "top"
        ]
        if not any(page.id == "subscribe" for page in pages):
            menu.append(
                {"href": at(urls.subscribe_path(tag, self.languages)), "text": say("Subscribe")}
            )
        if self.search:
            menu.append({"href": at(urls.search_path(tag, self.languages)), "text": say("Search")})
        return {
            "title": self.settings.publication.title,
            "language": tag,
            "direction": self.spoken[tag].direction,
            "home": at(urls.home_path(tag, self.languages)),
            "style": at(f"/{self.style}"),
            "icon": at(f"/{self.icon}"),
            "feed": at(urls.feed_path(tag, self.languages)),
            "feeds": [
                {"href": at(urls.feed_path(tag, self.languages, None, kind)), "type": media}
                for kind, media in MEDIA.items()
            ],
            "menu": menu,
            "footer": [
                {"href": self._page(page), "text": page.title}
                for page in pages
                if page.menu == "footer"
            ],
            "subscribe": f"{self.settings.public_url}/subscribe",
            "solver": _solver(self.settings),
            "wording": {"hash": wording.hash, "text": wording.text} if wording else None,
            "health": self.settings.publication.subject == "health",
        }

    def _page(self, page: Page) -> str:
        return self.places.at(urls.page_path(page, self.languages))

    # -- pages -------------------------------------------------------------------

    def _language(self, tag: str) -> Iterator[Sheet]:
        yield self._home(tag)
        yield self._articles(tag)
        yield self._topics(tag)
        for topic in self._topics_of(tag):
            yield self._topic(topic, tag)
        for article in (
            *self.by_language[tag],
            *(one for one in self.catalogue.withdrawn if one.language == tag),
        ):
            yield self._article(article)
            yield from self._aliases(article)
        yield from self._standing(tag)
        yield self._archive(tag)
        yield from self._letters(tag)
        yield from self._authors(tag)
        if self.search:
            yield self._searching(tag)
        yield self._missing(tag)

    def _sheet(
        self,
        path: str,
        template: str,
        tag: str,
        values: Values,
        *,
        others: dict[str, str] | None = None,
        section: str = "",
        **rest: Any,
    ) -> Sheet:
        """A sheet with what every page says of itself: its address, its other languages, its place in the menu.

        `others`: language -> path of the same page there. In the switcher a
        language without it leads to that language's first page.
        """
        others = others or {}
        alternates = (
            tuple(
                (other, self.places.absolute(others[other]))
                for other in self.languages
                if other in others
            )
            if len(others) > 1
            else ()
        )
        switch = [
            {
                "language": other,
                "name": self.spoken[other].name,
                "href": self.places.at(others.get(other) or urls.home_path(other, self.languages)),
            }
            for other in self.languages
            if other != tag
        ]
        said = {
            "path": self.places.at(path),
            "canonical": self.places.absolute(path),
            "alternates": [{"language": other, "url": url} for other, url in alternates]
            + ([{"language": "x-default", "url": alternates[0][1]}] if alternates else []),
            "languages": switch,
            "section": self.places.at(section or path),
            "description": values.get("summary") or values.get("lede") or "",
            "preview": self.places.absolute(
                self.preview((values.get("picture") or {}).get("path", ""))
            ),
            "hidden": False,
            **values,
        }
        return Sheet(path, template, tag, said, alternates=alternates, **rest)

    def _everywhere(self, place: Any) -> dict[str, str]:
        return {tag: place(tag, self.languages) for tag in self.languages}

    def _home(self, tag: str) -> Sheet:
        say = self.spoken[tag].gettext
        opening = self.catalogue.page("home", tag)
        newest = next((sent for sent in self.letters if sent.listed and tag in sent.editions), None)
        articles = self.by_language[tag]
        values = {
            "title": "",
            "heading": opening.title if opening else self.settings.publication.title,
            "lede": opening.summary
            if opening
            else say("One letter a month, and the explainers behind it."),
            "issue": self._letter_row(newest, tag) if newest else None,
            "articles": [self._card(article) for article in articles[:HOME_ARTICLES]],
            "more": self.places.at(urls.articles_path(tag, self.languages))
            if len(articles) > HOME_ARTICLES
            else "",
            "topics": self._topic_tags(tag),
        }
        reading = self.catalogue.reading(opening) if opening else None
        return self._sheet(
            urls.home_path(tag, self.languages),
            "home.html",
            tag,
            values,
            others=self._everywhere(urls.home_path),
            reading=reading,
        )

    def _articles(self, tag: str) -> Sheet:
        values = {
            "title": self.spoken[tag].gettext("Explainers"),
            "lede": "",
            "crumbs": [],
            "articles": [self._row(article) for article in self.by_language[tag]],
            "topics": self._topic_tags(tag),
        }
        return self._sheet(
            urls.articles_path(tag, self.languages),
            "articles.html",
            tag,
            values,
            others=self._everywhere(urls.articles_path),
        )

    def _topics(self, tag: str) -> Sheet:
        values = {"title": self.spoken[tag].gettext("Topics"), "topics": self._topic_tags(tag)}
        return self._sheet(
            urls.topics_path(tag, self.languages),
            "topics.html",
            tag,
            values,
            others=self._everywhere(urls.topics_path),
        )

    def _topics_of(self, tag: str) -> list[str]:
        """Topics with an article in this language, in the order of the topics' file."""
        used = {topic for topic, language in self.by_topic if language == tag}
        known = [topic for topic in self.catalogue.topics if topic in used]
        return known + sorted(used - set(known))

    def _topic_tags(self, tag: str) -> list[Values]:
        return [
            {
                "href": self.places.at(urls.topic_path(topic, tag, self.languages)),
                "text": self.catalogue.topic_name(topic, tag),
                "count": len(self.by_topic[topic, tag]),
            }
            for topic in self._topics_of(tag)
        ]

    def _topic(self, topic: str, tag: str) -> Sheet:
        name = self.catalogue.topic_name(topic, tag)
        others = {
            other: urls.topic_path(topic, other, self.languages)
            for other in self.languages
            if (topic, other) in self.by_topic
        }
        values = {
            "title": name,
            "lede": "",
            "crumbs": [
                {
                    "href": self.places.at(urls.topics_path(tag, self.languages)),
                    "text": self.spoken[tag].gettext("Topics"),
                }
            ],
            "articles": [self._row(article) for article in self.by_topic[topic, tag]],
            "topics": [],
            "feed": self.places.at(urls.feed_path(tag, self.languages, topic)),
        }
        return self._sheet(
            urls.topic_path(topic, tag, self.languages),
            "articles.html",
            tag,
            values,
            others=others,
            section=urls.articles_path(tag, self.languages),
        )

    def _article(self, article: Article) -> Sheet:
        tag = article.language
        reading = self.catalogue.reading(article)
        first = article.topics[0] if article.topics else None
        crumbs = [
            {
                "href": self.places.at(urls.articles_path(tag, self.languages)),
                "text": self.spoken[tag].gettext("Explainers"),
            }
        ]
        if first and (first, tag) in self.by_topic:
            crumbs.append(
                {
                    "href": self.places.at(urls.topic_path(first, tag, self.languages)),
                    "text": self.catalogue.topic_name(first, tag),
                }
            )
        values = {
            "title": article.title,
            "summary": article.summary,
            "crumbs": crumbs,
            "authors": [
                {
                    "name": author.name,
                    "role": author.role,
                    "credentials": author.credentials,
                    "href": self._author_href(author.name, article),
                }
                for author in article.authors
            ],
            "published": self._day(article.published, tag),
            "updated": self._date(article.updated, tag) if article.updated else None,
            "minutes": self._minutes(reading, tag),
            "review": self._review(article),
            "withdrawn": article.withdrawn,
            "stale": self._stale(article),
            "picture": self._picture(article.picture),
            "caption": article.picture.caption if article.picture else "",
            "contents": [
                {"level": heading.level, "id": heading.id, "text": heading.text}
                for heading in reading.contents
            ],
            "topics": [
                {
                    "href": self.places.at(urls.topic_path(topic, tag, self.languages)),
                    "text": self.catalogue.topic_name(topic, tag),
                }
                for topic in article.topics
                if (topic, tag) in self.by_topic
            ],
            "related": [self._card(other) for other in self._related(article)],
            "hidden": bool(article.withdrawn),
        }
        here = urls.article_path(article, self.languages)
        health = self.settings.publication.subject == "health"
        audience = self.spoken[tag].gettext("patients and their families") if health else ""
        values["audience"] = audience
        values["data"] = data.article(
            values,
            article,
            reading.cited,
            site=self.settings.publication.title,
            canonical=self.places.absolute(here),
            audience=audience,
            language=self.spoken[tag],
        )
        return self._sheet(
            here,
            "article.html",
            tag,
            values,
            others={
                other: urls.article_path(version, self.languages)
                for other, version in self.versions[article.id].items()
            },
            section=urls.articles_path(tag, self.languages),
            reading=reading,
            listed=not article.withdrawn,
            changed=article.updated or self._local(article.published),
        )

    def _aliases(self, article: Article) -> Iterator[Sheet]:
        here = urls.article_path(article, self.languages)
        for alias in article.aliases:
            values = {
                "title": article.title,
                "href": self.places.at(here),
                "canonical": self.places.absolute(here),
            }
            yield Sheet(alias, "moved.html", article.language, values, listed=False)

    def _review(self, article: Article) -> Values | None:
        review = article.review
        if review is None:
            return None
        tag = article.language
        signed = review.digest
        return {
            "pending": review.pending,
            "void": bool(signed) and signed != hashlib.sha256(article.body.encode()).hexdigest(),
            "last": self._date(review.last, tag) if review.last else None,
            "next": self._date(review.next, tag) if review.next else None,
            "by": [
                {"name": person.name, "credentials": person.credentials} for person in review.by
            ],
        }

    def _stale(self, article: Article) -> Values | None:
        """The original, when this translation was made from an older text of it."""
        if article.translation_of is None:
            return None
        versions = [one for one in self.versions[article.id].values() if one is not article]
        if any(one.source.digest == article.translation_of for one in versions):
            return None
        original = next((one for one in versions if one.translation_of is None), None)
        if original is None:
            return None
        return {
            "href": self.places.at(urls.article_path(original, self.languages)),
            "language": original.language,
            "title": original.title,
        }

    def _related(self, article: Article) -> list[Article]:
        """Up to three others that share the most topics; newer first among equals."""
        scores: dict[str, int] = {}
        found: dict[str, Article] = {}
        for topic in article.topics:
            for other in self.by_topic.get((topic, article.language), ())[:NEAR]:
                if other is not article:
                    scores[other.id] = scores.get(other.id, 0) + 1
                    found[other.id] = other
        return sorted(
            found.values(), key=lambda one: (-scores[one.id], self.rank[one.source.path])
        )[:3]

    def _standing(self, tag: str) -> Iterator[Sheet]:
        pages = [
            page for page in self.catalogue.pages if page.language == tag and page.id != "home"
        ]
        for page in pages:
            reading = self.catalogue.reading(page)
            values = {
                "title": page.title,
                "summary": page.summary,
                "contents": [
                    {"level": heading.level, "id": heading.id, "text": heading.text}
                    for heading in reading.contents
                ],
            }
            others = {
                other.language: urls.page_path(other, self.languages)
                for other in self.catalogue.pages
                if other.id == page.id
            }
            template = "subscribe.html" if page.id == "subscribe" else "page.html"
            yield self._sheet(
                urls.page_path(page, self.languages),
                template,
                tag,
                values,
                others=others,
                reading=reading,
            )
        if not any(page.id == "subscribe" for page in pages):
            values = {"title": self.spoken[tag].gettext("Subscribe"), "summary": "", "contents": []}
            yield self._sheet(
                urls.subscribe_path(tag, self.languages), "subscribe.html", tag, values
            )

    def _archive(self, tag: str) -> Sheet:
        rows = [
            self._letter_row(sent, tag)
            for sent in self.letters
            if sent.listed and tag in sent.editions
        ]
        values = {"title": self.spoken[tag].gettext("Past letters"), "issues": rows}
        return self._sheet(
            urls.archive_path(tag, self.languages),
            "issues.html",
            tag,
            values,
            others=self._everywhere(urls.archive_path),
        )

    def _letter_row(self, sent: Sent, tag: str) -> Values:
        edition = sent.editions[tag]
        return {
            "href": self.places.at(urls.issue_path(sent.period, tag, self.languages)),
            "title": edition.subject,
            "summary": edition.preheader,
            "number": sent.number,
            "month": self._month(sent.period, tag),
            "period": sent.period,
        }

    def _letters(self, tag: str) -> Iterator[Sheet]:
        """Frozen letters: built as soon as they are approved, listed once they are sent."""
        listed = [sent for sent in self.letters if sent.listed and tag in sent.editions]
        for sent in self.letters:
            if tag not in sent.editions:
                continue
            place = listed.index(sent) if sent in listed else -1
            row = self._letter_row(sent, tag)
            values = {
                **row,
                "crumbs": [
                    {
                        "href": self.places.at(urls.archive_path(tag, self.languages)),
                        "text": self.spoken[tag].gettext("Past letters"),
                    }
                ],
                "before": self._letter_row(listed[place + 1], tag)
                if 0 <= place < len(listed) - 1
                else None,
                "following": self._letter_row(listed[place - 1], tag) if place > 0 else None,
                "hidden": not sent.listed,
                **self._evidence(sent, tag),
            }
            correction = sent.corrections.get(tag)
            yield self._sheet(
                urls.issue_path(sent.period, tag, self.languages),
                "issue.html",
                tag,
                values,
                others={
                    other: urls.issue_path(sent.period, other, self.languages)
                    for other in self.languages
                    if other in sent.editions
                },
                section=urls.archive_path(tag, self.languages),
                html=sent.editions[tag].body,
                beside=correction.reading if correction else None,
                changed=correction.day if correction else None,
                listed=sent.listed,
            )

    def _evidence(self, sent: Sent, tag: str) -> Values:
        """When a letter was sent, who approved it, what changed since, and the files to check it with."""
        correction = sent.corrections.get(tag)

        def file(name: str) -> Values:
            return {
                "href": self.places.at(urls.issue_file(sent.period, name)),
                "name": f"{sent.period}.{name}",
            }

        return {
            "sent": self._day(sent.sent_at, tag) if sent.sent_at else None,
            "manifest": sent.manifest,
            "approved_by": list(sent.approved_by),
            "corrected": self._date(correction.day, tag) if correction else None,
            "mail": file(letters.mail_name(tag, "html")),
            "text": file(letters.mail_name(tag, "txt")),
            "approval": file(letters.MANIFEST),
        }

    def _author_path(self, name: str, article: Article) -> str:
        return urls.author_path(name, article.language, self.languages)

    def _author_href(self, name: str, article: Article) -> str:
        """The author's page; "" when nothing of theirs is published in that language."""
        path = self._author_path(name, article)
        return self.places.at(path) if path in self.by_author else ""

    def _authors(self, tag: str) -> Iterator[Sheet]:
        """One page for each author of a language: who it is, and every explainer, newest first."""
        for path, articles in self.by_author.items():
            newest = articles[0]
            if newest.language != tag:
                continue
            author = next(
                each for each in newest.authors if self._author_path(each.name, newest) == path
            )
            others = {
                other: urls.author_path(author.name, other, self.languages)
                for other in self.languages
            }
            values = {
                "title": author.name,
                "lede": author.credentials,
                "crumbs": [
                    {
                        "href": self.places.at(urls.articles_path(tag, self.languages)),
                        "text": self.spoken[tag].gettext("Explainers"),
                    }
                ],
                "articles": [self._row(article) for article in articles],
                "topics": [],
            }
            yield self._sheet(
                path,
                "articles.html",
                tag,
                values,
                others={other: place for other, place in others.items() if place in self.by_author},
                section=urls.articles_path(tag, self.languages),
            )

    def _searching(self, tag: str) -> Sheet:
        """The page that searches, with its one script; the index lies beside the pages."""
        values = {
            "title": self.spoken[tag].gettext("Search"),
            "script": self.places.at(f"/{self.search}"),
            "index": self.places.at("/pagefind/pagefind.js"),
            "topics": self._topic_tags(tag),
            "everything": self.places.at(urls.articles_path(tag, self.languages)),
        }
        return self._sheet(
            urls.search_path(tag, self.languages),
            "search.html",
            tag,
            values,
            others=self._everywhere(urls.search_path),
        )

    def _missing(self, tag: str) -> Sheet:
        """The page for an address that is not there."""
        say = self.spoken[tag].gettext
        path = f"{urls.home_path(tag, self.languages)}404.html"
        return self._sheet(
            path,
            "missing.html",
            tag,
            {"title": say("This page is not here"), "hidden": True},
            listed=False,
        )

    # -- small values ------------------------------------------------------------

    def _card(self, article: Article) -> Values:
        if article.source.path not in self.cards:
            self.cards[article.source.path] = {
                **self._row(article),
                "picture": self._picture(article.picture, decorative=True),
                "minutes": self._minutes(self.catalogue.reading(article), article.language),
            }
        return self.cards[article.source.path]

    def _row(self, article: Article) -> Values:
        """What a list shows of an article; made once, shown in many lists."""
        if article.source.path not in self.rows:
            self.rows[article.source.path] = self._made_row(article)
        return self.rows[article.source.path]

    def _made_row(self, article: Article) -> Values:
        return {
            "href": self.places.at(urls.article_path(article, self.languages)),
            "title": article.title,
            "summary": article.summary,
            "published": self._day(article.published, article.language),
        }

    def _picture(self, picture: Picture | None, *, decorative: bool = False) -> Values | None:
        """What `draw` in a template needs; the digest makes a changed drawing a changed page."""
        if picture is None:
            return None
        drawn = self.catalogue.pictures.get(picture.path)
        if drawn is None:
            return None
        return {
            "path": picture.path,
            "alt": "" if decorative else picture.alt,
            "digest": drawn.digest,
        }

    def _minutes(self, reading: Reading, tag: str) -> str:
        return self.spoken[tag].ngettext("%(n)s minute", "%(n)s minutes", reading.minutes)

    def _local(self, moment: dt.datetime) -> dt.date:
        return moment.astimezone(self.settings.publication.time_zone).date()

    def _day(self, moment: dt.datetime, tag: str) -> Values:
        return self._date(self._local(moment), tag)

    def _date(self, day: dt.date, tag: str) -> Values:
        if (day, tag) not in self.days:
            self.days[day, tag] = {"iso": day.isoformat(), "text": self.spoken[tag].date(day)}
        return self.days[day, tag]

    def _month(self, period: str, tag: str) -> str:
        year, month = period.split("-")
        return self.spoken[tag].month(dt.date(int(year), int(month), 1))


MEDIA = {
    "atom": "application/atom+xml",
    "rss": "application/rss+xml",
    "json": "application/feed+json",
}
NEAR = 24
"""Articles of a topic, newest first, among which related ones are looked for."""


def prefix_of(site_url: str) -> str:
    """The path under which the site lies: "" or "/letter"."""
    return urlsplit(site_url).path.rstrip("/")


def _solver(settings: Settings) -> str | None:
    """The forms' script, which solves the sign-up form's sum; None where it is another origin's."""
    site, forms = urlsplit(settings.site_url), urlsplit(settings.public_url)
    same = (site.scheme, site.netloc) == (forms.scheme, forms.netloc)
    return f"{forms.path.rstrip('/')}/forms/ask.js" if same else None
