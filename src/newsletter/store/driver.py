"""The driver under a transaction, for the few statements that the layers above it would make too slow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError


@contextmanager
def driver(tx: Connection) -> Iterator[Any]:
    """The driver's own connection, inside `tx`.

    Raises:
        DBAPIError: the database refused; in SQLAlchemy's own shape, like everywhere else.
    """
    refused = tx.dialect.loaded_dbapi.Error
    try:
        yield tx.connection.dbapi_connection
    except refused as error:
        raise DBAPIError.instance(
            None, None, error, refused, hide_parameters=True, dialect=tx.dialect
        ) from error
