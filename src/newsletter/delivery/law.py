"""The promise in the database: one issue a month, one row for each reader, taken at most once; and the chain beside it."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.delivery.ledger import sums, uneven
from newsletter.delivery.record import cell, totals_of
from newsletter.errors import Finding
from newsletter.issue.chain import TOTALS, Chain, Event
from newsletter.store.tables import attempts, deliveries, issues


@dataclass(frozen=True, slots=True)
class Held:
    """What the database says of one month. `copies`: how often the reader who was served most was served."""

    period: str
    copies: int


def held(tx: Connection) -> tuple[dict[str, Held], list[Finding]]:
    """Each month's copies, and NL665 for everything that breaks the law, NL621 for rows that do not add up."""
    findings = [*_indexes(tx), *uneven(tx)]
    rows = dict(tx.execute(_ROWS).tuples().all())
    taken = dict(tx.execute(_TAKEN).tuples().all())
    found = {}
    for period in tx.scalars(sa.select(issues.c.period).order_by(issues.c.period)):
        copies = max(taken.get(period, 0), 0)
        found[period] = Held(period, copies)
        if rows.get(period, 0) > 1:
            findings.append(
                _broken(f"a reader stands {rows[period]} times in the ledger of {period}")
            )
        if copies > 1:
            findings.append(_broken(f"a mail server took {period} {copies} times for one reader"))
    return found, findings


_PER_READER = (
    sa.select(deliveries.c.period, sa.func.count().label("times"))
    .group_by(deliveries.c.period, deliveries.c.subscriber_id)
    .subquery()
)
_ROWS = sa.select(_PER_READER.c.period, sa.func.max(_PER_READER.c.times)).group_by(
    _PER_READER.c.period
)
_PER_DELIVERY = (
    sa.select(deliveries.c.period, sa.func.count().label("times"))
    .join(attempts, attempts.c.delivery_id == deliveries.c.id)
    .where(attempts.c.outcome == "accepted")
    .group_by(deliveries.c.period, deliveries.c.id)
    .subquery()
)
_TAKEN = sa.select(_PER_DELIVERY.c.period, sa.func.max(_PER_DELIVERY.c.times)).group_by(
    _PER_DELIVERY.c.period
)


def _indexes(tx: Connection) -> list[Finding]:
    """NL665 where the database itself would let a second issue or a second row in."""
    look = sa.inspect(tx)
    findings = []
    for table, columns, what in (
        ("issues", ["period"], "two issues in one month"),
        ("deliveries", ["period", "subscriber_id"], "two mails of an issue for one reader"),
    ):
        unique = [look.get_pk_constraint(table)["constrained_columns"]]
        unique += [each["column_names"] for each in look.get_unique_constraints(table)]
        unique += [
            [name for name in each["column_names"] if name]
            for each in look.get_indexes(table)
            if each["unique"]
        ]
        if columns not in unique:
            findings.append(_broken(f"the database would take {what}: a unique index is gone"))
    return findings


def _broken(what: str) -> Finding:
    return Finding("NL665", what, help="`newsletter explain NL665` says how that can be")


def against(tx: Connection, told: Chain) -> list[Finding]:
    """NL662: where the chain and the database tell different stories."""
    findings = []
    known = set()
    for row in tx.execute(sa.select(issues).order_by(issues.c.opened_at)):
        known.add(row.period)
        opened = told.of(row.period, Event.OPENED)
        if not opened:
            findings.append(_differs(f"the chain does not tell that {row.period} was opened"))
            continue
        line = opened[0]
        there = (row.number, row.manifest, cell(row.audience), row.opened_at.replace(microsecond=0))
        if (line.said["number"], line.said["manifest"], line.said["audience"], line.at) != there:
            findings.append(_differs(f"the chain tells of another {row.period} than was opened"))
        if row.state == "halted" and not told.of(row.period, Event.HALTED, Event.CLOSED):
            findings.append(_differs(f"the chain does not tell that {row.period} was halted"))
        if row.closed_at is not None:
            findings += _totals(tx, told, row.period)
    findings += [
        _differs(f"the chain tells of {line.period}, and the database knows of no such issue")
        for line in told.lines
        if line.event is Event.OPENED and line.period not in known
    ]
    return findings


def _totals(tx: Connection, told: Chain, period: str) -> list[Finding]:
    last = told.totals(period)
    if last is None:
        return [_differs(f"the chain does not tell that {period} was closed")]
    account = sums(tx, period)
    assert account is not None, "it has a row"
    now = totals_of(account)
    return [
        _differs(f"the chain tells of {last[name]} {name.replace('_', ' ')} in {period}, the database of {now[name]}")
        for name in TOTALS
        if last[name] != now[name]
    ]  # fmt: skip


def _differs(what: str) -> Finding:
    return Finding(
        "NL662",
        what,
        help="after a crash the next `newsletter send` or `newsletter run` writes what is missing;"
        " else the chain was changed, or the database is an old one",
    )
