"""A sender's own connection to PostgreSQL: a whole transaction is one round trip.

BEGIN, the writers' lock, the statements and COMMIT travel together, and their
results come back together; what the sender can do meanwhile it does. What must
be known before the commit cannot be asked here; `Store.write` is for that.

libpq's own pipeline (psycopg.pq) and not a cursor for each statement: those
cost as much as the server's work, and send nothing before they wait.
"""

from __future__ import annotations

import itertools
import select
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from newsletter.store.driver import told

Statement = tuple[str, tuple[int | str | list[str], ...]]
"""SQL whose parameters are written `%s`, and their values in order; a list's are plain words."""

Row = tuple[str | None, ...]

_PLANNING = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
"""Every statement here finds its rows by their keys. To plan it anew for each set of keys cost as
much as to run it; and a plan that is kept must not come from a moment when the table was small."""


class Courier:
    """For one thread. The connection goes back to its pool with `close`.

    Raises:
        DBAPIError: the connection broke.
    """

    def __init__(self, engine: Engine, lock: str) -> None:
        self._dialect = engine.dialect
        self._pooled = engine.raw_connection()
        driver: Any = self._pooled.dbapi_connection
        self._driver = driver
        self._before = (("BEGIN", ()), (lock, ()))
        self._prepared: dict[str, bytes] = {}
        try:
            with told(self._dialect):
                self._driver.autocommit = True
                for setting, value in _PLANNING.items():
                    self._driver.execute(f"SET {setting} = {value}")
        except DBAPIError:
            self._pooled.invalidate()
            raise

    def commit(
        self, statements: Sequence[Statement], meanwhile: Callable[[], None] = lambda: None
    ) -> list[list[Row]]:
        """Run `statements` in one transaction; the rows of each, as text. Durable when this returns.

        `meanwhile` is called while the server is at work.

        Raises:
            DBAPIError: the database refused one of them, and nothing was changed; or
                the connection broke, and nobody can say.
        """
        try:
            with told(self._dialect):
                self._prepare(statements)
                self._send([*self._before, *statements, ("COMMIT", ())])
                try:
                    meanwhile()
                finally:
                    results = self._receive()
        except DBAPIError:
            with suppress(self._dialect.loaded_dbapi.Error):
                if not self._driver.closed:
                    self._driver.rollback()
            raise
        return results[len(self._before) : -1]

    def _prepare(self, statements: Sequence[Statement]) -> None:
        """What is new is parsed once; by now it is known which of its words are parameters."""
        for text, _ in statements:
            if text not in self._prepared:
                name = f"courier_{len(self._prepared)}".encode()
                numbers = itertools.count(1)
                parts = text.split("%s")
                numbered = parts[0] + "".join(f"${next(numbers)}{part}" for part in parts[1:])
                self._judge(self._driver.pgconn.prepare(name, numbered.encode()))
                self._prepared[text] = name

    def _send(self, statements: Sequence[Statement]) -> None:
        self._driver.pgconn.enter_pipeline_mode()
        for text, values in statements:
            self._ask(text, values)
        self._flush()

    def _ask(self, text: str, values: tuple[int | str | list[str], ...]) -> None:
        line = self._driver.pgconn
        if text in self._prepared:
            line.send_query_prepared(self._prepared[text], [_wire(each) for each in values])
        else:
            line.send_query_params(text.encode(), None)

    def _flush(self) -> None:
        line = self._driver.pgconn
        line.pipeline_sync()
        while (
            line.flush()
        ):  # more than the kernel takes at once; the server may be waiting to be read
            _wait(line.socket, select.POLLIN | select.POLLOUT)
            line.consume_input()

    def _receive(self) -> list[list[Row]]:
        """What each statement came to, when all of it is here."""
        from psycopg.pq import ExecStatus

        line = self._driver.pgconn
        results: list[list[Row]] = []
        trouble: Any = None
        while True:
            while line.is_busy():
                _wait(line.socket, select.POLLIN)
                line.consume_input()
            result = line.get_result()
            if result is None:  # the end of one statement
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            if result.status in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
                results.append(_rows(result))
            elif trouble is None and result.status != ExecStatus.PIPELINE_ABORTED:
                trouble = result
        line.exit_pipeline_mode()
        if trouble is not None:
            self._judge(trouble)
        return results

    @staticmethod
    def _judge(result: Any) -> None:
        """Raises psycopg.Error: `result` is a refusal."""
        from psycopg import OperationalError, errors
        from psycopg.pq import DiagnosticField, ExecStatus

        if result.status != ExecStatus.FATAL_ERROR:
            return
        state = result.error_field(DiagnosticField.SQLSTATE)
        said = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode()
        raise (errors.lookup(state.decode()) if state else OperationalError)(said)

    def close(self) -> None:
        """Give the line back as it came, or away where the server has cut it."""
        try:
            for name in self._prepared.values():
                self._driver.execute(b"DEALLOCATE " + name)
            for setting in _PLANNING:
                self._driver.execute(f"RESET {setting}")
            self._driver.autocommit = False
        except self._dialect.loaded_dbapi.Error:
            self._pooled.invalidate()
        else:
            self._pooled.close()


def _wait(socket: int, events: int) -> None:
    """Until the line can do one of `events`. Not `select`: that one breaks where a thousand files are open."""
    poll = select.poll()
    poll.register(socket, events)
    poll.poll()


def _wire(value: int | str | list[str]) -> bytes:
    """As PostgreSQL reads it. A list's words hold nothing that an array's text would have to quote."""
    if isinstance(value, list):
        return f"{{{','.join(value)}}}".encode()
    return str(value).encode()


def _rows(result: Any) -> list[Row]:
    columns = range(result.nfields)
    return [
        tuple(
            None if (cell := result.get_value(row, column)) is None else cell.decode()
            for column in columns
        )
        for row in range(result.ntuples)
    ]
