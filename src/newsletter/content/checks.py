"""What can only be seen with every text at hand: addresses, links, topics, pictures, translations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from newsletter.content import links, urls
from newsletter.content import pictures as picture_files
from newsletter.content.model import Article, Letter, Page, Source
from newsletter.content.pictures import Drawn
from newsletter.content.prose import locate
from newsletter.content.texts import Gathered
from newsletter.content.topics import Topics
from newsletter.errors import Finding, Level, Where, did_you_mean

_TAKEN = {
    "articles",
    "issues",
    "topics",
    "assets",
    "search",
    "pagefind",
    "authors",
    "leave",
    "confirm",
    "preferences",
    "data",
    "challenge",
    "forms",
}
"""First parts of addresses that the site and the forms use themselves."""

_OURS = (_TAKEN - {"articles", "topics", "authors"}) | {"subscribe"}
"""First parts below which nobody's old address can be. An article may have moved within articles/."""

_FILES = {*urls.FEEDS.values(), "robots.txt", "sitemap.xml", "404.html"}
"""Last parts of addresses that machines ask for by name."""


def everything(
    root: Path, gathered: Gathered, languages: tuple[str, ...], topics: Topics
) -> list[Finding]:
    """Every finding between texts; those of a draft are warnings."""
    findings = [
        *_addresses(root, gathered, languages, topics),
        *_unknown_topics(root, gathered, topics),
        *_broken_links(gathered, languages, topics),
        *_translations(root, gathered, languages),
    ]
    drafts = {article.source.path for article in gathered.articles if article.draft}
    return [
        replace(finding, level=Level.WARNING)
        if finding.where and finding.where.path in drafts
        else finding
        for finding in findings
    ]


def _texts(gathered: Gathered) -> list[Article | Page | Letter]:
    return [*gathered.articles, *gathered.pages, *gathered.letters]


def _addresses(
    root: Path, gathered: Gathered, languages: tuple[str, ...], topics: Topics
) -> Iterator[Finding]:
    """Two texts may not have one address, nor a page an address of ours."""
    owners: dict[str, str] = {}
    texts: list[Article | Page] = [*gathered.articles, *gathered.pages]
    for text in sorted(texts, key=lambda one: one.source.path):
        if not text.slug:
            continue
        path = (
            urls.article_path(text, languages)
            if isinstance(text, Article)
            else urls.page_path(text, languages)
        )
        if isinstance(text, Page) and (text.slug in _TAKEN or text.slug in languages):
            yield Finding(
                "NL210",
                f"{path} is an address the site uses itself",
                _in_front(root, text.source, "slug:"),
                help="give the page another `slug`",
            )
        if path in owners:
            yield Finding(
                "NL210",
                f"two texts have the address {path}",
                _in_front(root, text.source, "slug:"),
                "",
                f"the other is {owners[path]}; give one of them another `slug`",
            )
        owners.setdefault(path, text.source.path)
    aliases: dict[str, str] = {}
    for article in gathered.articles:
        for alias in article.aliases:
            other = owners.get(alias.removesuffix("index.html")) or aliases.get(alias)
            if _is_ours(alias, languages, topics):
                yield Finding(
                    "NL210",
                    f"the alias {alias} is an address the site uses itself",
                    _in_front(root, article.source, alias.rstrip("/") or "aliases:"),
                    help="take the alias out: what stands there must stay reachable",
                )
            elif other:
                yield Finding(
                    "NL210",
                    f"the alias {alias} is the address of {other}",
                    _in_front(root, article.source, alias.rstrip("/")),
                    help="take the alias out, or change the other's `slug`",
                )
            aliases.setdefault(alias, article.source.path)


def _is_ours(alias: str, languages: tuple[str, ...], topics: Topics) -> bool:
    """Whether a page at `alias` would stand before one of the site's own, or before a form."""
    parts = [part for part in alias.removesuffix("index.html").split("/") if part]
    if parts and parts[0] in languages[1:]:
        del parts[0]
    if len(parts) < 2 and (not parts or parts[0] in _TAKEN):
        return True
    if parts[0] == "topics" and parts[1] in topics:
        return True
    return parts[0] in _OURS or parts[-1] in _FILES


