"""A sender's own connection to PostgreSQL: a whole transaction is one round trip.

BEGIN, the writers' lock, the statements and COMMIT travel together, and their
results come back together. What must be known before the commit cannot be
asked here; `Store.write` is for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

Statement = tuple[str, tuple[object, ...]]
"""SQL whose parameters are written `%s`, and their values in order."""


class Courier:
    """For one thread. The connection goes back to its pool with `close`."""

    def __init__(self, engine: Engine, lock: str) -> None:
        self._dialect = engine.dialect
        self._pooled = engine.raw_connection()
        driver: Any = self._pooled.dbapi_connection
        self._driver = driver
        self._driver.autocommit = True
        self._lock = lock

    def commit(self, statements: Sequence[Statement]) -> list[list[tuple[Any, ...]]]:
        """Run `statements` in one transaction; what each returned. Durable when this returns.

        Raises:
            DBAPIError: the database refused one of them, and nothing was changed; or
                the connection broke, and nobody can say.
        """
        driver = self._driver
        refused = self._dialect.loaded_dbapi.Error
        try:
            with driver.pipeline():
                driver.execute("BEGIN")
                driver.execute(self._lock)
                cursors = [driver.execute(text, values) for text, values in statements]
                driver.execute("COMMIT")
            return [cursor.fetchall() if cursor.description else [] for cursor in cursors]
        except refused as error:
            if not driver.closed:
                driver.rollback()
            raise DBAPIError.instance(
                None, None, error, refused, hide_parameters=True, dialect=self._dialect
            ) from error

    def close(self) -> None:
        if self._driver.closed:
            self._pooled.invalidate()
            return
        self._driver.autocommit = False
        self._pooled.close()
