"""The page of each article: what it shows beside its text, and the addresses it had before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping

from newsletter.content import urls
from newsletter.content.model import Article
from newsletter.site import data, frame
from newsletter.site.facts import Facts
from newsletter.site.sheet import Sheet, Values

NEAR = 24
"""Articles of a topic, newest first, among which related ones are looked for."""
RELATED = 3


def sheets(facts: Facts, tag: str) -> Iterator[Sheet]:
    """Every article of a language, newest first, then the withdrawn ones; behind each its aliases."""
    near = _near(facts, tag)
    every = {
        "href": facts.at(urls.articles_path(tag, facts.languages)),
        "text": facts.say("Explainers", tag),
    }
    for article in (
        *facts.catalogue.in_language(tag),
        *(one for one in facts.catalogue.withdrawn if one.language == tag),
    ):
        yield _article(facts, article, every, _related(facts, article, near))
        yield from _aliases(facts, article)


def _article(facts: Facts, article: Article, every: Values, related: list[Article]) -> Sheet:
    tag, here = article.language, urls.article_path(article, facts.languages)
    reading = facts.catalogue.reading(article)
    language = facts.spoken[tag]
    health = facts.settings.publication.subject == "health"
    topics = [topic for topic in article.topics if (topic, tag) in facts.by_topic]
    audience = language.gettext("patients and their families") if health else ""
    values: Values = {
        "title": article.title,
        "summary": article.summary,
        "crumbs": [every, *(facts.topic_link(topic, tag) for topic in topics[:1])],
        "authors": [
            {
                "name": author.name,
                "role": author.role,
                "credentials": author.credentials,
                "href": facts.author_href(author.name, article),
            }
            for author in article.authors
        ],
        "published": facts.day(article.published, tag),
        "updated": facts.date(article.updated, tag) if article.updated else None,
        "minutes": facts.minutes(reading, tag),
        "review": _review(facts, article),
        "withdrawn": article.withdrawn,
        "stale": _stale(facts, article),
        "picture": facts.picture(article.picture),
        "caption": article.picture.caption if article.picture else "",
        "contents": facts.contents(reading),
        "topics": [facts.topic_link(topic, tag) for topic in topics],
        "related": [facts.card(other) for other in related],
        "hidden": bool(article.withdrawn),
        "audience": audience,
    }
    values["data"] = data.article(
        values,
        article,
        reading.cited,
        site=facts.settings.publication.title,
        ours={facts.settings.publication.title, facts.settings.sender.name},
        canonical=facts.places.absolute(here),
        audience=audience,
        language=language,
    )
    return frame.sheet(
        facts,
        here,
        "article.html",
        tag,
        values,
        others={
            other: urls.article_path(version, facts.languages)
            for other, version in facts.versions[article.id].items()
        },
        section=urls.articles_path(tag, facts.languages),
        reading=reading,
        listed=not article.withdrawn,
        changed=article.updated or facts.local(article.published),
    )


def _aliases(facts: Facts, article: Article) -> Iterator[Sheet]:
    for alias in article.aliases:
        path = urls.article_path(article, facts.languages)
        values = {
            "title": article.title,
            "href": facts.at(path),
            "canonical": facts.places.absolute(path),
        }
        yield Sheet(alias, "moved.html", article.language, values, listed=False)


def _review(facts: Facts, article: Article) -> Values | None:
    """The clinical review; void when the text is not the one that was signed."""
    review = article.review
    if review is None:
        return None
    tag = article.language
    signed = review.digest
    return {
        "pending": review.pending,
        "void": bool(signed) and signed != hashlib.sha256(article.body.encode()).hexdigest(),
        "last": facts.date(review.last, tag) if review.last else None,
        "next": facts.date(review.next, tag) if review.next else None,
        "by": [{"name": person.name, "credentials": person.credentials} for person in review.by],
    }


def _stale(facts: Facts, article: Article) -> Values | None:
    """The original, when this translation was made from an older text of it."""
    if article.translation_of is None:
        return None
    versions = [one for one in facts.versions[article.id].values() if one is not article]
    if any(one.source.digest == article.translation_of for one in versions):
        return None
    original = next((one for one in versions if one.translation_of is None), None)
    if original is None:
        return None
    return {
        "href": facts.article_href(original),
        "language": original.language,
        "title": original.title,
    }


def _near(facts: Facts, tag: str) -> dict[str, list[int]]:
    """Topic -> the places in the catalogue of its newest articles."""
    return {
        topic: [facts.rank[one.source.path] for one in articles[:NEAR]]
        for (topic, language), articles in facts.by_topic.items()
        if language == tag
    }


def _related(facts: Facts, article: Article, near: Mapping[str, list[int]]) -> list[Article]:
    """Up to three others that share the most topics; newer first among equals.

    An article's score is its place in the catalogue, less the length of the
    catalogue for each shared topic: the lowest ones are wanted.
    """
    articles = facts.catalogue.articles
    scores: dict[int, int] = {}
    for topic in article.topics:
        for place in near.get(topic, ()):
            scores[place] = scores.get(place, place) - len(articles)
    scores.pop(facts.rank.get(article.source.path, -1), None)
    return [articles[place] for place in sorted(scores, key=scores.__getitem__)[:RELATED]]
