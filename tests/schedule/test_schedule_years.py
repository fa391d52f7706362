"""Two years of two hosts, by seed: outages, clocks that jump, databases put back. The laws hold in all of them.

A longer form: NEWSLETTER_YEARS=50 pytest tests/schedule/test_schedule_years.py
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa

sys.path.insert(0, str(Path(__file__).parents[1] / "delivery"))

from delivery_house import House, smtp
from living import letters
from month_files import TOML
from scripted_relay import Scripted, relay

from newsletter import config
from newsletter.delivery.ledger import Opened, Refused
from newsletter.errors import CouldNotRun
from newsletter.flows.approve import approve
from newsletter.flows.parts import Parts
from newsletter.flows.send import Sent
from newsletter.flows.tick import tick
from newsletter.issue.period import Period
from newsletter.issue.period import at as month_of
from newsletter.schedule.month import Last, Rules, Verdict, free_after
from newsletter.schedule.witness import Witness, adopt
from newsletter.store import Store, open_store
from newsletter.store.tables import subscribers
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

KEY = RootKey(bytes(range(32)))
BEGIN = dt.datetime(2026, 12, 20, tzinfo=dt.UTC)
END = dt.datetime(2028, 12, 20, tzinfo=dt.UTC)
PERIODS = [Period(year, month) for year in (2027, 2028) for month in range(1, 13)]
READERS = 2
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
SEEDS = int(os.environ.get("NEWSLETTER_YEARS", "1"))
RULES = (
    'day = 1\ntime = "09:00"',
    'day = "last sunday"\ntime = "02:30"',
    'day = "first tuesday"\ntime = "00:00"',
)


@pytest.fixture(scope="module")
def approved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A publication with two years of approved issues, for each rule made once."""
    made: dict[str, Path] = {}

    def make(rule: str) -> Path:
        if rule not in made:
            root = tmp_path_factory.mktemp("years") / "letter"
            root.mkdir()
            (root / "newsletter.toml").write_text(
                TOML.replace("[month]", f"[month]\n{rule}"), "utf-8"
            )
            for name, text in letters(PERIODS).items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text, "utf-8")
            settings = config.load(root)
            for period in PERIODS:
                due = period.due(
                    settings.month.day, settings.month.time, settings.publication.time_zone
                )
                approve(settings, period, "Editor", due - DAY)
            made[rule] = root
        return made[rule]

    return make


