"""The catalogue: everything the editors wrote, checked against itself, as of one moment.

    content/ ─► one file at a time: read, front matter, prose      (texts.py)
             ─► all together: addresses, links, topics, pictures, translations
             ─► as of `now`: published | draft, waiting, expired   (left_out)

Findings of every file come together; one error and nothing is published.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from newsletter.config import Settings
from newsletter.content import checks, texts, topics, wordings
from newsletter.content.given import Given
from newsletter.content.letters import Gathered as Letters
from newsletter.content.model import Article, Page, Wording
from newsletter.content.pictures import Drawn
from newsletter.content.reading import Reading
from newsletter.content.shelf import Shelf
from newsletter.errors import Finding, Findings, Level


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is published at `now`, and what is not and why.

    `articles`: published at `now`, every language, newest first; withdrawn ones
    are not among them (`withdrawn`). `everything`: also drafts, waiting and
    expired. `left_out`: why -> how many. `next_change`: the first moment after
    `now` at which a date makes the catalogue another one; None: never.
    """

    now: dt.datetime
    languages: tuple[str, ...]
    articles: tuple[Article, ...]
    withdrawn: tuple[Article, ...]
    everything: tuple[Article, ...]
    pages: tuple[Page, ...]
    wordings: Mapping[str, tuple[Wording, ...]]
    topics: topics.Topics
    pictures: Mapping[str, Drawn]
    left_out: Mapping[str, int]
    warnings: tuple[Finding, ...]
    next_change: dt.datetime | None
    _readings: Mapping[str, Reading] = field(repr=False)
    _index: Mapping[tuple[str, str], Article] = field(repr=False)

    def find(self, id_: str, language: str) -> Article | None:
        """The published article of that id in that language."""
        return self._index.get((id_, language))

    def in_language(self, tag: str) -> tuple[Article, ...]:
        """The published articles of one language, newest first."""
        return tuple(article for article in self.articles if article.language == tag)

    def page(self, id_: str, language: str) -> Page | None:
        return next(
            (page for page in self.pages if (page.id, page.language) == (id_, language)), None
        )

    def reading(self, text: Article | Page) -> Reading:
        """What the text's body became: fragment, contents, words, minutes."""
        return self._readings[text.source.path]

    def wording(self, language: str) -> Wording | None:
        """The consent wording that holds now in `language`."""
        versions = self.wordings.get(language, ())
        return versions[-1] if versions else None

    def topic_name(self, topic: str, language: str) -> str:
        """The topic's name in `language`, else in the first language, else its id."""
        names = self.topics.get(topic, {})
        return names.get(language) or names.get(self.languages[0]) or topic


def load(
    settings: Settings,
    now: dt.datetime,
    *,
    drafts: bool = False,
    shelf: Shelf | None = None,
    given: dict[str, Given] | None = None,
    letters: Sequence[Letters] = (),
    jobs: int = 1,
    progress: texts.Progress | None = None,
) -> Catalogue:
    """Read content/ and check all of it.

    `drafts` publishes drafts too (preview). `shelf` keeps what was parsed
    before; `jobs` processes parse what was not. `given`: texts that were read
    already, by their path; they are taken out of it. `letters`: those that are
    checked with the rest.

    Raises:
        Findings: at least one error; every finding of every file is in it.
    """
    languages = settings.publication.languages
    gathered = texts.gather(settings, shelf=shelf, given=given, jobs=jobs, progress=progress)
    gathered = _with(gathered, letters)
    findings = list(gathered.findings)
    known_topics, problems = topics.read(settings.root, languages)
    findings += problems
    words, problems = wordings.read_all(settings.root, languages)
    findings += problems
    pictures, problems = checks.pictures(settings.root, gathered)
    findings += problems
    findings += checks.everything(settings.root, gathered, languages, known_topics)
    if any(finding.level is Level.ERROR for finding in findings):
        raise Findings(_in_order(findings))
    published, withdrawn, left_out, next_change = _as_of(gathered.articles, now, drafts=drafts)
    findings += checks.unpublished_links(gathered, (*published, *withdrawn))
    return Catalogue(
        now=now,
        languages=languages,
        articles=published,
        withdrawn=withdrawn,
        everything=gathered.articles,
        pages=gathered.pages,
        wordings=words,
        topics=known_topics,
        pictures=pictures,
        left_out=left_out,
        warnings=tuple(_in_order(findings)),
        next_change=next_change,
        _readings=gathered.readings,
        _index={(article.id, article.language): article for article in published},
    )


def _with(gathered: texts.Gathered, letters: Sequence[Letters]) -> texts.Gathered:
    """The texts, and the letters beside them."""
    made = gathered
    for issue in letters:
        made = replace(
            made,
            letters=(*made.letters, *issue.letters.values()),
            readings=made.readings | issue.readings,
            findings=(*made.findings, *issue.findings),
        )
    return made


def _in_order(findings: list[Finding]) -> list[Finding]:
    def place(finding: Finding) -> tuple[str, int, int]:
        where = finding.where
        return (where.path, where.line or 0, where.column or 0) if where else ("", 0, 0)

    return sorted(findings, key=place)


def _as_of(
    articles: tuple[Article, ...], now: dt.datetime, *, drafts: bool
) -> tuple[tuple[Article, ...], tuple[Article, ...], dict[str, int], dt.datetime | None]:
    """Divide by state at `now`: (published, withdrawn, why left out -> count, next change)."""
    published, withdrawn = [], []
    left_out: Counter[str] = Counter()
    changes = [
        moment
        for article in articles
        if not article.draft
        for moment in (article.published, article.expires)
        if moment and moment > now
    ]
    for article in articles:
        if article.draft and not drafts:
            left_out["draft"] += 1
        elif article.published > now and not (drafts and article.draft):
            left_out["waiting"] += 1
        elif article.expires and article.expires <= now:
            left_out["expired"] += 1
        elif article.withdrawn:
            withdrawn.append(article)
        else:
            published.append(article)
    return tuple(published), tuple(withdrawn), dict(left_out), min(changes, default=None)
