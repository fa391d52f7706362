"""Send an issue: open it if it is not, recover what a dead sender left, send the rest, close.

Called twice it sends nobody a second mail: what was opened before is only
gone on with, and what was closed is only told.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from newsletter.delivery import ledger, loop
from newsletter.delivery.ledger import (
    AlreadySent,
    Lane,
    Opened,
    Recovered,
    Refused,
    Sum,
)
from newsletter.delivery.loop import Pace, Progress, Report
from newsletter.delivery.outcome import boot_seconds
from newsletter.delivery.press import Press
from newsletter.flows.close import close, listed
from newsletter.flows.open import open_issue, witness_of
from newsletter.flows.parts import Parts
from newsletter.issue.period import Period
from newsletter.schedule.steps import Steps
from newsletter.schedule.witness import name

RETRIES = Pace().retries
"""The waits before a relay that does not answer is given up for this time."""
DRAIN_SECONDS = Pace().drain_seconds
"""How long answers are awaited once we are asked to stop; well within `cli.signals.DRAIN_SECONDS`."""
SETTLE_SECONDS = Pace().settle_seconds
"""How long another process that is sending is given to make room."""


@dataclass(frozen=True, slots=True)
class Sent:
    """`opening` tells whether this call opened the issue or an earlier one did, and when.

    `report` is what this call sent; None when nothing was due. `account` is
    where every reader of the issue stands now.
    """

    opening: Opened | AlreadySent
    recovered: Recovered
    report: Report | None
    account: Sum


def send(
    parts: Parts,
    period: Period,
    *,
    early: bool = False,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Sent | Refused:
    """Send the issue of `period` to whoever has not got it.

    Raises:
        Findings: it is not approved, or a byte of it changed.
        CouldNotRun: the database is behind its witness, or has none; another copy of it
            is being sent from.
    """
    with ledger.helm.held(parts.store):
        return _send(parts, period, early=early, stop=stop, progress=progress)


def _send(
    parts: Parts,
    period: Period,
    *,
    early: bool,
    stop: threading.Event | None,
    progress: Progress | None,
) -> Sent | Refused:
    parts.catch_up()
    opening = open_issue(parts, period, parts.clock(), early=early)
    if isinstance(opening, Refused):
        return opening
    with parts.store.write() as tx:
        recovered = ledger.settle_and_recover(tx, parts.clock())
        ledger.expire(tx, parts.clock())
    sent = go_on(parts, opening, recovered, stop, progress)
    asked = stop is not None and stop.is_set()
    if not asked and (sent.report is not None or not listed(parts, period)):
        parts.rebuild()  # what was sent is listed in the archive
    return sent


def go_on(
    parts: Parts,
    opening: Opened | AlreadySent,
    recovered: Recovered,
    stop: threading.Event | None = None,
    progress: Progress | None = None,
) -> Sent:
    """Send what is due of an issue that is open, and close it if that was all.

    A clock that somebody sets meanwhile gives nobody up: what is over is judged
    by the time that passed.
    """
    steps = Steps(parts.clock, boot_seconds)
    report = _send_due(parts, opening.period, steps, stop, progress)
    account = close(parts, opening.period, steps.steady())
    return Sent(opening, recovered, report, account)


def _send_due(
    parts: Parts,
    period: str,
    steps: Steps,
    stop: threading.Event | None,
    progress: Progress | None,
) -> Report | None:
    """What the loop did; None when nothing was due."""
    lane = Lane(period)
    delivery = parts.settings.delivery
    pace = Pace(
        delivery.connections, delivery.rate_per_second, DRAIN_SECONDS, RETRIES, SETTLE_SECONDS
    )
    # On the only connection, notices go first; otherwise they have one of their own.
    lanes = [lane] if delivery.connections > 1 else [ledger.NOTICES, lane]
    press = Press(parts.settings, parts.vault)
    with parts.store.read() as tx:
        if not ledger.waiting(tx, lane, parts.clock()):
            return None
        press.load(tx, period)
        store = name(tx)
    witness = witness_of(parts)

    def told(done: int, total: int, label: str) -> None:
        if progress is not None:
            progress(done, total, f"{label} {period}")

    report = loop.send(
        parts.store,
        press,
        parts.transport,
        lanes,
        pace=pace,
        clock=parts.clock,
        stop=stop,
        progress=told,
        witness=lambda clock: witness.tick(clock, steps.steady(), store=store),
        tempo=parts.tempo,
    )
    witness.record(parts.store, steps.steady())
    return report
