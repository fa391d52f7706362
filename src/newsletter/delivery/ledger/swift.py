"""The statements that run once for every message, handed to the driver as they are.

SQLAlchemy Core costs about a tenth of a millisecond a message here, as much as
everything else together; these few go around it. They are written once, in
plain SQL that SQLite and PostgreSQL both read, in the caller's transaction.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy.engine import Connection


def run(tx: Connection, statement: str, values: Mapping[str, object]) -> int:
    """Execute `statement`, whose parameters are written `:name`; how many rows it changed."""
    driver: Any = tx.connection.dbapi_connection
    if tx.dialect.name != "sqlite":
        statement = _pyformat(statement)
    changed: int = driver.execute(statement, values).rowcount
    return changed


@cache
def _pyformat(statement: str) -> str:
    return re.sub(r":(\w+)", r"%(\1)s", statement)


def milliseconds(moment: dt.datetime | None) -> int | None:
    """As store/tables.Moment keeps it."""
    return None if moment is None else round(moment.timestamp() * 1000)