def _unknown_topics(root: Path, gathered: Gathered, topics: Topics) -> Iterator[Finding]:
    if not topics:
        return
    for article in gathered.articles:
        for topic in article.topics:
            if topic not in topics:
                yield Finding(
                    "NL215",
                    f"there is no topic `{topic}`",
                    _in_front(root, article.source, topic, after="topics:"),
                    "not in content/topics.toml",
                    did_you_mean(topic, topics) or "add it to content/topics.toml",
                )


def pictures(root: Path, gathered: Gathered) -> tuple[dict[str, Drawn], list[Finding]]:
    """Every picture that a text shows, read once; a missing one is told at the line that shows it."""
    drawn: dict[str, Drawn] = {}
    failed: dict[str, list[Finding]] = {}
    findings: list[Finding] = []

    def read(path: str, at: Callable[[], Where], level: Level) -> None:
        if path not in drawn and path not in failed:
            picture, problems = picture_files.read(root, path)
            if picture is None:
                failed[path] = problems
            else:
                drawn[path] = picture
                findings.extend(problems)
        findings.extend(
            replace(problem, where=problem.where or at(), level=level)
            for problem in failed.get(path, ())
        )

    for article in gathered.articles:
        level = Level.WARNING if article.draft else Level.ERROR
        if article.picture and article.picture.path:
            name = article.picture.path
            read(name, partial(_in_front, root, article.source, name), level)
    for text in _texts(gathered):
        level = Level.WARNING if isinstance(text, Article) and text.draft else Level.ERROR
        for shown in gathered.readings[text.source.path].pictures:
            read(shown.path, partial(locate, text.body, text.source, shown.path), level)
    return drawn, findings


