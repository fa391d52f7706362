"""Which articles and news belong to an issue, and in which order. Pure.

    every article published at the due moment
      - those an earlier frozen issue carried (membership, never dates)
      - those the editor excludes
      -> pins first, in the editor's order; then the newest first
    per language: the translation, or a link marked with its language

The first language's letter decides what the issue holds; another language's
letter may order, exclude and pick for its own edition.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from newsletter.content.model import Article, Letter, Pick
from newsletter.errors import Finding, Level, Where, did_you_mean
from newsletter.issue.manifest import FrozenArticle, FrozenChange, Manifest
from newsletter.issue.period import Period


class Catalogue(Protocol):
    """The part of content's catalogue, as of the due moment, that an issue is made from."""

    @property
    def languages(self) -> tuple[str, ...]: ...
    @property
    def articles(self) -> tuple[Article, ...]: ...
    @property
    def withdrawn(self) -> tuple[Article, ...]: ...
    def find(self, id_: str, language: str) -> Article | None: ...


class Since(StrEnum):
    """What happened to an article since an issue carried it."""

    WITHDRAWN = "withdrawn"
    UPDATED = "updated"


@dataclass(frozen=True, slots=True)
class Change:
    article: Article
    since: Since


@dataclass(frozen=True, slots=True)
class Selection:
    """One language's part of an issue.

    `stories` are in this language; `elsewhere` are those that are not (yet)
    translated, in the language they have. `news_language` is the language the
    notes of `news` are written in.
    """

    language: str
    letter: Letter
    stories: tuple[Article, ...]
    elsewhere: tuple[Article, ...]
    again: tuple[Article, ...]
    changes: tuple[Change, ...]
    news: tuple[Pick, ...]
    news_language: str


@dataclass(frozen=True, slots=True)
class Issue:
    """A month's issue before it is laid out; `articles` are the ids it carries, in order."""

    period: Period
    number: int
    as_of: dt.datetime
    articles: tuple[str, ...]
    selections: tuple[Selection, ...]
    findings: tuple[Finding, ...]


def assemble(
    period: Period,
    as_of: dt.datetime,
    catalogue: Catalogue,
    letters: Mapping[str, Letter],
    earlier: Sequence[Manifest],
) -> Issue:
    """The issue of `period`; what is wrong with the editor's choice is in its `findings`.

    `letters` holds one for every language. `earlier` are the frozen issues of
    other periods; those after this one do not count.
    """
    before = sorted((m for m in earlier if m.period < period), key=lambda m: m.period)
    carried = {article.id for manifest in before for article in manifest.articles}
    published = _by_id(catalogue)
    first = letters[catalogue.languages[0]]
    members = [
        id_
        for id_ in _ordered(published, first.pins)
        if id_ not in first.exclude and (id_ not in carried)
    ]
    selections = tuple(
        _selection(language, catalogue, letters, published, members, before)
        for language in catalogue.languages
    )
    findings = [
        finding
        for letter in letters.values()
        for finding in _choices(letter, catalogue, published, carried)
    ]
    if not members and not any(selection.news for selection in selections):
        findings.append(
            Finding(
                "NL453",
                f"the issue of {period} would hold no article and no news",
                Where(first.source.path),
                help="publish an article before the due moment, or pick news; an empty letter is not sent",
            )
        )
    number = max((manifest.number for manifest in before), default=0) + 1
    return Issue(period, number, as_of, tuple(members), selections, tuple(findings))


def _by_id(catalogue: Catalogue) -> dict[str, dict[str, Article]]:
    """id -> language -> article, of everything published at the due moment."""
    found: dict[str, dict[str, Article]] = {}
    for article in catalogue.articles:
        found.setdefault(article.id, {})[article.language] = article
    return found


def _ordered(published: dict[str, dict[str, Article]], pins: Sequence[str]) -> list[str]:
    """All ids: the pinned in their order, the others newest first; ties by id, so that order is one."""

    def newest(id_: str) -> tuple[float, str]:
        return -min(article.published.timestamp() for article in published[id_].values()), id_

    pinned = [id_ for id_ in dict.fromkeys(pins) if id_ in published]
    return pinned + sorted((id_ for id_ in published if id_ not in pinned), key=newest)


