"""Archive = mail = approval, from the files alone: anybody with the repository can check it.

approval ─► manifest, every frozen byte, every signature
         ─► HTML, text and archive say the same words and links
         ─► the built site shows exactly them
         ─► the public record names exactly them
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from newsletter.checks.archive import against_record, against_site
from newsletter.config import Settings
from newsletter.errors import Finding
from newsletter.flows import signing
from newsletter.issue.period import Period


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at. `findings` is empty when everything is one; `recorded`: the issue was opened."""

    period: Period
    manifest: str
    approved_by: tuple[str, ...]
    languages: tuple[str, ...]
    recorded: bool
    findings: tuple[Finding, ...]


def verify(settings: Settings, period: Period, public: Path) -> Verified:
    """Hold the issue of `period` against the site in `public` and against its record.

    Raises:
        Findings: NL460 to NL462, NL481: the approval itself does not hold.
    """
    issue = signing.load(settings, period)
    record = settings.path(settings.store.record) / f"{period}.json"
    findings = [*against_site(settings, issue, public), *against_record(settings, issue)]
    return Verified(
        period=period,
        manifest=issue.manifest,
        approved_by=issue.approved_by,
        languages=tuple(edition.language for edition in issue.editions),
        recorded=record.is_file(),
        findings=tuple(findings),
    )