def _in_front(root: Path, source: Source, needle: str, after: str = "") -> Where:
    """The place of `needle` in the file, from the first line that begins with `after`; else its first line."""
    try:
        lines = (root / source.path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    begun = not after
    for number, line in enumerate(lines, 1):
        begun = begun or line.startswith(after)
        if begun and needle in line:
            return Where(source.path, number, line.index(needle) + 1, len(needle), line)
    return Where(source.path, 1)


def _broken_links(
    gathered: Gathered, languages: tuple[str, ...], topics: Topics
) -> Iterator[Finding]:
    """A link to a text, a path or an anchor that is not there."""
    places = _Places(gathered, languages, topics)
    for text in _texts(gathered):
        for link in gathered.readings[text.source.path].links:
            problem = places.problem(link.target, text)
            if problem:
                what, advice = problem
                where = locate(text.body, text.source, f"({link.written}", link.written)
                yield Finding("NL224", what, where, "leads nowhere", advice)


class _Places:
    """Every place a link may lead to."""

    def __init__(self, gathered: Gathered, languages: tuple[str, ...], topics: Topics) -> None:
        self.languages = languages
        self.topics = topics
        self.readings = gathered.readings
        self.unread = gathered.unread
        self.texts = {("article", one.id, one.language): one for one in gathered.articles} | {
            ("page", one.id, one.language): one for one in gathered.pages
        }
        self.ids: dict[str, set[str]] = defaultdict(set)
        self.paths: dict[str, Article | Page | None] = {}
        for (kind, id_, _), one in self.texts.items():
            self.ids[kind].add(id_)
            if not one.slug:
                continue
            self.paths[
                urls.article_path(one, languages)
                if isinstance(one, Article)
                else urls.page_path(one, languages)
            ] = one
        # While a text's address is not known, no path can be called a dead end.
        self.complete = not self.unread and all(one.slug for one in self.texts.values())
        for tag in languages:
            for place in (
                urls.home_path,
                urls.articles_path,
                urls.topics_path,
                urls.archive_path,
                urls.subscribe_path,
                urls.feed_path,
            ):
                self.paths.setdefault(place(tag, languages), None)

    def problem(self, target: str, at: Article | Page | Letter) -> tuple[str, str] | None:
        """(what, what to do) when `target`, written in `at`, leads nowhere."""
        if target.startswith("#"):
            return self._anchor(target[1:], at, at)
        kind, name, language, anchor = links.split(target)
        match kind:
            case "article" | "page":
                other = self.texts.get((kind, name, language or at.language)) or next(
                    (
                        self.texts[kind, name, tag]
                        for tag in self.languages
                        if language is None and (kind, name, tag) in self.texts
                    ),
                    None,
                )
                if other is None and self._is_unread(kind, name, language):
                    return None
                if other is None:
                    return f"there is no {kind} `{name}`" + (
                        f" in {language}" if language else ""
                    ), did_you_mean(name, self.ids[kind]) or f"look into content/{kind}s/"
                return self._anchor(anchor, other, at)
            case "topic":
                known = name in self.topics or not self.topics
                return (
                    None
                    if known
                    else (
                        f"there is no topic `{name}`",
                        did_you_mean(name, self.topics) or "topics stand in content/topics.toml",
                    )
                )
            case "path":
                return self._path(name, anchor, at)
            case _:
                return None

    def _is_unread(self, kind: str, name: str, language: str | None) -> bool:
        tags = (language,) if language else self.languages
        return any((f"{kind}s", name, tag) in self.unread for tag in tags)

    def _path(self, name: str, anchor: str, at: Article | Page | Letter) -> tuple[str, str] | None:
        if name.startswith(("/issues/", "/topics/", "/assets/")) or (
            name.split("/")[1:2] and name.split("/")[1] in self.languages and "/issues/" in name
        ):
            return None
        path = name if name.endswith("/") or "." in name.rpartition("/")[2] else f"{name}/"
        if path not in self.paths and not self.complete:
            return None
        if path not in self.paths:
            return f"this site has no page {name}", did_you_mean(
                path, self.paths
            ) or "link to the file instead, such as ../pages/about.en.md: it survives a new address"
        other = self.paths[path]
        return self._anchor(anchor, other, at) if other else None

    def _anchor(
        self, anchor: str, other: Article | Page | Letter, at: Article | Page | Letter
    ) -> tuple[str, str] | None:
        anchors = self.readings[other.source.path].anchors
        if not anchor or anchor in anchors:
            return None
        place = "this text" if other is at else other.source.path
        return f"{place} has no heading with the anchor #{anchor}", did_you_mean(
            anchor, anchors
        ) or "fix it with {#" + anchor + "} behind the heading you mean"


def _translations(root: Path, gathered: Gathered, languages: tuple[str, ...]) -> Iterator[Finding]:
    """Of the languages of one id, one is the original."""
    versions: dict[str, list[Article]] = defaultdict(list)
    for article in gathered.articles:
        versions[article.id].append(article)
    torn = {id_ for kind, id_, _ in gathered.unread if kind == "articles"}
    for id_, articles in versions.items():
        if id_ in torn:
            continue  # the one that cannot be read may be the original
        if len(articles) > 1 and all(article.translation_of for article in articles):
            first = min(articles, key=lambda one: languages.index(one.language))
            yield Finding(
                "NL231",
                f"every language of `{id_}` says it is a translation",
                _in_front(root, first.source, "translation_of:"),
                "",
                "one of them is the original: take `translation_of` out of it",
            )
            continue
        digests = {article.source.digest for article in articles}
        for article in articles:
            if article.translation_of and article.translation_of not in digests:
                yield Finding(
                    "NL234",
                    f"the original of {article.source.path} has changed since it was translated",
                    _in_front(root, article.source, article.translation_of),
                    "no version of today has this digest",
                    "compare the two, then write the original's new SHA-256 here",
                    Level.WARNING,
                )


def unpublished_links(gathered: Gathered, there: tuple[Article, ...]) -> Iterator[Finding]:
    """Links of published texts to articles that are not there yet, or no more."""
    published = {(article.id, article.language) for article in there}
    ids = {article.id for article in there}
    texts: list[Article | Page] = [*there, *gathered.pages]
    for text in texts:
        for link in gathered.readings[text.source.path].links:
            kind, name, language, _ = links.split(link.target)
            if kind != "article" or (
                name in ids if language is None else (name, language) in published
            ):
                continue
            yield Finding(
                "NL235",
                f"the article `{name}` is not published now",
                locate(text.body, text.source, f"({link.written}", link.written),
                "its words stay, without a link",
                "nothing to do if it appears soon",
                Level.WARNING,
            )