@dataclass
class Years:
    root: Path
    folder: Path
    server: Scripted
    dice: random.Random
    now: dt.datetime = BEGIN
    off_by: dict[str, dt.timedelta] = field(
        default_factory=lambda: {"a": dt.timedelta(), "b": dt.timedelta()}
    )
    down_until: dict[str, dt.datetime] = field(default_factory=lambda: {"a": BEGIN, "b": BEGIN})
    backups: list[Path] = field(default_factory=list)
    opened: list[tuple[Period, dt.datetime]] = field(default_factory=list)
    """Every issue that was opened, and when, by the clock of the host that opened it."""
    refused: Counter[str] = field(default_factory=Counter)
    lawful: int = 0

    def __post_init__(self) -> None:
        self.settings = config.load(self.root).model_copy(
            update={"store": config.Store(record=str(self.folder / "record"))}
        )
        self.rules = Rules(self.settings.month, self.settings.publication.time_zone)
        self.database = self.folder / "people" / "newsletter.db"
        self.store = self.open()

    def open(self) -> Store:
        store = open_store(f"sqlite:///{self.database}")
        self.vault = unlock(store, KEY, self.now)
        return store

    def witness(self, host: str) -> Witness:
        return Witness(self.folder / "witness.json", self.folder / f"state-{host}")

    def parts(self, host: str) -> Parts:
        def clock() -> dt.datetime:
            return self.now + self.off_by[host]

        settings = self.settings.model_copy(
            update={
                "store": self.settings.store.model_copy(
                    update={"witness": str(self.witness(host).path)}
                )
            }
        )
        return Parts(
            settings, self.store, self.vault, smtp(self.server), clock,
            rebuild=lambda: None, readable=lambda _: True, mirror=self.folder / f"state-{host}",
        )  # fmt: skip

    def copies(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for to, message in self.server.delivered:
            subject = next(
                x for x in message.decode("ascii").splitlines() if x.startswith("Subject:")
            )
            found[to, subject.split()[-1]] += 1
        return found

    def ticks(self, host: str) -> None:
        """One tick, and what must be true after it."""
        clock = self.now + self.off_by[host]
        right = abs(self.off_by[host]) <= dt.timedelta(minutes=5)
        expected = self.must_send(clock)
        try:
            found, sent = tick(self.parts(host))
        except CouldNotRun as stopped:
            self.refused[stopped.findings[0].code] += 1
            if self.dice.random() < 0.2:  # somebody looks at it
                adopt(self.store, self.witness(host), clock)
            return
        if isinstance(sent, Sent) and isinstance(sent.opening, Opened):
            period = month_of(clock, self.rules.zone)
            assert all(period > before for before, _ in self.opened), "an old one, or a second one"
            assert clock >= self.rules.due(period)
            self.opened.append((period, clock))
        assert not isinstance(sent, Refused), sent
        if found.verdict is Verdict.CLOCK:
            self.refused["NL710"] += 1
            if right and self.dice.random() < 0.2:
                adopt(self.store, self.witness(host), clock)
            return
        if right and expected is not None:
            assert expected in [period for period, _ in self.opened], (
                f"{expected} at {clock}: {found}"
            )
            self.lawful += 1

    def must_send(self, clock: dt.datetime) -> Period | None:
        """The month whose issue has to be out after a tick at `clock`; None when none has to."""
        period = month_of(clock, self.rules.zone)
        if period not in PERIODS:
            return None
        before = max(self.opened, default=None)
        if before and before[0] >= period:
            return period if before[0] == period else None
        free = free_after(self.rules, Last(str(before[0]), before[1])) if before else None
        begins = max(self.rules.due(period), free or self.rules.due(period))
        return period if begins <= clock <= self.rules.until(period, free) else None

    def happens(self) -> None:
        """What the next hours bring."""
        dice = self.dice
        self.now += dice.choice((7, 30, 50, 80)) * HOUR + dice.randrange(3600) * dt.timedelta(
            seconds=1
        )
        chance = dice.random()
        host = dice.choice("ab")
        if chance < 0.03:
            self.down_until[host] = self.now + dice.randint(1, 15) * DAY
        elif chance < 0.05:
            self.off_by[host] = -dice.randint(1, 70) * DAY
        elif chance < 0.055:
            self.off_by[host] = dice.randint(1, 40) * DAY
        elif chance < 0.25:
            self.off_by[host] = dice.randint(-120, 120) * dt.timedelta(seconds=1)
        elif chance < 0.28:
            kept = self.folder / f"backup-{len(self.backups)}"
            self.closed(lambda: shutil.copytree(self.folder / "people", kept))
            shutil.copy(self.witness("a").path, kept / "witness.json") if self.opened else None
            self.backups.append(kept)
        elif chance < 0.29 and self.backups:
            kept = dice.choice(self.backups[-4:])

            def put_back() -> None:
                shutil.copy(kept / "newsletter.db", self.database)
                if dice.random() < 0.5 and (kept / "witness.json").exists():
                    shutil.copy(kept / "witness.json", self.witness("a").path)

            self.closed(put_back)

    def closed(self, act: Callable[[], object]) -> None:
        """Do `act` while nobody has the database open."""
        self.store.close()
        act()
        self.store = self.open()


@pytest.fixture
def server() -> Iterator[Scripted]:
    with relay() as made:
        yield made


@pytest.mark.parametrize("seed", range(SEEDS))
def test_two_years_of_two_hosts(
    seed: int,
    approved: Callable[[str], Path],
    tmp_path: Path,
    migrated_file: Path,
    server: Scripted,
    now: dt.datetime,
) -> None:
    (tmp_path / "people").mkdir(mode=0o700)
    shutil.copy(migrated_file, tmp_path / "people" / "newsletter.db")
    (tmp_path / "people" / "newsletter.db").chmod(0o600)
    years = Years(approved(RULES[seed % len(RULES)]), tmp_path, server, random.Random(seed))
    House(years.settings, years.store, years.vault, BEGIN).readers(READERS)
    with years.store.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(subscribers)) == READERS

    while years.now < END:
        years.happens()
        for host in ("a", "b"):
            if years.down_until[host] <= years.now:
                for _ in range(years.dice.choice((1, 1, 2))):  # the same question again
                    years.ticks(host)
    years.store.close()

    copies = years.copies()
    assert max(copies.values()) == 1, "nobody got two of one month"
    periods = [period for period, _ in years.opened]
    assert periods == sorted(set(periods))
    assert {period for _, period in copies} == {str(period) for period in periods}
    assert all(
        copies[f"reader{n}@example.org", str(each)] == 1 for n in range(READERS) for each in periods
    )
    # And it was no idle life: most months went out, and what should have been refused was.
    assert len(periods) >= 12
    assert years.lawful > 50
    assert years.refused
