"""The sender's own line to PostgreSQL: a transaction in one round trip, whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from newsletter.store import Store, open_store
from newsletter.store.courier import Courier
from newsletter.store.tables import facts

pytestmark = pytest.mark.postgres

PUT = "INSERT INTO facts (name, value) VALUES (%s, %s::text::bytea)"
NAMES = "SELECT name FROM facts WHERE name = ANY(%s) ORDER BY name"


@pytest.fixture
def server(postgres_url: str) -> Iterator[Store]:
    made = open_store(postgres_url)
    yield made
    made.close()


@pytest.fixture
def courier(server: Store) -> Iterator[Courier]:
    made = server.courier()
    assert made is not None
    yield made
    made.close()


def count(store: Store) -> int:
    with store.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).where(facts.c.name.like("fact%"))) or 0


def test_each_statement_answers_with_its_own_rows(server: Store, courier: Courier) -> None:
    rows = courier.commit(
        [(PUT, ("fact1", "x")), (NAMES, (["fact1", "fact2"],)), (PUT, ("fact2", "y"))]
    )
    assert rows == [[], [("fact1",)], []]
    assert count(server) == 2


def test_a_sqlite_store_has_none(sqlite_store: Store) -> None:
    assert sqlite_store.courier() is None


def test_meanwhile_something_else_is_done_and_its_fault_loses_no_answer(
    server: Store, courier: Courier
) -> None:
    done: list[int] = []
    courier.commit([(PUT, ("fact1", "x"))], lambda: done.append(1))
    assert done == [1]

    def fails() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        courier.commit([(PUT, ("fact2", "x"))], fails)
    assert courier.commit([(NAMES, (["fact2"],))]) == [[("fact2",)]]


def test_one_refusal_and_nothing_was_changed(server: Store, courier: Courier) -> None:
    courier.commit([(PUT, ("fact1", "x"))])
    with pytest.raises(sa.exc.IntegrityError) as refused:
        courier.commit([(PUT, ("fact2", "x")), (PUT, ("fact1", "secret")), (PUT, ("fact3", "x"))])
    assert "secret" not in str(refused.value)
    assert count(server) == 1
    courier.commit([(PUT, ("fact2", "x"))])  # the line is whole
    assert count(server) == 2


def test_a_statement_that_is_none_is_refused_and_the_line_is_whole(courier: Courier) -> None:
    with pytest.raises(sa.exc.ProgrammingError):
        courier.commit([("SELEC %s", ("x",))])
    assert courier.commit([(NAMES, ([],))]) == [[]]


def test_more_than_the_kernel_takes_at_once(courier: Courier) -> None:
    names = [f"{at:032x}" for at in range(60_000)]
    told = courier.commit([("SELECT unnest(%s::text[])", (names,))] * 3)
    assert told == [[(name,) for name in names]] * 3


def test_a_line_that_the_server_cuts_is_told_and_not_used_again(server: Store) -> None:
    courier = server.courier()
    assert courier is not None
    pid = courier.commit([("SELECT pg_backend_pid()", ())])[0][0][0]
    with server.write() as tx:
        tx.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": int(pid or 0)})
    with pytest.raises(sa.exc.OperationalError):
        courier.commit([(PUT, ("fact1", "x"))])
    courier.close()
    assert count(server) == 0
    again = server.courier()
    assert again is not None
    again.commit([(PUT, ("fact1", "x"))])
    again.close()
    assert count(server) == 1


def test_a_line_that_is_cut_as_it_is_taken_is_told_once_and_in_one_shape(
    server: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Between the pool's look at it and the sender's first word."""

    def cut(line: Any, *_: object) -> None:
        with server.write() as tx:
            tx.exec_driver_sql(f"SELECT pg_terminate_backend({line.info.backend_pid})")

    with server.read() as tx:
        engine = tx.engine
    sa.event.listen(engine, "checkout", cut, once=True)
    with pytest.raises(sa.exc.OperationalError):
        server.courier()
    assert not caplog.records
    assert count(server) == 0


def test_its_way_of_planning_stays_its_own(server: Store) -> None:
    """It looks rows up by their keys whatever the planner thinks of the table; other users of the line do not."""
    courier = server.courier()
    assert courier is not None
    asked = [("SHOW plan_cache_mode", ()), ("SHOW enable_seqscan", ())]
    assert courier.commit(asked) == [[("force_generic_plan",)], [("off",)]]
    pid = courier.commit([("SELECT pg_backend_pid()", ())])[0][0][0]
    courier.close()
    with server.write() as tx:
        shown = [tx.exec_driver_sql(text).scalar() for text, _ in asked]
        assert (tx.exec_driver_sql("SELECT pg_backend_pid()").scalar(), *shown) == (
            int(pid or 0),
            "auto",
            "on",
        )


def test_a_line_that_was_cut_while_it_rested_is_given_away(server: Store) -> None:
    """The sender still has to sign off: it must not be stopped by a line it needs no more."""
    courier = server.courier()
    assert courier is not None
    pid = courier.commit([("SELECT pg_backend_pid()", ())])[0][0][0]
    with server.write() as tx:
        tx.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": int(pid or 0)})
    courier.close()
    assert count(server) == 0


def test_a_server_whose_machine_is_gone_is_noticed_unless_the_url_says_otherwise(
    postgres_url: str,
) -> None:
    url = sa.make_url(postgres_url).update_query_dict({"keepalives_count": "7"})
    made = open_store(url.render_as_string(hide_password=False))
    with made.read() as tx:
        told = tx.connection.dbapi_connection.info.get_parameters()  # type: ignore[union-attr]
    made.close()
    assert (told["tcp_user_timeout"], told["keepalives_count"]) == ("600000", "7")
