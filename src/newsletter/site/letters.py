"""Frozen letters as the site shows them: read through `issue.freeze`, listed once they are sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter.config import Settings
from newsletter.errors import Finding, Findings
from newsletter.issue import freeze
from newsletter.issue.edition import Edition

_PERIOD = re.compile(r"\d{4}-\d{2}")


@dataclass(frozen=True, slots=True)
class Sent:
    """One approved issue. `listed`: its public record exists, so it was sent.

    `files` are the pictures frozen with it: path on the site -> file.
    """

    period: str
    number: int
    editions: Mapping[str, Edition]
    listed: bool
    files: Mapping[str, Path]


def load(settings: Settings) -> tuple[Sent, ...]:
    """Every approved issue, newest first.

    Raises:
        Findings: an approved byte has changed.
    """
    folder = settings.root / "content" / "issues"
    periods = sorted((path.parent.name for path in folder.glob("*/edition.toml")), reverse=True)
    found: list[Sent] = []
    findings: list[Finding] = []
    for period in periods:
        if not _PERIOD.fullmatch(period):
            continue
        try:
            issue = freeze.load(settings, period)
        except Findings as problem:
            findings += problem.findings
            continue
        record = settings.path(settings.store.record) / f"{period}.json"
        editions = {edition.language: edition for edition in issue.editions}
        found.append(
            Sent(
                period, issue.number, editions, record.is_file(), _pictures(folder / period, period)
            )
        )
    if findings:
        raise Findings(findings)
    return tuple(found)


def _pictures(folder: Path, period: str) -> dict[str, Path]:
    """Pictures that lie beside the frozen mail; a sent mail points at them for ever."""
    kinds = {".png", ".jpg", ".jpeg", ".gif"}
    return {
        f"issues/{period}/{file.relative_to(folder).as_posix()}": file
        for file in sorted(folder.rglob("*"))
        if file.suffix.lower() in kinds and file.is_file()
    }
