"""The plan of the site: which pages there are, and every value each of them shows.

facts ─► for each language: first page, explainers, topics, articles, pages, letters, authors
      ─► sheets: plain values, compared with last time's before anything is rendered
"""

from __future__ import annotations

from collections.abc import Iterator

from newsletter.site import archive, explainers, frame, lists, standing
from newsletter.site.facts import Facts
from newsletter.site.sheet import Plan, Sheet


def planned(facts: Facts) -> Plan:
    """Every page of every language."""
    sheets = tuple(sheet for tag in facts.languages for sheet in _language(facts, tag))
    return Plan(sheets, {tag: frame.chrome(facts, tag) for tag in facts.languages})


def _language(facts: Facts, tag: str) -> Iterator[Sheet]:
    yield lists.home(facts, tag)
    yield lists.articles(facts, tag)
    yield from lists.topics(facts, tag)
    yield from explainers.sheets(facts, tag)
    yield from standing.sheets(facts, tag)
    yield from archive.sheets(facts, tag)
    yield from lists.authors(facts, tag)
    if facts.assets.search:
        yield standing.search(facts, tag)
    yield standing.missing(facts, tag)
