"""The statements that run once for every message, handed to the driver as they are.

SQLAlchemy Core costs about a tenth of a millisecond a message here, as much as
everything else together; these few go around it. They are written once, in
plain SQL that SQLite and PostgreSQL both read, in the caller's transaction.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

Statement = tuple[str, Mapping[str, object]]
"""SQL whose parameters are written `:name`, and their values."""


def run(tx: Connection, statements: Sequence[Statement]) -> list[int]:
    """Execute each in order; how many rows each changed. On PostgreSQL in one round trip.

    Raises:
        DBAPIError: the database refused; in SQLAlchemy's own shape, like everywhere else.
    """
    driver: Any = tx.connection.dbapi_connection
    refused = tx.dialect.loaded_dbapi.Error
    try:
        return _run(tx, driver, statements)
    except refused as error:
        raise DBAPIError.instance(
            None, None, error, refused, hide_parameters=True, dialect=tx.dialect
        ) from error


def _run(tx: Connection, driver: Any, statements: Sequence[Statement]) -> list[int]:
    if tx.dialect.name == "sqlite":
        return [driver.execute(text, values).rowcount for text, values in statements]
    with driver.pipeline():
        cursors = [driver.execute(_pyformat(text), values) for text, values in statements]
    return [cursor.rowcount for cursor in cursors]


@cache
def _pyformat(statement: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement)


def milliseconds(moment: dt.datetime | None) -> int | None:
    """As store/tables.Moment keeps it."""
    return None if moment is None else round(moment.timestamp() * 1000)
