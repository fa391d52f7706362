"""The account of an issue: every reader in exactly one place, and the sum that proves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.states import PENDING, State
from newsletter.errors import CouldNotRun, Finding
from newsletter.store.tables import WAITING, attempts, deliveries, issues


@dataclass(frozen=True, slots=True)
class Sum:
    """audience = accepted (of which bounced, complained) + rejected + excluded + in doubt + pending.

    `waiting_until` is the earliest next try when nothing is due now; None otherwise.
    """

    period: str
    state: str
    audience: int
    opened_at: dt.datetime
    closes_at: dt.datetime
    closed_at: dt.datetime | None
    counts: dict[State, int]
    excluded_why: dict[str, int] = field(default_factory=dict)
    waiting_until: dt.datetime | None = None

    @property
    def accepted(self) -> int:
        """Taken by the next hop, whatever came back later."""
        return self[State.ACCEPTED] + self.bounced + self.complained

    @property
    def bounced(self) -> int:
        return self[State.BOUNCED]

    @property
    def complained(self) -> int:
        return self[State.COMPLAINED]

    @property
    def rejected(self) -> int:
        return self[State.REJECTED]

    @property
    def excluded(self) -> int:
        return self[State.EXCLUDED]

    @property
    def in_doubt(self) -> int:
        return self[State.IN_DOUBT]

    @property
    def pending(self) -> int:
        return sum(self[state] for state in PENDING)

    @property
    def exact(self) -> bool:
        """Nobody is missing and nobody is counted twice."""
        ended = self.accepted + self.rejected + self.excluded + self.in_doubt
        return self.audience == ended + self.pending

    def __getitem__(self, state: State) -> int:
        return self.counts.get(state, 0)


def sums(tx: Connection, period: str) -> Sum | None:
    """The account of `period`; None when no such issue was opened.

    Raises:
        CouldNotRun: NL621, the rows do not add up to the audience; something other
            than this program wrote into the ledger.
    """
    issue = tx.execute(sa.select(issues).where(issues.c.period == period)).first()
    if issue is None:
        return None
    counts = {
        State(state): number
        for state, number in tx.execute(
            sa.select(deliveries.c.state, sa.func.count())
            .where(deliveries.c.period == period)
            .group_by(deliveries.c.state)
        )
    }
    account = Sum(
        period=period,
        state=issue.state,
        audience=issue.audience,
        opened_at=issue.opened_at,
        closes_at=issue.closes_at,
        closed_at=issue.closed_at,
        counts=counts,
        excluded_why=_reasons(tx, period) if counts.get(State.EXCLUDED) else {},
        waiting_until=_waiting_until(tx, period),
    )
    if not account.exact:
        raise CouldNotRun(_uneven(period, issue.audience, sum(counts.values())))
    return account


def uneven(tx: Connection) -> list[Finding]:
    """NL621 for each issue whose rows do not add up to its audience."""
    return [_uneven(*row) for row in tx.execute(_COUNTED) if row[1] != row[2]]


def recount(tx: Connection) -> None:
    """The operator takes the rows as they are: the audience is who is there."""
    for period, audience, rows in tx.execute(_COUNTED).all():
        if audience != rows:
            tx.execute(sa.update(issues).where(issues.c.period == period).values(audience=rows))


_COUNTED = (
    sa.select(issues.c.period, issues.c.audience, sa.func.count(deliveries.c.id))
    .select_from(issues.outerjoin(deliveries, deliveries.c.period == issues.c.period))
    .group_by(issues.c.period, issues.c.audience)
    .order_by(issues.c.period)
)


def _uneven(period: str, audience: int, rows: int) -> Finding:
    return Finding(
        "NL621",
        f"the ledger of {period} does not add up: it was opened for {audience:,} readers"
        f" and holds {rows:,}",
        help="nothing of it is sent. Restore the last backup; or `newsletter doctor --adopt`"
        " takes the readers it holds as all there are",
    )


def _reasons(tx: Connection, period: str) -> dict[str, int]:
    rows = tx.execute(
        sa.select(sa.func.coalesce(deliveries.c.reason, "unknown"), sa.func.count())
        .where(deliveries.c.period == period, deliveries.c.state == State.EXCLUDED.value)
        .group_by(deliveries.c.reason)
    )
    return {reason: number for reason, number in rows}  # noqa: C416 - rows are not pairs to mypy


def _waiting_until(tx: Connection, period: str) -> dt.datetime | None:
    earliest: dt.datetime | None = tx.scalar(
        sa.select(sa.func.min(deliveries.c.due_at)).where(deliveries.c.period == period, WAITING)
    )
    return earliest


@dataclass(frozen=True, slots=True)
class Line:
    """One delivery for a list: no address, no name; `message_id`, without brackets, is what a mail log is searched for."""

    id: str
    state: State
    reason: str | None
    message_id: str
    tries: int
    since: dt.datetime | None
    last_reply: str | None


def lines(tx: Connection, period: str, states: Sequence[State], limit: int = 1000) -> list[Line]:
    """Deliveries of `period` in `states`, with the last words the server said to each."""
    last = (
        sa.select(attempts.c.reply)
        .where(attempts.c.delivery_id == deliveries.c.id)
        .order_by(attempts.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = tx.execute(
        sa.select(
            deliveries.c.id,
            deliveries.c.state,
            deliveries.c.reason,
            deliveries.c.message_id,
            deliveries.c.attempts,
            deliveries.c.settled_at,
            last,
        )
        .where(deliveries.c.period == period, deliveries.c.state.in_([s.value for s in states]))
        .order_by(deliveries.c.id)
        .limit(limit)
    )
    return [Line(row[0], State(row[1]), row[2], row[3].strip("<>"), *row[4:]) for row in rows]
