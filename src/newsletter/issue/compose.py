"""From the publication's files to a Draft: an issue laid out in every language, nothing written.

    content as of the due moment ─► assemble ─► view ─► layout ─► editions
                                                     └► pictures, manifest, findings

The same files, configuration and period give the same bytes on every machine
and every day: the only moment in here is the period's due moment.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from newsletter import content
from newsletter.config import Settings
from newsletter.content import emergency, prose, urls
from newsletter.content import letters as letter_files
from newsletter.content import pictures as content_pictures
from newsletter.content.catalogue import Catalogue
from newsletter.content.model import Article, Letter
from newsletter.content.shelf import Shelf
from newsletter.errors import CouldNotRun, Finding, Findings, Level, Where
from newsletter.issue import frozen, layout
from newsletter.issue.assemble import Issue, Selection, assemble
from newsletter.issue.edition import Edition, sha256
from newsletter.issue.links import Links
from newsletter.issue.mail_html import Frame, MailPicture
from newsletter.issue.manifest import (
    FrozenArticle,
    FrozenChange,
    FrozenEdition,
    FrozenNews,
    Manifest,
)
from newsletter.issue.period import Period, due
from newsletter.issue.pictures import Raster, path, raster
from newsletter.issue.view import View, care_label, view
from newsletter.language import Language
from newsletter.news import identity


@dataclass(frozen=True, slots=True)
class Draft:
    """An issue as it would be frozen now. `findings` are warnings; errors were raised."""

    issue: Issue
    articles: tuple[Article, ...]
    """Every article it shows, in every language it shows it in."""
    views: tuple[View, ...]
    editions: tuple[Edition, ...]
    pictures: tuple[Raster, ...]
    manifest: Manifest
    pages: frozenset[str]
    """Paths of the site that will be there when the issue is due."""
    findings: tuple[Finding, ...]


def compose(settings: Settings, period: Period, *, shelf: Shelf | None = None) -> Draft:
    """Lay out the issue of `period` from what the files say.

    `shelf` keeps what was parsed before, so that a large archive costs nothing.

    Raises:
        Findings: content, letters, choices or a template are wrong; everything at once.
    """
    as_of = due(settings, period)
    gathered = letter_files.gather(settings, str(period))
    try:
        catalogue = content.load(settings, as_of, shelf=shelf)
    except Findings as wrong:
        raise Findings([*wrong.findings, *gathered.findings]) from wrong
    if any(finding.level is Level.ERROR for finding in gathered.findings):
        raise Findings(gathered.findings, f"Nothing was drafted for {period}.")
    letters = gathered.letters
    issue = assemble(period, as_of, catalogue, letters, frozen.manifests(settings))
    maker = _Maker(settings, issue, catalogue)
    findings = [*gathered.findings, *issue.findings, *_headers(letters)]
    if any(finding.level is Level.ERROR for finding in findings):
        raise Findings(findings, f"Nothing was drafted for {period}.")
    pairs = [maker.edition(selection) for selection in issue.selections]
    findings += dict.fromkeys(maker.findings)  # mail and archive show the same pictures
    if any(finding.level is Level.ERROR for finding in findings):
        raise Findings(findings, f"Nothing was drafted for {period}.")
    editions = tuple(edition for _, edition in pairs)
    pictures = maker.shown(editions)
    return Draft(
        issue=issue,
        articles=_shown(issue),
        views=tuple(view for view, _ in pairs),
        editions=editions,
        pictures=pictures,
        manifest=_manifest(issue, catalogue, editions, pictures),
        pages=_pages(catalogue, period),
        findings=tuple(findings),
    )


def _pages(catalogue: Catalogue, period: Period) -> frozenset[str]:
    """What the site's build will publish, by path: no page is made here."""
    languages = catalogue.languages
    found = {
        urls.article_path(article, languages)
        for article in (*catalogue.articles, *catalogue.withdrawn)
    }
    found.update(urls.page_path(page, languages) for page in catalogue.pages)
    for tag in languages:
        places = (urls.home_path, urls.articles_path, urls.archive_path, urls.subscribe_path)
        found.update(place(tag, languages) for place in (*places, urls.topics_path, urls.feed_path))
        found.add(urls.issue_path(str(period), tag, languages))
        found.update(urls.topic_path(topic, tag, languages) for topic in catalogue.topics)
    return frozenset(found)


def _shown(issue: Issue) -> tuple[Article, ...]:
    found = {
        (article.id, article.language): article
        for selection in issue.selections
        for article in (*selection.stories, *selection.elsewhere, *selection.again)
    }
    return tuple(found.values())


def _headers(letters: Mapping[str, Letter]) -> list[Finding]:
    """Words that become mail headers may hold nothing that looks encoded.

    A subject with "=?" in it is read as something else by mail programs; control
    characters were refused when the letter was read.
    Source: RFC 2047 §2.
    """
    return [
        Finding(
            "NL454",
            f"the {name} holds `=?`",
            Where(letter.source.path),
            help="type it anew; mail programs would read something else",
        )
        for letter in letters.values()
        for name, words in (("subject", letter.subject), ("preheader", letter.preheader))
        if "=?" in words
    ]


