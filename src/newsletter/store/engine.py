"""A Store: one database, read through snapshots and written by one transaction at a time.

    with store.read() as tx:        a consistent snapshot; writing in it is refused
    with store.write() as tx:       BEGIN IMMEDIATE ... COMMIT, or ROLLBACK on any exception

SQLite by default, PostgreSQL where the publisher has one. Both give the same
promise: what happens inside `write` is seen by others whole or not at all,
and no two writes are interleaved.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from newsletter.errors import CouldNotRun, Finding
from newsletter.store import place, schema
from newsletter.store.courier import Courier
from newsletter.store.driver import told

BUSY_SECONDS = 30
"""How long a write waits for another process. A bulk import commits every second or so."""

_POSTGRESQL = {
    "connect_timeout": str(BUSY_SECONDS),
    # A server whose machine was started anew is noticed within half a minute, one that is gone
    # within ten, not within hours. No sooner: what had no answer by then is in doubt.
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "60",
    "tcp_user_timeout": "600000",
}
"""libpq's own words; what stands in the url goes before."""

WRITERS_LOCK = 0x6E6C_7772
"""PostgreSQL advisory lock that stands in for SQLite's one writer ("nlwr")."""


class Store:
    """One database. Threads may share it; `dialect` says which kind it is.

    Not for use across a fork: open a new one in the child.
    """

    def __init__(
        self, reader: Engine, writer: Engine, dialect: Literal["sqlite", "postgresql"]
    ) -> None:
        self.dialect = dialect
        self._reader = reader
        self._writer = writer
        self._turn = threading.Lock()
        self._owner: int | None = None
        self._pen: Connection | None = None

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A snapshot: every query inside sees the same moment."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Connection]:
        """One transaction, alone among the writers, committed on the way out.

        `durable=False` is for the sender's commit per message, which touches
        only rows it has claimed. On SQLite such a commit survives the death of
        the process but perhaps not a loss of power (`synchronous=NORMAL`); on
        PostgreSQL it is as durable as any, but runs beside others of its kind.

        Raises:
            RuntimeError: this thread is already inside a `write`.
        """
        if self.dialect == "postgresql":
            with self._writer.connect() as connection, connection.begin():
                kind = "" if durable else "_shared"
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{kind}({WRITERS_LOCK})")
                yield connection
            return
        if self._owner == threading.get_ident():
            raise RuntimeError("a write inside a write: pass the open transaction on instead")
        with self._turn:
            self._owner = threading.get_ident()
            try:
                with self._written("FULL" if durable else "NORMAL") as connection:
                    yield connection
            finally:
                self._owner = None

    @contextmanager
    def _written(self, level: str) -> Iterator[Connection]:
        """One transaction of SQLite's only writer, which is kept: to take it out anew costs more than a mail."""
        pen = self._pen = self._pen or self._writer.connect()
        try:
            self._synchronous(level, pen)
            with pen.begin():
                yield pen
        except BaseException:
            # Whatever it was, the next one begins with a connection that is whole.
            self._pen = None
            pen.close()
            raise

    @staticmethod
    def _synchronous(level: str, connection: Connection) -> None:
        # The pragma is refused inside a transaction, so it goes to the driver
        # before BEGIN; the connection remembers it, one statement per change.
        if connection.info.get("synchronous") != level:
            driver = connection.connection.dbapi_connection
            assert driver is not None
            driver.cursor().execute(f"PRAGMA synchronous={level}")
            connection.info["synchronous"] = level

    def courier(self) -> Courier | None:
        """A sender's own way in where a commit costs a round trip; None where it costs none."""
        if self.dialect == "sqlite":
            return None
        return Courier(self._writer, f"SELECT pg_advisory_xact_lock_shared({WRITERS_LOCK})")

    def migrate(self) -> None:
        """Bring the tables to this program's version, in one transaction; nothing when they are.

        Raises:
            CouldNotRun: NL801, the database was written by a newer program.
        """
        with self.read() as tx:
            if schema.is_current(tx):
                return
        with self.write() as tx:
            schema.upgrade(tx)

    @property
    def id(self) -> bytes:
        """16 random bytes, made with the tables: a copy has the same, another store another."""
        with self.read() as tx:
            found = schema.identity(tx)
        assert found is not None, "migrate first"
        return found

    def close(self) -> None:
        if self._pen is not None:
            self._pen.close()
            self._pen = None
        self._reader.dispose()
        self._writer.dispose()


