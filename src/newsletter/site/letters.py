"""Frozen letters as the site shows them: read through `issue.frozen`, listed once they are sent.

Beside each letter's page stand the files that were approved, as they are: the
mail in both its forms and the manifest. Whoever takes them can hold them
against each other with `sha256sum` alone.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.config import Settings
from newsletter.content import corrections, prose, urls
from newsletter.content.corrections import Correction
from newsletter.errors import Finding, Findings, Level, Where
from newsletter.files import read_file
from newsletter.issue import frozen
from newsletter.issue.edition import ApprovedIssue, Edition
from newsletter.issue.period import parse
from newsletter.site.places import Linker

MANIFEST = "edition.toml"


@dataclass(frozen=True, slots=True)
class Sent:
    """One approved issue. `listed`: its public record exists, so it was sent.

    `manifest` is the approval's SHA-256, hex; `sent_at` when it was opened,
    aware, None before; `corrections` by language, only of what was sent.
    """

    period: str
    number: int
    editions: Mapping[str, Edition]
    listed: bool
    manifest: str
    approved_by: tuple[str, ...]
    sent_at: dt.datetime | None
    corrections: Mapping[str, Correction]


@dataclass(frozen=True, slots=True)
class Letters:
    """Approved issues, newest first; `pictures` are files of the site that their mails point at,
    and the frozen files that readers may take.

    `warnings` tell of an issue that is not sent and whose approval does not hold.
    """

    sent: tuple[Sent, ...]
    pictures: Mapping[str, bytes]
    warnings: tuple[Finding, ...]


def load(settings: Settings) -> Letters:
    """Every approved issue.

    Raises:
        Findings: a byte of an issue that was sent has changed, or (NL309) its
            frozen files are gone.
    """
    found: list[Sent] = []
    errors: list[Finding] = _vanished(settings)
    warnings: list[Finding] = []
    for period in reversed(frozen.periods(settings)):
        listed = (settings.path(settings.store.record) / f"{period}.json").is_file()
        try:
            issue = frozen.load(settings, period)
        except Findings as problem:
            if listed:
                errors += problem.findings
            else:
                warnings += (replace(each, level=Level.WARNING) for each in problem.findings)
            continue
        noted, problems = _corrections(settings, issue, listed)
        errors += [each for each in problems if each.level is Level.ERROR]
        warnings += [each for each in problems if each.level is not Level.ERROR]
        found.append(
            Sent(
                period=str(period),
                number=issue.number,
                editions={edition.language: edition for edition in issue.editions},
                listed=listed,
                manifest=issue.manifest,
                approved_by=issue.approved_by,
                sent_at=_sent_at(settings, str(period)),
                corrections=noted,
            )
        )
    warnings += _too_early(settings)
    if errors:
        raise Findings(errors)
    try:
        pictures = {urls.file_of(path): data for path, data in frozen.pictures(settings).items()}
    except Findings:
        if not warnings:
            raise
        pictures = {}
    return Letters(tuple(found), pictures | _offered(settings, found), tuple(warnings))


def _vanished(settings: Settings) -> list[Finding]:
    """NL309 for each issue that was sent, as its record says, and has no manifest any more."""
    folder = settings.path(settings.store.record)
    there = {str(period) for period in frozen.periods(settings)}
    sent = {file.stem: file for file in folder.glob("*.json") if parse(file.stem)}
    findings = []
    for period in sorted(set(sent) - there):
        pages = [
            urls.issue_path(period, language, settings.publication.languages)
            for language in _sent_in(sent[period], settings.publication.languages)
        ]
        place = f"content/issues/{period}"
        findings.append(
            Finding(
                "NL309",
                f"{period} was sent, and its frozen files are gone: {' and '.join(pages)} would vanish",
                Where(f"{place}/{MANIFEST}"),
                help=f"bring {place}/ back as it was sent, from version control or a backup; every mail links there",
            )
        )
    return findings


def _sent_in(record: Path, languages: tuple[str, ...]) -> list[str]:
    """The languages that a record names; the publication's first when it names none of them."""
    try:
        row = json.loads(read_file(record))
    except (OSError, ValueError):
        row = {}
    named = row.get("editions") if isinstance(row, dict) else None
    spoken = [tag for tag in languages if isinstance(named, dict) and tag in named]
    return spoken or [languages[0]]


def mail_name(language: str, ending: str) -> str:
    """A mail's name beside its page; `ending` is "html" or "txt"."""
    return f"mail.{language}.{ending}"


def broken_links(letters: Letters, linker: Linker) -> list[Finding]:
    """NL224 for each link of a correction that leads to no text of the publication."""
    return [
        Finding(
            "NL224",
            f"the correction links to {link.written}, and nothing is there",
            prose.locate(each.body, each.source, link.written),
            help="correct the link, or take it out",
        )
        for sent in letters.sent
        for each in sent.corrections.values()
        for link in each.reading.links
        if not link.target.startswith("#") and not linker.href(link.target, each.language)
    ]


def _sent_at(settings: Settings, period: str) -> dt.datetime | None:
    """When the issue was opened, as its public record says; None before, or when the record is unreadable."""
    try:
        file = settings.path(settings.store.record) / f"{period}.json"
        moment = dt.datetime.fromisoformat(json.loads(read_file(file))["opened_at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return moment if moment.tzinfo else None


def _offered(settings: Settings, found: list[Sent]) -> dict[str, bytes]:
    """File of the site -> a frozen file's own bytes. They hold no reader's token, only the place of one."""
    files: dict[str, bytes] = {}
    for sent in found:
        offered = {MANIFEST: frozen.manifest(settings, sent.period).text()}
        for tag, edition in sent.editions.items():
            offered |= {mail_name(tag, "html"): edition.html, mail_name(tag, "txt"): edition.text}
        for name, text in offered.items():
            files[urls.file_of(urls.issue_file(sent.period, name))] = text.encode()
    return files


def _corrections(
    settings: Settings, issue: ApprovedIssue, listed: bool
) -> tuple[dict[str, Correction], list[Finding]]:
    """What was corrected of an issue, and what is wrong with the corrections."""
    try:
        noted = corrections.load(settings, issue.period)
    except Findings as problem:
        return {}, list(problem.findings)
    due = issue.as_of.astimezone(settings.publication.time_zone).date()
    findings: list[Finding] = []
    for tag, each in noted.items():
        if tag not in {edition.language for edition in issue.editions}:
            findings.append(_wrong(each.source.path, f"{issue.period} has no letter in {tag}"))
        elif not listed:
            findings.append(replace(_early(each.source.path, issue.period), level=Level.WARNING))
        elif each.day < due:
            what = f"it is dated {each.day}, before the letter itself ({due})"
            findings.append(_wrong(each.source.path, what))
    return (noted if listed else {}), findings


def _too_early(settings: Settings) -> list[Finding]:
    """Corrections of issues that are not even approved: nobody will see them."""
    files = sorted(settings.path(frozen.ISSUES).glob("*/corrections*.md"))
    return [
        replace(
            _early(file.relative_to(settings.root).as_posix(), file.parent.name),
            level=Level.WARNING,
        )
        for file in files
        if not (file.parent / "edition.toml").is_file()
    ]


def _early(name: str, period: str) -> Finding:
    return Finding(
        "NL242",
        f"{name} is not shown: {period} was not sent yet",
        Where(name),
        help="correct the letter itself; withdraw the issue first if it is approved",
    )


def _wrong(name: str, what: str) -> Finding:
    return Finding(
        "NL242",
        f"{name} corrects no letter: {what}",
        Where(name),
        help="correct its name or its date",
    )
