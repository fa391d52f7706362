"""One file's bytes become its text, what its body reads as, and what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from zoneinfo import ZoneInfo

from newsletter.content import article as article_file
from newsletter.content import emergency, patience, prose, source
from newsletter.content import page as page_file
from newsletter.content.model import Article, Page
from newsletter.content.prose import Heading, Link, Prose, Shown
from newsletter.errors import Finding, Level, Where


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body became, without its tree: all that a page needs to be written.

    `digest` is that of the fragment (BLAKE2b-128, hex); `made` fetches the
    fragment itself, from memory or from the shelf.
    """

    digest: str
    contents: tuple[Heading, ...]
    links: tuple[Link, ...]
    pictures: tuple[Shown, ...]
    anchors: frozenset[str]
    cited: tuple[str, ...]
    words: int
    minutes: int
    made: Callable[[], str] = field(repr=False, compare=False)

    @property
    def fragment(self) -> str:
        """The body as HTML with slots (`content.serial`)."""
        return self.made()


def of(read: Prose) -> Reading:
    """What a page needs of `read`, without its tree."""
    return Reading(
        hashlib.blake2b(read.fragment.encode(), digest_size=16).hexdigest(),
        read.contents,
        read.links,
        read.pictures,
        read.anchors,
        read.cited,
        read.words,
        read.minutes,
        partial(str, read.fragment),
    )


@dataclass(frozen=True, slots=True)
class Job:
    """One file to parse: all that its result depends on, beside our own code. `digest`: of `data`, SHA-256."""

    path: str
    kind: str
    id: str
    language: str
    data: bytes
    digest: bytes
    zone: str
    health: bool


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file's result; `text` is None when an error stands in its way."""

    text: Article | Page | None
    reading: Reading | None
    findings: tuple[Finding, ...]


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
                made.body,
                source=made.source,
                references=references,
                language=made.language,
                emergency=emergency.number(job.zone),
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
    reading = of(read)
    return Parsed(made, reading, (*findings, *problems))
