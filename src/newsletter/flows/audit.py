"""The promise, checked from the files, and from the database where there is one. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from newsletter.checks import promise
from newsletter.checks.promise import Told
from newsletter.config import Settings
from newsletter.delivery import law
from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.issue import chain
from newsletter.store import Store


@dataclass(frozen=True, slots=True)
class Audited:
    """`copies`: period -> how often the reader served most was served; None where no database was asked."""

    told: Told
    copies: dict[str, int] | None
    findings: tuple[Finding, ...]


def audit(settings: Settings, store: Store | None, head: str | None = None) -> Audited:
    """Everything that can be checked. `head`: the chain's head as somebody noted it."""
    told = promise.told(settings)
    findings = list(told.findings)
    copies = None
    if head is not None and not told.chain.holds(head):
        findings.append(_not_in_it(settings, head))
    if store is not None:
        with store.read() as tx:
            found, broken = law.held(tx)
            copies = {period: each.copies for period, each in found.items()}
            findings += broken
            try:
                findings += law.against(tx, told.chain)
            except CouldNotRun as uneven:
                findings += [each for each in uneven.findings if each not in findings]
    return Audited(told, copies, tuple(findings))


def _not_in_it(settings: Settings, head: str) -> Finding:
    return Finding(
        "NL664",
        f"no line of the chain has the SHA-256 {head[:64]}: it was cut off before that line, or written anew",
        Where(f"{settings.store.record}/{chain.NAME}"),
        help="look for a copy that holds it: in git, or at whoever noted it",
    )
