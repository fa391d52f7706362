"""Every text of content/, read and parsed one file at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from newsletter.config import Settings
from newsletter.content import article as article_file
from newsletter.content import page as page_file
from newsletter.content import patience, prose, source
from newsletter.content.fields import SLUG
from newsletter.content.model import Article, Page
from newsletter.content.prose import Heading, Link, Shown
from newsletter.content.shelf import Shelf
from newsletter.errors import Finding, Level, Where, did_you_mean

Progress = Callable[[int, int, str], None]
FOLDERS = ("articles", "pages")
_NAME = re.compile(r"(?P<id>[^.]+)\.(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.md")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body became, without its tree: all that a page needs to be written."""

    fragment: str
    contents: tuple[Heading, ...]
    links: tuple[Link, ...]
    pictures: tuple[Shown, ...]
    anchors: frozenset[str]
    cited: tuple[str, ...]
    words: int
    minutes: int


@dataclass(frozen=True, slots=True)
class Gathered:
    """Every text that could be read, articles newest first, and every finding."""

    articles: tuple[Article, ...]
    pages: tuple[Page, ...]
    readings: dict[str, Reading]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Job:
    """One file to parse: all that its result depends on, beside our own code."""

    path: str
    kind: str
    id: str
    language: str
    data: bytes
    zone: str
    health: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file's result; `text` is None when an error stands in its way."""

    text: Article | Page | None
    reading: Reading | None
    findings: tuple[Finding, ...]


def gather(
    settings: Settings,
    *,
    shelf: Shelf | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Gathered:
    """Read and parse content/articles and content/pages."""
    findings: list[Finding] = []
    work: list[Job] = []
    for kind in FOLDERS:
        for file in _files(settings.root / "content" / kind, settings.root, findings):
            job = _job(file, kind, settings, findings)
            if job is not None:
                work.append(job)
    articles: list[Article] = []
    pages: list[Page] = []
    readings: dict[str, Reading] = {}
    for number, job in enumerate(work, 1):
        parsed = parse(job)
        findings += parsed.findings
        if parsed.text is not None and parsed.reading is not None:
            readings[job.path] = parsed.reading
            if isinstance(parsed.text, Article):
                articles.append(parsed.text)
            else:
                pages.append(parsed.text)
        if progress is not None:
            progress(number, len(work), "reading")
    articles.sort(key=lambda one: (one.published, one.id, one.language), reverse=True)
    return Gathered(tuple(articles), tuple(pages), readings, tuple(findings))


def _files(folder: Path, root: Path, findings: list[Finding]) -> Iterator[Path]:
    """Markdown files of a folder by name; what is something else is told."""
    if not folder.is_dir():
        return
    if source.leads_out(root, folder):
        findings.append(source.out_of_content(folder.relative_to(root).as_posix()))
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        if name.startswith(".") or name.endswith("~"):
            continue
        path = folder / name
        if name.endswith(".md"):
            yield path
            continue
        where = Where(path.relative_to(root).as_posix())
        findings.append(
            Finding(
                "NL211",
                f"{where.path} is not a text",
                where,
                help="only files ID.LANG.md lie here; pictures belong into content/images/",
                level=Level.WARNING,
            )
        )


def _job(file: Path, kind: str, settings: Settings, findings: list[Finding]) -> Job | None:
    path = f"content/{kind}/{file.name}"
    name = _NAME.fullmatch(file.name)
    languages = settings.publication.languages
    if name is None or not SLUG.fullmatch(name["id"]):
        findings.append(
            Finding(
                "NL211",
                f"the file name {file.name} does not say what it is",
                Where(path),
                help=f"name it ID.LANG.md, for example what-pd-l1-means.{languages[0]}.md (small letters a-z, digits, hyphens)",
            )
        )
        return None
    if name["language"] not in languages:
        findings.append(
            Finding(
                "NL212",
                f"`{name['language']}` is not a language of this publication",
                Where(path),
                help=did_you_mean(name["language"], languages)
                or f"rename the file, or add the language to `languages` in newsletter.toml (now {', '.join(languages)})",
            )
        )
        return None
    data = source.read_bytes(settings.root, file, folder_is_inside=True)
    if isinstance(data, Finding):
        findings.append(data)
        return None
    return Job(
        path,
        kind,
        name["id"],
        name["language"],
        data,
        str(settings.publication.time_zone),
        settings.publication.subject == "health",
    )


def parse(job: Job) -> Parsed:
    """One file's bytes become its text, its reading and its findings; pure but for the clock that guards it."""
    text, findings = source.decode(job.path, job.data)
    if text is None:
        return Parsed(None, None, tuple(findings))
    made: Article | Page | None
    if job.kind == "articles":
        made, problems = article_file.read(
            text, job.id, job.language, ZoneInfo(job.zone), health=job.health
        )
    else:
        made, problems = page_file.read(text, job.id, job.language)
    findings += problems
    if made is None:
        return Parsed(None, None, tuple(findings))
    references = made.references if isinstance(made, Article) else ()
    try:
        with patience.limit(patience.SECONDS):
            read = prose.parse(
                made.body, source=made.source, references=references, language=made.language
            )
    except patience.TooLong:
        findings.append(
            Finding(
                "NL229",
                f"{job.path} took longer than {patience.SECONDS} seconds to read",
                Where(job.path, made.source.body_line),
                help="something in it makes Markdown try endlessly: take out parts until it reads, then say it more simply",
            )
        )
        return Parsed(None, None, tuple(findings))
    problems = list(read.findings)
    if isinstance(made, Article) and made.draft:
        problems = [replace(problem, level=Level.WARNING) for problem in problems]
    reading = Reading(
        read.fragment,
        read.contents,
        read.links,
        read.pictures,
        read.anchors,
        read.cited,
        read.words,
        read.minutes,
    )
    return Parsed(made, reading, (*findings, *problems))