def _best(versions: Mapping[str, Article], language: str, languages: Sequence[str]) -> Article:
    """The version in `language`, else in the first of the publication's languages that has one."""
    return next(versions[tag] for tag in (language, *languages, *versions) if tag in versions)


def _selection(
    language: str,
    catalogue: Catalogue,
    letters: Mapping[str, Letter],
    published: dict[str, dict[str, Article]],
    members: Sequence[str],
    before: Sequence[Manifest],
) -> Selection:
    languages = catalogue.languages
    letter, first = letters[language], letters[languages[0]]
    pins = [id_ for id_ in letter.pins or first.pins if id_ in members]
    order = [*dict.fromkeys(pins), *(id_ for id_ in members if id_ not in pins)]
    chosen = [
        _best(published[id_], language, languages) for id_ in order if id_ not in letter.exclude
    ]
    again = [
        _best(published[id_], language, languages)
        for id_ in dict.fromkeys(letter.again or first.again)
        if id_ in published and id_ not in members
    ]
    return Selection(
        language=language,
        letter=letter,
        stories=tuple(article for article in chosen if article.language == language),
        elsewhere=tuple(article for article in chosen if article.language != language),
        again=tuple(again),
        changes=_changes(language, catalogue, published, before),
        news=letter.news or first.news,
        news_language=language if letter.news else first.language,
    )


def _changes(
    language: str,
    catalogue: Catalogue,
    published: dict[str, dict[str, Article]],
    before: Sequence[Manifest],
) -> tuple[Change, ...]:
    """What earlier issues carried and has been withdrawn or updated since; told once.

    An update is what the editor calls one (`updated`), not every mended comma.
    """
    told: dict[tuple[str, str], tuple[str, dt.date]] = {}
    gone: set[str] = set()
    for manifest in before:
        entries: list[FrozenArticle | FrozenChange] = [*manifest.articles, *manifest.changes]
        for entry in entries:
            for tag, digest in entry.sources:
                told[entry.id, tag] = digest, manifest.as_of.date()
        gone.update(change.id for change in manifest.changes if change.since == Since.WITHDRAWN)
    found = [
        Change(article, Since.WITHDRAWN)
        for article in catalogue.withdrawn
        if article.language == language
        and (article.id, language) in told
        and article.id not in gone
    ]
    for versions in published.values():
        article = versions.get(language)
        if article is None or (article.id, language) not in told or article.updated is None:
            continue
        digest, day = told[article.id, language]
        if digest != article.source.digest and article.updated >= day:
            found.append(Change(article, Since.UPDATED))
    return tuple(sorted(found, key=lambda change: (change.since, change.article.id)))


def _choices(
    letter: Letter,
    catalogue: Catalogue,
    published: dict[str, dict[str, Article]],
    carried: set[str],
) -> list[Finding]:
    """What the editor asked for and cannot have: an id that is not published, a pin that was sent."""
    findings = []
    known = {article.id for article in (*catalogue.articles, *catalogue.withdrawn)}
    where = Where(letter.source.path)
    for key, ids in (("pins", letter.pins), ("again", letter.again), ("exclude", letter.exclude)):
        for id_ in ids:
            if id_ not in published and not (key == "exclude" and id_ in known):
                findings.append(
                    Finding(
                        "NL451",
                        f"`{key}` names `{id_}`, which is not published at the due moment",
                        where,
                        help=did_you_mean(id_, published)
                        or "correct the id, or give the article an earlier date",
                        level=Level.WARNING if key == "exclude" else Level.ERROR,
                    )
                )
            elif key == "pins" and id_ in carried:
                findings.append(
                    Finding(
                        "NL452",
                        f"`{id_}` is pinned, but an earlier issue carried it",
                        where,
                        help="name it under `again:` to recommend it once more",
                        level=Level.WARNING,
                    )
                )
            elif key == "again" and id_ not in carried:
                findings.append(
                    Finding(
                        "NL452",
                        f"`{id_}` stands under `again`, but no earlier issue carried it",
                        where,
                        help="take it out; it is in this issue by itself",
                        level=Level.WARNING,
                    )
                )
    return findings
