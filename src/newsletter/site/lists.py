"""Pages that lead on: the first page, all explainers, the topics and each of them, the authors."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.content import urls
from newsletter.site import archive, frame
from newsletter.site.facts import Facts
from newsletter.site.sheet import Sheet, Values

HOME_ARTICLES = 3


def home(facts: Facts, tag: str) -> Sheet:
    """The first page of a language: the newest letter, the newest explainers, every topic."""
    opening = facts.catalogue.page("home", tag)
    newest = next((sent for sent in facts.letters if sent.listed and tag in sent.editions), None)
    articles = facts.catalogue.in_language(tag)
    values = {
        "title": "",
        "heading": opening.title if opening else facts.settings.publication.title,
        "lede": opening.summary
        if opening
        else facts.say("One letter a month, and the explainers behind it.", tag),
        "issue": archive.row(facts, newest, tag) if newest else None,
        "articles": [facts.card(article) for article in articles[:HOME_ARTICLES]],
        "more": facts.at(urls.articles_path(tag, facts.languages))
        if len(articles) > HOME_ARTICLES
        else "",
        "topics": facts.topic_tags(tag),
    }
    return frame.sheet(
        facts,
        urls.home_path(tag, facts.languages),
        "home.html",
        tag,
        values,
        others=facts.everywhere(urls.home_path),
        reading=facts.catalogue.reading(opening) if opening else None,
    )


def articles(facts: Facts, tag: str) -> Sheet:
    """Every explainer of a language, newest first."""
    values = {
        "title": facts.say("Explainers", tag),
        "lede": "",
        "crumbs": [],
        "articles": [facts.row(article) for article in facts.catalogue.in_language(tag)],
        "topics": facts.topic_tags(tag),
    }
    return frame.sheet(
        facts,
        urls.articles_path(tag, facts.languages),
        "articles.html",
        tag,
        values,
        others=facts.everywhere(urls.articles_path),
    )


def topics(facts: Facts, tag: str) -> Iterator[Sheet]:
    """The list of topics, then a page for each with its explainers."""
    place = urls.topics_path(tag, facts.languages)
    values: Values = {"title": facts.say("Topics", tag), "topics": facts.topic_tags(tag)}
    others = facts.everywhere(urls.topics_path)
    yield frame.sheet(facts, place, "topics.html", tag, values, others=others)
    for topic in facts.topics_of(tag):
        values = {
            "title": facts.catalogue.topic_name(topic, tag),
            "lede": "",
            "crumbs": [{"href": facts.at(place), "text": facts.say("Topics", tag)}],
            "articles": [facts.row(article) for article in facts.by_topic[topic, tag]],
            "topics": [],
            "feed": facts.at(urls.feed_path(tag, facts.languages, topic)),
        }
        yield frame.sheet(
            facts,
            urls.topic_path(topic, tag, facts.languages),
            "articles.html",
            tag,
            values,
            others={
                other: urls.topic_path(topic, other, facts.languages)
                for other in facts.languages
                if (topic, other) in facts.by_topic
            },
            section=urls.articles_path(tag, facts.languages),
        )


def authors(facts: Facts, tag: str) -> Iterator[Sheet]:
    """One page for each author of a language: who it is, and every explainer, newest first."""
    for path, written in facts.by_author.items():
        newest = written[0]
        if newest.language != tag:
            continue
        author = next(
            each for each in newest.authors if facts.author_path(each.name, newest) == path
        )
        others = {
            other: urls.author_path(author.name, other, facts.languages)
            for other in facts.languages
        }
        section = urls.articles_path(tag, facts.languages)
        values = {
            "title": author.name,
            "lede": author.credentials,
            "crumbs": [{"href": facts.at(section), "text": facts.say("Explainers", tag)}],
            "articles": [facts.row(article) for article in written],
            "topics": [],
        }
        yield frame.sheet(
            facts,
            path,
            "articles.html",
            tag,
            values,
            others={other: place for other, place in others.items() if place in facts.by_author},
            section=section,
        )
