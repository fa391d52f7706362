"""A whole store as lines of text, and back: the same for SQLite and PostgreSQL.

    {"newsletter": 1, "schema": "0001", ...}      the first line
    ["subscribers", ["id", "link_id", ...]]       a table begins
    [["4f...", {"b": "base64"}, ...]]             one row
    {"rows": 12345}                               the last line: nothing was cut off

Values are as the database holds them: addresses stay sealed, keys wrapped.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from newsletter.store import schema
from newsletter.store.tables import metadata

FORMAT = 1
BATCH = 500
PEOPLE = ("subscribers", "consents", "suppressions", "issues")
"""Tables that tell whether anybody is in a store."""


class Damaged(Exception):
    """The lines are no whole dump."""


def dump(tx: Connection, now: dt.datetime) -> Iterator[str]:
    """Every row of the caller's snapshot, one line each."""
    head = {"newsletter": FORMAT, "schema": schema.version(tx), "made_at": now.isoformat()}
    yield _line(head)
    rows = 0
    for table in metadata.sorted_tables:
        columns = [column.name for column in table.columns]
        yield _line([table.name, columns])
        # The columns' types are left out: a value goes as the driver gives it.
        query = sa.select(*(sa.literal_column(f'"{name}"') for name in columns))
        found = tx.execute(
            query.select_from(sa.table(table.name)), execution_options={"yield_per": 1000}
        )
        for row in found:
            rows += 1
            yield _line([[_said(value) for value in row]])
    yield _line({"rows": rows})


def count(tx: Connection) -> int:
    """How many rows a dump will have."""
    counts = (
        tx.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    )
    return sum(counts)


def is_empty(tx: Connection) -> bool:
    """Whether nobody is in this store: no tables, or none of them holds a person or an issue."""
    here = set(sa.inspect(tx).get_table_names())
    return not any(
        tx.execute(sa.select(sa.literal(1)).select_from(metadata.tables[name]).limit(1)).first()
        for name in PEOPLE
        if name in here
    )


def load(tx: Connection, lines: Iterable[str]) -> int:
    """Fill an empty store from a dump of this or an older version, and bring it up. Returns the rows.

    Raises:
        Damaged: not a dump, or cut off; the caller rolls back.
        CouldNotRun: NL801, the dump is from a newer program.
    """
    source = iter(lines)
    head = _heard(next(source, ""))
    if not isinstance(head, dict) or head.get("newsletter") != FORMAT:
        raise Damaged
    schema.refuse_newer(str(head.get("schema")))
    _drop(tx)
    schema.upgrade(tx, to=str(head.get("schema")))
    tx.exec_driver_sql("DELETE FROM facts")
    told = _fill(tx, source)
    _count_on(tx)
    schema.upgrade(tx)
    return told


def _fill(tx: Connection, source: Iterator[str]) -> int:
    rows = 0
    insert: sa.TextClause | None = None
    batch: list[dict[str, Any]] = []
    tables = {
        name: {column["name"] for column in sa.inspect(tx).get_columns(name)}
        for name in sa.inspect(tx).get_table_names()
    }
    for line in source:
        match _heard(line):
            case [[*values]] if insert is not None:
                batch.append({f"v{place}": _meant(value) for place, value in enumerate(values)})
                rows += 1
                if len(batch) == BATCH:
                    tx.execute(insert, batch)
                    batch = []
            case [str(name), [*columns]] if set(columns) == tables.get(name):
                if batch and insert is not None:
                    tx.execute(insert, batch)
                    batch = []
                places = ", ".join(f":v{place}" for place in range(len(columns)))
                names = ", ".join(f'"{column}"' for column in columns)
                insert = sa.text(f'INSERT INTO "{name}" ({names}) VALUES ({places})')  # noqa: S608 - names are this schema's own
            case {"rows": int(told)} if told == rows and next(source, None) is None:
                if batch and insert is not None:
                    tx.execute(insert, batch)
                return rows
            case _:
                raise Damaged
    raise Damaged


def _drop(tx: Connection) -> None:
    """Take away the empty tables, so that those of the dump's version can be made."""
    here = set(sa.inspect(tx).get_table_names())
    for table in reversed(metadata.sorted_tables):
        if table.name in here:
            table.drop(tx)
    if "alembic_version" in here:
        tx.exec_driver_sql("DROP TABLE alembic_version")


def _count_on(tx: Connection) -> None:
    """PostgreSQL numbers new rows from a counter, which must stand after the rows that came in."""
    if tx.dialect.name != "postgresql":
        return
    for name, column in (("attempts", "id"), ("consents", "seq")):
        tx.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{name}', '{column}'),"  # noqa: S608
            f" COALESCE((SELECT max({column}) FROM {name}), 0) + 1, false)"
        )


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n"


def _heard(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        raise Damaged from None


def _said(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return {"b": base64.b64encode(value).decode()}
    return value


def _meant(value: Any) -> Any:
    return base64.b64decode(value["b"]) if isinstance(value, dict) else value
