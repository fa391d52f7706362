"""A named person approves an issue: gates, then the bytes are frozen.

compose ─► gates (an error stops here, nothing is written)
        ─► what changed since the last look; the approver's signature
        ─► nobody approved yet: freeze the editions, manifest last
        ─► somebody did: the same bytes, one more name below them
"""

from __future__ import annotations

import base64
import datetime as dt
from dataclasses import dataclass, replace
from pathlib import Path

from newsletter.checks.alive import alive
from newsletter.checks.issue import gates
from newsletter.config import FILE_NAME, Settings
from newsletter.errors import CouldNotRun, Finding, Findings, Level, Where, did_you_mean
from newsletter.flows.kept import composed
from newsletter.flows.look import Look, since
from newsletter.flows.signing import Signer, holds, words
from newsletter.issue import freeze, frozen
from newsletter.issue.compose import Draft
from newsletter.issue.manifest import Approval, Manifest
from newsletter.issue.period import Period
from newsletter.news.fetch import Client


@dataclass(frozen=True, slots=True)
class Approved:
    """`manifest` is the SHA-256 of edition.toml; `complete` whether enough people approved to send it.

    `look` is what changed since the approver could last see a preview.
    """

    period: Period
    number: int
    manifest: str
    approvals: tuple[Approval, ...]
    needed: int
    path: Path
    warnings: tuple[Finding, ...]
    look: Look

    @property
    def complete(self) -> bool:
        return len({approval.by for approval in self.approvals}) >= self.needed


def approve(
    settings: Settings,
    period: Period,
    by: str,
    now: dt.datetime,
    *,
    allow_pending_review: bool = False,
    signer: Signer | None = None,
    web: Client | None = None,
) -> Approved:
    """Approve the issue of `period` in the name `by`.

    `signer` signs with the approver's key; who has a key must. `web` is how
    links to other sites are asked whether they are alive; None asks nobody.
    `allow_pending_review` is for the demonstration and for tests: it lets
    articles pass whose clinical review is pending.

    Raises:
        CouldNotRun: NL463, `by` is no approver of this publication; NL480, the
            approver has a key and nothing was signed, or with another key.
        Findings: a gate stands in the way (nothing was written); NL464, this
            approval cannot be added to what is frozen.
    """
    _known(settings, by)
    draft = composed(settings, period)
    findings = [
        *draft.findings,
        *gates(settings, draft, now, allow_pending_review=allow_pending_review),
        *_order(settings, period),
        *(alive(settings, draft, now, web) if web else ()),
    ]
    if any(finding.level is Level.ERROR for finding in findings):
        raise Findings(findings, f"{period} was not approved; nothing was written.")
    approval = Approval(by, now.astimezone(dt.UTC).replace(microsecond=0))
    approval = _signed(settings, draft.manifest, approval, signer)
    manifest = _with(settings, draft, approval)
    look = since(settings, draft)
    if len(manifest.approvals) == 1:
        path = freeze.write(settings, draft, manifest)
    else:
        path = freeze.sign(settings, manifest)
    return Approved(
        period=period,
        number=manifest.number,
        manifest=frozen.digest(manifest),
        approvals=manifest.approvals,
        needed=settings.month.approvals,
        path=path,
        warnings=tuple(findings),
        look=look,
    )


def _known(settings: Settings, by: str) -> None:
    if by in settings.approvers:
        return
    names = ", ".join(settings.approvers) or "nobody yet"
    raise CouldNotRun(
        Finding(
            "NL463",
            f"`{by}` is no approver of this publication",
            Where(FILE_NAME),
            help=did_you_mean(by, settings.approvers)
            or f"approvers are: {names}; add one as [approvers.NAME]",
        )
    )


def _signed(
    settings: Settings, manifest: Manifest, approval: Approval, signer: Signer | None
) -> Approval:
    """The approval with its signature, where the approver has a key."""
    key = settings.approvers[approval.by].key
    if key is None:
        return approval
    said = words(manifest, approval)
    signature = base64.b64encode(signer(said)).decode() if signer else ""
    if holds(key, signature, said):
        return replace(approval, signature=signature)
    what = "signed with another key" if signer else "not signed"
    raise CouldNotRun(
        Finding(
            "NL480",
            f"{approval.by} has a key in {FILE_NAME}, and this approval is {what}",
            Where(FILE_NAME),
            help="approve with --key FILE, the private key that belongs to it",
        )
    )


def _order(settings: Settings, period: Period) -> list[Finding]:
    """An issue is numbered after those before it, so a later one must not be frozen yet."""
    later = [each for each in frozen.periods(settings) if each > period]
    if not later:
        return []
    what = f"{later[0]} is already approved, and it comes after {period}"
    help_text = f"`newsletter issue withdraw {later[0]}` first; numbers and articles follow the order of months"
    return [Finding("NL464", what, help=help_text)]


def _with(settings: Settings, draft: Draft, approval: Approval) -> Manifest:
    """The manifest with this approval added to those that already hold for the same bytes."""
    period = draft.issue.period
    if period not in frozen.periods(settings):
        return replace(draft.manifest, approvals=(approval,))
    before = frozen.manifest(settings, period)
    frozen.verify(settings, period)
    problem = ""
    if before.digest != draft.manifest.digest:
        problem = f"the sources of {period} changed since {before.approvals[0].by} approved it"
    elif any(each.by == approval.by for each in before.approvals):
        problem = f"{approval.by} already approved {period}"
    elif len(before.approvals) >= settings.month.approvals:
        problem = f"{period} already has the approvals it needs"
    if problem:
        help_text = f"`newsletter issue withdraw {period}` takes the approval back"
        raise Findings(
            [Finding("NL464", problem, help=help_text)], "The frozen issue is as it was."
        )
    return replace(before, approvals=(*before.approvals, approval))