class _Maker:
    """Makes one edition after the other; collects pictures and findings on the way."""

    def __init__(self, settings: Settings, issue: Issue, catalogue: Catalogue) -> None:
        self.settings = settings
        self.issue = issue
        self.catalogue = catalogue
        self.rasters: dict[str, Raster] = {}
        self.findings: list[Finding] = []
        for article in _shown(issue):
            drawn = catalogue.pictures.get(article.picture.path) if article.picture else None
            if drawn is not None:
                self.rasters[drawn.path] = raster(drawn)

    def edition(self, selection: Selection) -> tuple[View, Edition]:
        letter = selection.letter
        read = prose.parse(
            letter.body,
            source=letter.source,
            language=letter.language,
            emergency=emergency.number(str(self.settings.publication.time_zone)),
        )
        links = self.links(selection.language)
        frame = Frame(links.resolve, self.picture(letter), self.label(selection.language))
        made = view(
            self.settings, self.issue, selection, read.root, links, self.rasters, self.minutes
        )
        try:
            edition = layout.edition(made, self.settings.site_url, frame, self.settings.root)
        except layout.LayoutBroken as error:
            raise CouldNotRun(
                Finding(
                    "NL455",
                    f"the mail's layout is broken: {error}",
                    Where("templates/mail/letter.mjml.j2"),
                    help="correct the template, or take it away to use the one that ships",
                )
            ) from error
        self.findings += [
            Finding(
                "NL456",
                f"the letter links to `{target}`, which is nowhere",
                prose.locate(letter.body, letter.source, target, target.partition(":")[2]),
                help="correct the link",
            )
            for target in dict.fromkeys(links.broken)
        ]
        return made, edition

    def links(self, language: str) -> Links:
        languages = self.settings.publication.languages
        catalogue = self.catalogue
        site, forms = self.settings.site_url, self.settings.public_url
        return Links(site, forms, language, languages, catalogue.find, catalogue.page)

    def minutes(self, article: Article) -> int:
        return self.catalogue.reading(article).minutes

    def label(self, tag: str) -> Callable[[str], str]:
        language = Language(tag, "mail")
        return lambda kind: care_label(kind, language)

    def picture(self, letter: Letter) -> Callable[[str], MailPicture]:
        """Pictures that the letter itself shows."""

        def made(name: str) -> MailPicture:
            drawn, problems = content_pictures.read(self.settings.root, name)
            where = prose.locate(letter.body, letter.source, name)
            self.findings += [
                Finding(each.code, each.what, where, each.label, each.help, each.level)
                for each in problems
            ]
            if drawn is None:
                return MailPicture("", 1, 1)
            done = self.rasters.setdefault(name, raster(drawn))
            url = self.settings.site_url + path(str(self.issue.period), done.name)
            return MailPicture(url, done.width, done.height)

        return made

    def shown(self, editions: tuple[Edition, ...]) -> tuple[Raster, ...]:
        """The pictures that an edition really shows, by name."""
        made: dict[str, Raster] = {each.name: each for each in self.rasters.values()}
        return tuple(
            made[name]
            for name in sorted(made)
            if any(name in edition.html or name in edition.body for edition in editions)
        )


def _manifest(
    issue: Issue, catalogue: Catalogue, editions: tuple[Edition, ...], pictures: tuple[Raster, ...]
) -> Manifest:
    sources: dict[str, dict[str, str]] = {}
    for article in (*catalogue.articles, *catalogue.withdrawn):
        sources.setdefault(article.id, {})[article.language] = article.source.digest
    changes = {
        (change.article.id, change.since): None
        for selection in issue.selections
        for change in selection.changes
    }
    return Manifest(
        period=issue.period,
        number=issue.number,
        as_of=issue.as_of,
        editions=tuple(map(frozen_edition, editions)),
        pictures=tuple((each.name, hashlib.sha256(each.data).hexdigest()) for each in pictures),
        articles=tuple(FrozenArticle(id_, _pairs(sources[id_])) for id_ in issue.articles),
        changes=tuple(
            FrozenChange(id_, str(since), _pairs(sources[id_])) for id_, since in sorted(changes)
        ),
        news=_news(issue),
    )


def _pairs(sources: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(sources.items()))


def frozen_edition(edition: Edition) -> FrozenEdition:
    return FrozenEdition(
        edition.language,
        edition.subject,
        edition.preheader,
        sha256(edition.html),
        sha256(edition.text),
        sha256(edition.body),
    )


def _news(issue: Issue) -> tuple[FrozenNews, ...]:
    found = {
        pick.id: FrozenNews(pick.id, identity.keys(pick.url, pick.title))
        for selection in issue.selections
        for pick in selection.news
    }
    return tuple(found.values())
