"""The statements that run for every message, handed to the driver as they are.

SQLAlchemy Core costs about a tenth of a millisecond a message here, as much as
everything else together; these few go around it. They are written once, in
plain SQL that SQLite and PostgreSQL both read, in the caller's transaction.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy.engine import Connection

from newsletter.store.driver import driver

Statement = tuple[str, tuple[object, ...]]
"""SQL whose parameters are written `?`, and their values in order."""


def run(tx: Connection, statements: Sequence[Statement]) -> list[int]:
    """Execute each in order; how many rows each changed. On PostgreSQL in one round trip.

    Raises:
        DBAPIError: the database refused; in SQLAlchemy's own shape, like everywhere else.
    """
    with driver(tx) as connection:
        if tx.dialect.name == "sqlite":
            return [connection.execute(text, values).rowcount for text, values in statements]
        with connection.pipeline():
            cursors = [connection.execute(_marked(text), values) for text, values in statements]
        return [cursor.rowcount for cursor in cursors]


def rows(tx: Connection, text: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
    """What one statement returns, as the driver gives it.

    Raises:
        DBAPIError: as `run`.
    """
    with driver(tx) as connection:
        found: list[tuple[Any, ...]] = connection.execute(
            text if tx.dialect.name == "sqlite" else _marked(text), values
        ).fetchall()
        return found


@cache
def _marked(statement: str) -> str:
    return statement.replace("?", "%s")


def milliseconds(moment: dt.datetime | None) -> int | None:
    """As store/tables.Moment keeps it."""
    return None if moment is None else round(moment.timestamp() * 1000)
