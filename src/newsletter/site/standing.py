"""Pages that stand by themselves: the editors' own, the sign-up, the search, and the one for no address."""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.content import urls
from newsletter.content.model import Page
from newsletter.site import frame, promise
from newsletter.site.facts import Facts
from newsletter.site.sheet import Sheet, Values


def sheets(facts: Facts, tag: str) -> Iterator[Sheet]:
    """The editors' pages of a language, and a sign-up page where they wrote none."""
    pages = [page for page in facts.catalogue.pages if page.language == tag and page.id != "home"]
    for page in pages:
        yield _page(facts, page)
    if not any(page.id == "subscribe" for page in pages):
        values: Values = {"title": facts.say("Subscribe", tag), "summary": "", "contents": []}
        path = urls.subscribe_path(tag, facts.languages)
        yield frame.sheet(facts, path, "subscribe.html", tag, values)


NAMED = "named-processors"
"""Where on the privacy page they stand."""


def _page(facts: Facts, page: Page) -> Sheet:
    reading = facts.catalogue.reading(page)
    named = _processors(facts, page.language) if page.id == "privacy" else []
    contents = facts.contents(reading)
    if named:
        contents.append(
            {"level": 2, "id": NAMED, "text": facts.say("Who works for us", page.language)}
        )
    told = promise.values(facts, page)
    if told is not None:
        contents.append(
            {
                "level": 2,
                "id": promise.MONTHS,
                "text": facts.say("Month by month", page.language),
            }
        )
    return frame.sheet(
        facts,
        urls.page_path(page, facts.languages),
        "subscribe.html" if page.id == "subscribe" else "page.html",
        page.language,
        {
            "title": page.title,
            "summary": page.summary,
            "contents": contents,
            "processors": named,
            "processors_id": NAMED,
            "processors_language": facts.languages[0],
            "promise": told,
        },
        others={
            other.language: urls.page_path(other, facts.languages)
            for other in facts.catalogue.pages
            if other.id == page.id
        },
        reading=reading,
    )


def _processors(facts: Facts, tag: str) -> list[Values]:
    """Who handles readers' addresses for the publisher, as newsletter.toml names them (GDPR Art. 13(1)(e))."""
    return [
        {
            "name": name,
            "host": each.host,
            "purpose": each.purpose,
            "region": each.region,
            "agreed": facts.date(each.agreement_date, tag),
        }
        for name, each in sorted(facts.settings.processors.items())
    ]


def search(facts: Facts, tag: str) -> Sheet:
    """The page that searches, with its one script; the index lies beside the pages."""
    values = {
        "title": facts.say("Search", tag),
        "script": facts.at(f"/{facts.assets.search}"),
        "index": facts.at("/pagefind/pagefind.js"),
        "topics": facts.topic_tags(tag),
        "everything": facts.at(urls.articles_path(tag, facts.languages)),
    }
    return frame.sheet(
        facts,
        urls.search_path(tag, facts.languages),
        "search.html",
        tag,
        values,
        others=facts.everywhere(urls.search_path),
    )


def missing(facts: Facts, tag: str) -> Sheet:
    """The page for an address that is not there."""
    return frame.sheet(
        facts,
        f"{urls.home_path(tag, facts.languages)}404.html",
        "missing.html",
        tag,
        {"title": facts.say("This page is not here", tag), "hidden": True},
        listed=False,
    )
