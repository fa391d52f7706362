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
from newsletter.content.model import Article, Letter, Page
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
    """One file's result; `text` is None when its body could not be read.

    With an error among the findings the text holds what could be read of its
    front matter: enough to look for what else is wrong, not to be published.
    """

    text: Article | Page | None
    reading: Reading | None
    findings: tuple[Finding, ...]


def parse(job: Job) -> Parsed:
    """One file's bytes become its text, its reading and its findings; pure but for the clock that guards it."""
    text, findings = source.decode(job.path, job.data)
    if text is None:
        return Parsed(None, None, tuple(findings))
    made: Article | Page
    if job.kind == "articles":
        made, problems = article_file.read(
            text, job.id, job.language, ZoneInfo(job.zone), health=job.health
        )
    else:
        made, problems = page_file.read(text, job.id, job.language)
    findings += problems
    torn = any(problem.level is Level.ERROR for problem in problems)
    reading, problems = body(made, job.zone, unread=text.front or "" if torn else "")
    findings += problems
    return Parsed(made if reading else None, reading, tuple(findings))


def body(
    text: Article | Page | Letter, zone: str, *, unread: str = ""
) -> tuple[Reading | None, list[Finding]]:
    """What the body of `text` reads as, and what is wrong with it; those of a draft are warnings.

    None when it takes too long. `zone` gives the number for emergencies,
    `unread` is a front matter that has an error (`prose.parse`).
    """
    try:
        with patience.limit(patience.SECONDS):
            read = prose.parse(
                text.body,
                source=text.source,
                references=text.references if isinstance(text, Article) else (),
                unread=unread,
                language=text.language,
                emergency=emergency.number(zone),
            )
    except patience.TooLong:
        return None, [
            Finding(
                "NL229",
                f"{text.source.path} took longer than {patience.SECONDS} seconds to read",
                Where(text.source.path, text.source.body_line),
                help="something in it makes Markdown try endlessly: take out parts until it reads, then say it more simply",
            )
        ]
    findings = list(read.findings)
    if isinstance(text, Article) and text.draft:
        findings = [replace(finding, level=Level.WARNING) for finding in findings]
    return of(read), findings
