"""Take an approval back, as long as no reader was counted for it yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from newsletter.config import Settings
from newsletter.errors import Finding, Findings
from newsletter.issue import freeze, frozen
from newsletter.issue.period import Period


def withdraw(
    settings: Settings, period: Period, state: Callable[[Period], str | None]
) -> tuple[Path, ...]:
    """Remove the frozen bytes and the manifest of `period`; the letters stay. Returns what was removed.

    `state` says how the issue stands ("open", "closed", "halted"; None: not opened); the ledger knows, this flow
    does not.

    Raises:
        Findings: NL460, nothing is approved; NL465, the issue was opened.
    """
    stands = state(period)
    if stands is not None:
        raise Findings([_opened(period, stands)], "The frozen issue is as it was.")
    if period not in frozen.periods(settings):
        frozen.manifest(settings, period)  # raises: not approved
    return freeze.discard(settings, period)


def _opened(period: Period, stands: str) -> Finding:
    if stands == "open":
        return Finding(
            "NL465",
            f"the issue of {period} was opened: mails may be on their way",
            help=f"`newsletter issue halt {period}` stops what has not been sent",
        )
    return Finding(
        "NL465",
        f"the issue of {period} was {'opened, and halted' if stands == 'halted' else 'sent'}",
        help=f"the archive can say what was wrong in it: content/issues/{period}/corrections.LANG.md",
    )
