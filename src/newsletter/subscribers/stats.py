"""Numbers about the list, never about a person: nothing below five is told."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import tables

SMALLEST = 5
"""A group of fewer is told as "<5": one reader of a rare language is a person, not a number."""


@dataclass(frozen=True, slots=True)
class Stats:
    """`None` stands for a number from 1 to 4."""

    states: dict[str, int | None]
    languages: dict[str, int | None]
    """Of the confirmed."""
    suppressed: dict[str, int | None]


def stats(tx: Connection) -> Stats:
    table = tables.subscribers
    confirmed = table.c.state == "confirmed"
    return Stats(
        _counted(tx, table.c.state, None),
        _counted(tx, table.c.language, confirmed),
        _counted(tx, tables.suppressions.c.reason, None),
    )


def _counted(
    tx: Connection, column: sa.ColumnElement[str], condition: sa.ColumnElement[bool] | None
) -> dict[str, int | None]:
    query = sa.select(column, sa.func.count()).group_by(column).order_by(column)
    if condition is not None:
        query = query.where(condition)
    return {name: at_least_five(number) for name, number in tx.execute(query)}


def at_least_five(number: int) -> int | None:
    """The number, or None when it is small enough to point at somebody."""
    return None if 0 < number < SMALLEST else number


def spoken(number: int | None) -> str:
    """ "1204", or "<5"."""
    return f"<{SMALLEST}" if number is None else str(number)
