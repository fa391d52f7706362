"""Frozen letters as the site shows them: read through `issue.frozen`, listed once they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from newsletter.config import Settings
from newsletter.content import urls
from newsletter.errors import Finding, Findings, Level
from newsletter.issue import frozen
from newsletter.issue.edition import Edition


@dataclass(frozen=True, slots=True)
class Sent:
    """One approved issue. `listed`: its public record exists, so it was sent."""

    period: str
    number: int
    editions: Mapping[str, Edition]
    listed: bool


@dataclass(frozen=True, slots=True)
class Letters:
    """Approved issues, newest first; `pictures` are files of the site that their mails point at.

    `warnings` tell of an issue that is not sent and whose approval does not hold.
    """

    sent: tuple[Sent, ...]
    pictures: Mapping[str, bytes]
    warnings: tuple[Finding, ...]


def load(settings: Settings) -> Letters:
    """Every approved issue.

    Raises:
        Findings: a byte of an issue that was sent has changed.
    """
    found: list[Sent] = []
    errors: list[Finding] = []
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
        editions = {edition.language: edition for edition in issue.editions}
        found.append(Sent(str(period), issue.number, editions, listed))
    if errors:
        raise Findings(errors)
    try:
        pictures = {urls.file_of(path): data for path, data in frozen.pictures(settings).items()}
    except Findings:
        if not warnings:
            raise
        pictures = {}
    return Letters(tuple(found), pictures, tuple(warnings))
