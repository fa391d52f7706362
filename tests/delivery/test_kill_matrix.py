"""The kill matrix in short: each kind of blow on each database, and SIGKILL at evenly spaced events.

`make crash` does it thousands of times, at every event.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from matrix_place import Place
from matrix_trial import Kind, Plan, plan, trial

POINTS = {"sqlite": 9, "postgresql": 4}


@pytest.fixture(scope="module")
def place(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("matrix"), postgres)
    yield made
    made.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "seed",
    [
        pytest.param(seed, id="-".join(str(plan(seed)).split()[2:5]))
        for seed in (*range(len(Kind)), *range(len(Kind) * 3, len(Kind) * 4))
    ],
)
def test_whatever_befalls_the_senders_the_law_holds(place: Place, seed: int) -> None:
    verdict = trial(place, plan(seed))
    assert not verdict.breaches, verdict


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", POINTS)
def test_killed_between_any_two_touches_of_disk_or_network(place: Place, dialect: str) -> None:
    points = POINTS[dialect]
    plans = [
        Plan(point, Kind.KILL, dialect, 1, ((point + 0.5) / points,), None, 0)
        for point in range(points)
    ]
    verdicts = [trial(place, each) for each in plans]
    assert not [each for each in verdicts if each.breaches]
    assert sum(each.blows for each in verdicts) >= points * 0.8


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", POINTS)
@pytest.mark.parametrize(
    "words",
    [
        *("INSERT INTO issues", "INSERT INTO editions", "deliveries (id"),
        *("INSERT INTO senders", "UPDATE senders SET lease", "UPDATE deliveries SET state"),
        *("SET state = 'sending'", "UPDATE senders SET begun", "DELETE FROM senders"),
        *("UPDATE issues SET state", "commit", "connect", "send", "recv", "fsync"),
    ],
)
def test_the_events_hold_every_statement_and_every_touch_of_the_network(
    place: Place, dialect: str, words: str
) -> None:
    """A blow falls before and after each: else the matrix would prove nothing."""
    said = place.survey(dialect)
    assert {label.split()[0] for label in said if words in label} == {"before", "after"}
