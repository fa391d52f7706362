"""Draft an issue to look at, and say where it stands. Nothing is approved here.

    files ─► compose ─► checks ─► a scratch folder with every edition to open

The folder is below .cache/, outside git: a preview is not a fact.
"""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

from newsletter import files
from newsletter.checks.issue import gates
from newsletter.config import Settings
from newsletter.content import letters
from newsletter.errors import Finding, Findings, NewsletterError
from newsletter.flows import signing
from newsletter.flows.kept import composed
from newsletter.flows.look import scratch
from newsletter.issue import frozen
from newsletter.issue.compose import Draft
from newsletter.issue.frozen import SUFFIXES
from newsletter.issue.manifest import NAME, Approval
from newsletter.issue.period import Period, due
from newsletter.issue.pictures import path


@dataclass(frozen=True, slots=True)
class EditionFacts:
    """What an editor wants to know of one edition. `html_bytes` is what counts against the limit."""

    language: str
    subject: str
    preheader: str
    html_bytes: int
    text_bytes: int
    stories: int
    untranslated: int
    news: int


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft, where its preview lies, and what the checks say (warnings and what would stop approval)."""

    draft: Draft
    folder: Path
    editions: tuple[EditionFacts, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the issue of a period stands.

    `letters` lists the languages that have one, `missing` those that have not.
    `manifest` is the approval's SHA-256, None while nobody approved; `holds`
    whether every byte of it is as it was; `changed` whether the sources would
    now give other bytes. `problem` is what keeps it from being drafted.
    """

    period: Period
    due: dt.datetime
    letters: tuple[str, ...]
    missing: tuple[str, ...]
    previewed: bool
    approvals: tuple[Approval, ...]
    needed: int
    manifest: str | None
    holds: bool
    changed: bool
    editions: tuple[EditionFacts, ...]
    findings: tuple[Finding, ...]


def draft(settings: Settings, period: Period, now: dt.datetime) -> Drafted:
    """Compose the issue and write its preview.

    `now` is for what the checks call overdue; the bytes do not depend on it.

    Raises:
        Findings: what the editor must correct first; the last preview stays.
    """
    made = composed(settings, period)
    folder = scratch(settings, period)
    _write(settings, made, folder)
    return Drafted(made, folder, facts(made), (*made.findings, *gates(settings, made, now)))


def show(settings: Settings, period: Period, now: dt.datetime) -> Standing:
    """Where the issue of `period` stands; what is wrong is told, not raised."""
    places = {
        tag: settings.path(letters.path(str(period), tag)).is_file()
        for tag in settings.publication.languages
    }
    findings: list[Finding] = []
    made: Draft | None = None
    try:
        made = composed(settings, period)
        findings += [*made.findings, *gates(settings, made, now)]
    except NewsletterError as error:
        findings += getattr(error, "findings", ())
    approvals: tuple[Approval, ...] = ()
    manifest, holds, changed = None, False, False
    if period in frozen.periods(settings):
        try:
            read = frozen.manifest(settings, period)
            approvals = read.approvals
            changed = made is not None and made.manifest.digest != read.digest
            manifest = signing.load(settings, period).manifest
            holds = True
        except Findings as error:
            findings += error.findings
    return Standing(
        period=period,
        due=due(settings, period),
        letters=tuple(tag for tag, there in places.items() if there),
        missing=tuple(tag for tag, there in places.items() if not there),
        previewed=(scratch(settings, period) / NAME).is_file(),
        approvals=approvals,
        needed=settings.month.approvals,
        manifest=manifest,
        holds=holds,
        changed=changed,
        editions=facts(made) if made else (),
        findings=tuple(findings),
    )


def facts(made: Draft) -> tuple[EditionFacts, ...]:
    return tuple(
        EditionFacts(
            language=edition.language,
            subject=edition.subject,
            preheader=edition.preheader,
            html_bytes=len(edition.html.encode()),
            text_bytes=len(edition.text.encode()),
            stories=len(selection.stories),
            untranslated=len(selection.elsewhere),
            news=len(selection.news),
        )
        for edition, selection in zip(made.editions, made.issue.selections, strict=True)
    )


def _write(settings: Settings, made: Draft, folder: Path) -> None:
    """The preview, in place of the last one; its pictures are looked for beside it, not on the site."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "pictures").mkdir(parents=True)
    served = settings.site_url + path(str(made.issue.period), "")
    for edition in made.editions:
        for part, suffix in SUFFIXES.items():
            words = getattr(edition, part).replace(served, "pictures/")
            files.write_atomic(
                fresh / f"{edition.language}{suffix}", words.encode("utf-8"), durable=False
            )
    for picture in made.pictures:
        files.write_atomic(fresh / "pictures" / picture.name, picture.data, durable=False)
    files.write_atomic(fresh / NAME, made.manifest.text().encode("utf-8"), durable=False)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)
