"""Half a year of two machines, one publication: off for days, clocks set back, a database from two months ago.

At most one issue a month; exactly one when a machine was up within the days of
that month; never an old one. On SQLite both share the folder and have a memory
of their own each; on PostgreSQL each has its own folder too.
"""

from __future__ import annotations

import datetime as dt
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "schedule"))

from living import Host, World, world

from newsletter.errors import CouldNotRun
from newsletter.flows import send as sending
from newsletter.flows.send import Sent
from newsletter.issue.period import Period
from newsletter.schedule.month import Verdict

PERIODS = [Period(2026, 11), Period(2026, 12), *(Period(2027, month) for month in range(1, 5))]
READERS = 3


def at(month: int, day: int, hour: int = 9) -> dt.datetime:
    return dt.datetime(2026 if month > 10 else 2027, month, day, hour, tzinfo=dt.UTC)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    store = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    with world(tmp_path, PERIODS, store=store) as made:
        made.now = at(10, 30)
        made.host("a")
        made.host("b", "letter" if not store else "letter-of-b")
        yield made


class Backup:
    """The database as it is now, and the folder's witness with it."""

    def __init__(self, place: World) -> None:
        for host in place.hosts.values():
            host.down()
        self.folder = place.host("a").root / "subscribers"
        self.url = _postgres_of(place)
        self.kept = place.folder / "backup"
        shutil.copytree(self.folder, self.kept)
        if self.url:
            _sql(self.url, f"CREATE DATABASE kept_{_name(self.url)} TEMPLATE {_name(self.url)}")

    def restore(self, place: World) -> None:
        """Everything is as it was: a folder's witness too, but not what lies elsewhere on a host."""
        for host in place.hosts.values():
            host.down()
        for host in place.hosts.values():
            shutil.rmtree(host.root / "subscribers", ignore_errors=True)
            shutil.copytree(self.kept, host.root / "subscribers", dirs_exist_ok=True)
        if self.url:
            name = _name(self.url)
            _sql(self.url, f"DROP DATABASE {name} WITH (FORCE)")
            _sql(self.url, f"CREATE DATABASE {name} TEMPLATE kept_{name}")
            _sql(self.url, f"DROP DATABASE kept_{name}")


def _postgres_of(place: World) -> str:
    line = next((line for line in place.toml.splitlines() if "postgresql" in line), "")
    return line.partition('"')[2].rstrip('"')


def _name(url: str) -> str:
    return str(sa.make_url(url).database)


def _sql(url: str, statement: str) -> None:
    engine = sa.create_engine(
        sa.make_url(url).set(database="postgres"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


def both_tick(*hosts: Host) -> list[Any]:
    """At the same moment; the verdict of each, or the code of what kept it."""

    def one(host: Host) -> Any:
        try:
            found, _ = host.ticks()
        except CouldNotRun as stopped:
            return stopped.findings[0].code
        return found.verdict

    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(one, hosts))


def test_half_a_year_of_two_machines(place: World) -> None:
    a, b = place.host("a"), place.host("b")
    place.readers(READERS)
    a.up().rebuild()

    def sent() -> dict[str, int]:
        return dict(Counter(period for _, period in place.copies()))

    # November: both tick at the very moment, and on.
    both_tick(a, b)
    assert sent() == {}
    for minute in range(3):
        place.now = at(11, 1, 8) + dt.timedelta(minutes=minute)
        both_tick(a, b)
    assert sent() == {"2026-11": READERS}

    # December: both are off from 28 November to the 8th, its days are over.
    a.down()
    b.down()
    place.now = at(12, 8)
    assert both_tick(a, b) == [Verdict.MISSED, Verdict.MISSED]
    place.now = at(12, 31)
    both_tick(a, b)
    assert sent() == {"2026-11": READERS}

    # January: one of them is off; the other is up.
    a.down()
    place.now = at(1, 1)
    both_tick(b)
    assert sent() == {"2026-11": READERS, "2027-01": READERS}
    place.now = at(1, 2)
    both_tick(a, b)
    backup = Backup(place)

    # February: off for ten days, back within the days of the month.
    place.now = at(2, 4)
    both_tick(a, b)
    place.now = at(3, 1)
    both_tick(a, b)
    so_far = {"2026-11": READERS, "2027-01": READERS, "2027-02": READERS, "2027-03": READERS}
    assert sent() == so_far

    # 2 March: the database of two months ago is put back, by somebody in a hurry.
    backup.restore(place)
    place.now = at(3, 2)
    assert both_tick(a, b) == ["NL702", "NL702"], "told at once, not when April is due"
    for host in (a, b):
        assert _sends(host, Period(2027, 3)) == "NL702"
    assert sent() == so_far
    for host in (a, b):
        host.adopts()
    assert both_tick(a, b) == [Verdict.SENT, Verdict.SENT], (
        "the database forgot, the witness did not"
    )
    assert sent() == so_far

    # The clock of one falls back into February, which that database never sent.
    a.off_by = -dt.timedelta(days=27)
    assert both_tick(a) == [Verdict.CLOCK]
    assert _sends(a, Period(2027, 2)) == "NL710"
    a.off_by = dt.timedelta()
    assert both_tick(a, b) == [Verdict.SENT, Verdict.SENT]
    assert sent() == so_far

    # April comes, and all is well.
    place.now = at(4, 1)
    both_tick(a, b)
    place.now += dt.timedelta(minutes=1)
    both_tick(a, b)
    assert sent() == so_far | {"2027-04": READERS}
    order = [period for _, period in place.copies()]
    assert order == sorted(order), "never an old one"
    assert len(set(place.copies())) == len(place.copies()), "nobody got two"


def _sends(host: Host, period: Period) -> str:
    """The code with which a send by hand is refused."""
    try:
        found = sending.send(host.up().parts, period)
    except CouldNotRun as stopped:
        return stopped.findings[0].code
    assert not isinstance(found, Sent), "it was sent"
    return found.code


def test_a_folder_that_was_copied_to_another_machine_sends_nothing_there(place: World) -> None:
    place.readers(READERS)
    a = place.host("a")
    a.up().rebuild()
    place.now = at(11, 1)
    both_tick(a)
    a.down()
    shutil.copytree(a.root, place.folder / "copied")
    c = place.host("c", "copied")
    place.now = at(12, 1)
    assert both_tick(c) == ["NL704"]
    both_tick(a)
    assert Counter(period for _, period in place.copies()) == {"2026-11": 3, "2026-12": 3}
