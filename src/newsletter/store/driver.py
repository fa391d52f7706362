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
        DBAPIError: the database refused; as `told`.
    """
    with told(tx.dialect):
        yield tx.connection.dbapi_connection


@contextmanager
def told(dialect: Any, statement: str | None = None) -> Iterator[None]:
    """The driver's refusals inside are raised in SQLAlchemy's own shape, like everybody's; without values.

    Raises:
        DBAPIError: the database refused.
    """
    refused = dialect.loaded_dbapi.Error
    try:
        yield
    except refused as error:
        raise DBAPIError.instance(
            statement, None, error, refused, hide_parameters=True, dialect=dialect
        ) from error
