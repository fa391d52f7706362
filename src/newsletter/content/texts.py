"""Every text of content/: found, taken from the shelf or parsed, in as many processes as it pays."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.config import Settings
from newsletter.content import remember, source
from newsletter.content.fields import SLUG
from newsletter.content.given import Given
from newsletter.content.model import Article, Letter, Page
from newsletter.content.reading import Job, Parsed, Reading, parse
from newsletter.content.shelf import Shelf
from newsletter.errors import Finding, Level, Where, did_you_mean

Progress = Callable[[int, int, str], None]
FOLDERS = ("articles", "pages")
ENOUGH = 64
"""Texts. Below, one process is done before a second has begun."""
_NAME = re.compile(r"(?P<id>[^.]+)\.(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*)\.md")


@dataclass(frozen=True, slots=True)
class Gathered:
    """Every text that could be read, articles newest first, and every finding.

    A text whose front matter has an error is among them, with what could be
    read of it. `unread`: (folder, id, language) of those that are there and
    could not be read at all. `letters` are looked at beside them, where asked for.
    """

    articles: tuple[Article, ...]
    pages: tuple[Page, ...]
    readings: dict[str, Reading]
    findings: tuple[Finding, ...]
    unread: frozenset[tuple[str, str, str]] = frozenset()
    letters: tuple[Letter, ...] = ()


def named(root: Path, kind: str) -> set[tuple[str, str]]:
    """(id, language) of each file of `kind` ("articles", "pages"), by its name; whether it can be read is not asked."""
    found = [_NAME.fullmatch(file) for file in _names(root / "content" / kind, root, [])]
    return {(name["id"], name["language"]) for name in found if name}


def gather(
    settings: Settings,
    *,
    shelf: Shelf | None = None,
    given: dict[str, Given] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Gathered:
    """Read and parse content/articles and content/pages; files that were read already are taken out of `given`."""
    given = {} if given is None else given
    findings: list[Finding] = []
    work: list[Job] = []
    unread: set[tuple[str, str, str]] = set()
    for kind in FOLDERS:
        for name in _names(settings.root / "content" / kind, settings.root, findings):
            job = _job(name, kind, settings, given, findings)
            if isinstance(job, Job):
                work.append(job)
            elif job is not None:
                unread.add(job)
    articles: list[Article] = []
    pages: list[Page] = []
    readings: dict[str, Reading] = {}
    for job, parsed in zip(work, _parsed(work, shelf, jobs, progress), strict=True):
        findings += parsed.findings
        if parsed.text is None or parsed.reading is None:
            unread.add((job.kind, job.id, job.language))
            continue
        readings[job.path] = parsed.reading
        if isinstance(parsed.text, Article):
            articles.append(parsed.text)
        else:
            pages.append(parsed.text)
    articles.sort(key=lambda one: (one.published, one.id, one.language), reverse=True)
    return Gathered(tuple(articles), tuple(pages), readings, tuple(findings), frozenset(unread))


def _parsed(
    work: list[Job], shelf: Shelf | None, jobs: int, progress: Progress | None
) -> list[Parsed]:
    """Each job's result, in order: remembered, or made now. The bytes of what was made are let go."""
    results: list[Parsed | None] = [None] * len(work)
    if shelf is not None:
        results = [remember.recall(job, shelf) for job in work]
    missing = [number for number, result in enumerate(results) if result is None]
    made = _made([work[number] for number in missing], jobs)
    for count, (number, (card, fragment)) in enumerate(zip(missing, made, strict=True), 1):
        results[number] = remember.keep(work[number], card, fragment, shelf)
        work[number] = replace(work[number], data=b"")
        if progress is not None:
            progress(count, len(missing), "reading")
    return [result for result in results if result is not None]


def _work(job: Job) -> tuple[bytes, bytes]:
    return remember.packed(parse(job))


def _made(work: list[Job], jobs: int) -> Iterator[tuple[bytes, bytes]]:
    """(card, fragment) of each job; in `jobs` processes where that is quicker. `work` is used up."""
    if jobs < 2 or len(work) < ENOUGH:
        work.reverse()
        while work:
            yield _work(work.pop())
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    alone = threading.active_count() == 1 and hasattr(os, "fork")
    context = multiprocessing.get_context("fork" if alone else "spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        made = pool.map(_work, work, chunksize=max(1, min(32, len(work) // (jobs * 4))))
        work.clear()
        yield from made


def _names(folder: Path, root: Path, findings: list[Finding]) -> Iterator[str]:
    """Names of the Markdown files of a folder, in order; what is something else is told."""
    name = folder.relative_to(root).as_posix()
    if not folder.is_dir():
        if os.path.lexists(folder):  # a file, or a link that leads nowhere
            findings.append(
                Finding("NL200", f"{name} is not a folder", Where(name), help="make it one")
            )
        return
    if source.leads_out(root, folder):
        findings.append(source.out_of_content(name))
        return
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        if name.startswith(".") or name.endswith("~"):
            continue
        if name.endswith(".md"):
            yield name
            continue
        where = Where((folder / name).relative_to(root).as_posix())
        findings.append(
            Finding(
                "NL211",
                f"{where.path} is not a text",
                where,
                help="only files ID.LANG.md lie here; pictures belong into content/images/",
                level=Level.WARNING,
            )
        )


def _job(
    file: str,
    kind: str,
    settings: Settings,
    given: dict[str, Given],
    findings: list[Finding],
) -> Job | tuple[str, str, str] | None:
    """What is to be parsed; (folder, id, language) of a file that cannot be read, None for a name that says nothing."""
    path = f"content/{kind}/{file}"
    name = _NAME.fullmatch(file)
    languages = settings.publication.languages
    if name is None or not SLUG.fullmatch(name["id"]):
        findings.append(
            Finding(
                "NL211",
                f"the file name {file} does not say what it is",
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
    known = given.pop(f"{settings.root}/{path}", None)
    if known is None or len(known.data) > source.MAX_FILE:
        data = source.read_bytes(settings.root, settings.root / path, folder_is_inside=True)
        if isinstance(data, Finding):
            findings.append(data)
            return kind, name["id"], name["language"]
        known = Given(data, hashlib.sha256(data).digest())
    return Job(
        path,
        kind,
        name["id"],
        name["language"],
        known.data,
        known.digest,
        str(settings.publication.time_zone),
        settings.publication.subject == "health",
    )