def open_store(url: str, beside: Path | None = None, mirror: Path | None = None) -> Store:
    """Open the database at `url`; the SQLite file and its folder are made when missing.

    `url` is `sqlite:////absolute/path` or `postgresql://...`; a relative SQLite
    path counts from the working directory. `beside` is where this host keeps
    what a database that is no file cannot hold of itself, and `mirror` what no
    copy of the publication takes along (ledger/tally.py).

    Raises:
        CouldNotRun: NL802 no such kind of database, NL803 others may read the
            file or its folder, NL804 it cannot be opened, NL801 it is newer than
            this program.
    """
    try:
        parsed = sa.make_url(url)
        kind = parsed.get_backend_name()
    except sa.exc.ArgumentError as error:
        raise CouldNotRun(_unknown_kind()) from error
    if kind == "sqlite":
        store = _sqlite(parsed, mirror)
    elif kind in ("postgresql", "postgres"):
        store = _postgresql(parsed.set(drivername="postgresql+psycopg"), beside, mirror)
    else:
        raise CouldNotRun(_unknown_kind())
    try:
        with store.read() as tx:
            schema.is_current(tx)
    except (sa.exc.DatabaseError, sa.exc.InterfaceError) as error:
        store.close()
        raise CouldNotRun(
            Finding(
                "NL804",
                f"the database cannot be opened: {str(error.orig).splitlines()[0]}",
                help="see that the path or server in `[store] url` is right and is a database",
            )
        ) from error
    except CouldNotRun:
        store.close()
        raise
    return store


def _unknown_kind() -> Finding:
    # The URL may hold a password, so it is not repeated here.
    return Finding(
        "NL802",
        "the store's url names no database this program knows",
        help="write `sqlite:///subscribers/newsletter.db` or `postgresql://user@host/name`",
    )


def _sqlite(url: sa.URL, mirror: Path | None) -> Store:
    if not url.database or url.database == ":memory:":
        raise CouldNotRun(_unknown_kind())
    place.prepare(url.database)

    def engine(begin: str, read_only: bool, pool: int) -> Engine:
        made = sa.create_engine(
            url,
            pool_size=pool,
            max_overflow=32 if read_only else 0,
            connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
            execution_options={"mirror": mirror},
        )

        @sa.event.listens_for(made, "connect")
        def _connect(driver, record) -> None:  # type: ignore[no-untyped-def]
            driver.isolation_level = None  # BEGIN is ours: the driver would send a plain one, late
            for pragma in (
                "journal_mode=WAL",
                "foreign_keys=ON",
                "secure_delete=ON",
                "synchronous=FULL",
                "cache_size=-16000",
                "journal_size_limit=67108864",  # a long import's log does not keep its size
                f"query_only={'ON' if read_only else 'OFF'}",
            ):
                driver.execute(f"PRAGMA {pragma}")
            record.info["file"] = place.name(str(url.database))

        @sa.event.listens_for(made, "begin")
        def _begin(connection: Connection) -> None:
            # To the driver itself: this runs before every write.
            driver = connection.connection.dbapi_connection
            assert driver is not None
            with told(connection.dialect, begin):
                driver.cursor().execute(begin)

        return made

    return Store(engine("BEGIN", True, 8), engine("BEGIN IMMEDIATE", False, 1), "sqlite")


def _postgresql(url: sa.URL, beside: Path | None, mirror: Path | None) -> Store:
    for name in ("psycopg", "sqlalchemy.pool"):
        # Of a line that is cut they tell once more, in a traceback, what the exception says.
        logging.getLogger(name).setLevel(logging.CRITICAL)
    kept = {name: value for name, value in _POSTGRESQL.items() if name not in url.query}
    try:
        writer = sa.create_engine(
            url.update_query_dict(kept),
            pool_size=8,
            max_overflow=32,
            pool_pre_ping=True,
            # As long as SQLite waits: a writer that stands still must not hold up a leave for ever.
            connect_args={"options": f"-c lock_timeout={round(BUSY_SECONDS * 1000)}"},
        )
    except ModuleNotFoundError as error:
        raise CouldNotRun(
            Finding(
                "NL804",
                "the driver for PostgreSQL is not installed",
                help="in the program's checkout: pip install '.[postgres]'",
            )
        ) from error
    writer = writer.execution_options(beside=beside, mirror=mirror)
    reader = writer.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    return Store(reader, writer, "postgresql")
