"""Many rows at once, past the layers that each row would pay for.

A row through SQLAlchemy's types and dictionaries costs 20 µs; an import has a
million. Values are as the database holds them: bytes, text, whole numbers,
moments as `Moment.milliseconds`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection


def insert_all(
    tx: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert `rows`, whose values stand in the order of `columns`."""
    if not rows:
        return
    unknown = set(columns) - set(table.columns.keys())
    assert not unknown, unknown
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    names = ", ".join(columns)
    marks = ", ".join([mark] * len(columns))
    tx.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows))  # noqa: S608 - names are our own


@contextmanager
def without_indexes(tx: Connection, *tables: sa.Table) -> Iterator[None]:
    """Fill empty tables without their indexes and make these at the end, all in one transaction.

    A million rows in random order cost 20 GB of writes when each goes into five
    B-trees at once, and 0.3 GB when the trees are made from sorted rows.
    """
    indexes = [index for table in tables for index in table.indexes]
    for index in indexes:
        index.drop(tx)
    yield
    for index in indexes:
        index.create(tx)
