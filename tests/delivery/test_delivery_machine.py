"""The model's moves, made on the real ledger, on both databases: after each the rows are as the model says.

What the model is, and that it holds the law in every world it can reach, is in
model.py and test_model.py. Here hypothesis picks one way after another through
it. Nothing is mocked: senders register, claim, begin and settle, die, are taken
for dead and answer late; readers leave and are erased; reports come back.
"""

from __future__ import annotations

import datetime as dt
import random
import shutil
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import model
import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House, approved
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from model import Move, World
from sqlalchemy.engine import Connection

from newsletter.config import Settings
from newsletter.delivery import feedback, ledger
from newsletter.delivery.feedback import Event
from newsletter.delivery.ledger import Job
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State
from newsletter.store import Store, open_store
from newsletter.store.tables import deliveries, senders
from newsletter.subscribers import people
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

READERS, SENDERS = 10, 2
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
HERE = Whereabouts("host", "boot", 1, "1")
OUTCOMES = {
    Kind.ACCEPTED: Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250),
    Kind.DEFERRED: Outcome(Kind.DEFERRED, Stage.RCPT, 450),
    Kind.REJECTED: Outcome(Kind.REJECTED, Stage.RCPT, 550),
    Kind.OUR_FAULT: Outcome(Kind.OUR_FAULT, Stage.MAIL, 550),
    Kind.IN_DOUBT: Outcome(Kind.IN_DOUBT, Stage.TERMINATOR),
}
REPORTS = {
    "bounced": feedback.Kind.BOUNCED,
    "complained": feedback.Kind.COMPLAINED,
    "delivered": feedback.Kind.DELIVERED,
}
WEIGHTS = {
    "claim": 6,
    "begin": 60,
    "arrive": 60,
    "settle": 30,
    "start": 40,
    "later": 60,
    "recover": 60,
    "resolve": 18,
    "report": 15,
    "look": 60,
    "stall": 16,
    "kill": 16,
    "end": 8,
}
"""How much more often than a power cut or a halt: those leave little to do afterwards."""


class Real:
    """The ledger, and how each move of the model is made on it."""

    def __init__(self, house: House, journal: Journal) -> None:
        self.house, self.journal = house, journal
        self.readers = house.readers(READERS)
        house.open(approved())
        with house.store.read() as tx:
            found = {
                row.subscriber_id: row.id
                for row in tx.execute(sa.select(deliveries.c.subscriber_id, deliveries.c.id))
            }
        self.ids = [found[reader] for reader in self.readers]
        self.names: list[str] = [""] * SENDERS
        self.pids: list[int] = [0] * SENDERS
        self.alive: set[int] = set()
        self.made = 100
        self.jobs: dict[tuple[int, int], Job] = {}
        """By sender and reader: claimed, or under way."""

    def states(self) -> tuple[State, ...]:
        found = self.house.states()
        return tuple(State(found[reader]) for reader in self.readers)

    def do(self, move: Move) -> list[int]:
        """Make the move; the readers whose rows a claim took."""
        found: list[int] | None = getattr(self, f"_{move.name}")(move)
        return found or []

    def _started(self, pid: int) -> str | None:
        return "1" if pid in self.alive else None

    def _start(self, move: Move) -> None:
        assert move.sender is not None
        self.made += 1
        self.names[move.sender], self.pids[move.sender] = f"s{self.made}", self.made
        self.alive.add(self.made)
        where = Whereabouts("host", "boot", self.made, "1")
        with self.house.store.write() as tx:
            ledger.register(tx, f"s{self.made}", where, self.house.now)

    def _forget(self, sender: int) -> None:
        self.alive.discard(self.pids[sender])
        self.jobs = {key: job for key, job in self.jobs.items() if key[0] != sender}

    def _kill(self, move: Move) -> None:
        assert move.sender is not None
        self._forget(move.sender)

    def _end(self, move: Move) -> None:
        assert move.sender is not None
        with self.house.store.write() as tx:
            ledger.return_(tx, self.names[move.sender])
            ledger.sign_off(tx, self.names[move.sender])
        self._forget(move.sender)

    def _recover(self, move: Move) -> None:
        with self.house.store.write() as tx:
            self._look_after(tx, self.house.now)

    def _look_after(self, tx: Connection, now: dt.datetime) -> None:
        ledger.recover(tx, HERE, now, self._started)

    def _stall(self, move: Move) -> None:
        assert move.sender is not None
        past = {"host": "another machine", "lease_until": self.house.now - dt.timedelta(minutes=1)}
        with self.house.store.write() as tx:
            mine = senders.c.claim_id == self.names[move.sender]
            tx.execute(sa.update(senders).where(mine).values(past))
            ledger.recover(tx, HERE, self.house.now, self._started)

    def _power(self, move: Move) -> None:
        with self.house.store.write() as tx:
            tx.execute(sa.update(senders).values(boot_id="the boot before"))
            if move.what == "forgotten":
                begun = deliveries.c.state == State.SENDING.value
                tx.execute(sa.update(deliveries).where(begun).values(state="claimed"))
        for sender in range(SENDERS):
            self._forget(sender)

    def _claim(self, move: Move) -> list[int]:
        assert move.sender is not None
        wanted = move.what.count(",") + 1
        with self.house.store.write() as tx:
            jobs = ledger.claim(tx, LANE, self.names[move.sender], wanted, self.house.now)
        taken = [self.readers.index(job.subscriber_id) for job in jobs]
        self.jobs |= {(move.sender, at): job for at, job in zip(taken, jobs, strict=True)}
        return taken

    def _job(self, move: Move) -> tuple[Job, str]:
        assert move.sender is not None
        assert move.reader is not None
        return self.jobs[move.sender, move.reader], self.names[move.sender]

    def _begin(self, move: Move) -> None:
        job, name = self._job(move)
        with self.house.store.write(durable=False) as tx:
            if not ledger.begin(tx, job, name, self.house.now):
                ledger.fence(tx, job, name, self.house.now)

    def _arrive(self, move: Move) -> None:
        """The relay's affair."""

    def _settle(self, move: Move) -> None:
        job, name = self._job(move)
        with self.house.store.write(durable=False) as tx:
            ledger.settle(tx, job, OUTCOMES[Kind(move.what)], name, self.house.now)

    def _leave(self, move: Move) -> None:
        assert move.reader is not None
        with self.house.store.write() as tx:
            people.leave(tx, self.readers[move.reader], self.house.now, "page")
            ledger.exclude(tx, self.readers[move.reader], "left", self.house.now, self._look_after)

    def _erase(self, move: Move) -> None:
        assert move.reader is not None
        with self.house.store.write() as tx:
            ledger.exclude(
                tx, self.readers[move.reader], "erased", self.house.now, self._look_after
            )
            people.erase(tx, self.readers[move.reader], self.house.now)

    def _report(self, move: Move) -> None:
        assert move.reader is not None
        event = Event(
            REPORTS[move.what],
            unique=uuid.uuid4().hex,
            source="dsn",
            at=self.house.now,
            delivery_id=self.ids[move.reader],
            enhanced="5.1.1" if move.what == "bounced" else None,
        )
        feedback.apply(self.house.store, self.journal, event, self.house.now)

    def _look(self, move: Move) -> None:
        feedback.apply_waiting(self.house.store, self.house.now)

    def _resolve(self, move: Move) -> None:
        assert move.reader is not None
        with self.house.store.write() as tx:
            said = ledger.resolve(
                tx, PERIOD, self.ids[move.reader], State(move.what), self.house.now
            )
        assert said is ledger.Resolved.DONE

    def _later(self, move: Move) -> None:
        self.house.now += dt.timedelta(hours=5)

    def _halt(self, move: Move) -> None:
        with self.house.store.write() as tx:
            assert ledger.halt(tx, PERIOD, self.house.now, self._look_after) is not None

    def _expire(self, move: Move) -> None:
        self.house.now = max(self.house.now, self.house.sum().closes_at) + dt.timedelta(hours=1)
        with self.house.store.write() as tx:
            ledger.expire(tx, self.house.now)

    def _restore(self, move: Move) -> None:
        with self.house.store.write() as tx:
            sent = deliveries.c.state == State.ACCEPTED.value
            tx.execute(sa.update(deliveries).where(sent).values(state="queued"))
            ledger.doubt_everything(tx, self.house.now)


class Ledger(RuleBasedStateMachine):
    opened: Callable[[Path], Store]
    scenery: Settings

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        store = type(self).opened(self.folder)
        vault = unlock(store, RootKey(bytes(range(32))), NOW)
        self.real = Real(House(self.scenery, store, vault, NOW), Journal(self.folder / "journal"))
        self.world: World = model.begin_with(READERS, SENDERS)

    def teardown(self) -> None:
        self.real.house.store.close()
        shutil.rmtree(self.folder)

    @rule(number=st.integers(0, 2**64 - 1))
    def move(self, number: int) -> None:
        # Hypothesis likes small numbers; hashed, each move is as likely as its weight.
        dice = random.Random(f"{number}")
        choice = list(model.moves(self.world))
        weights = [WEIGHTS.get(move.name, 1) for move, _ in choice]
        ((move, after),) = dice.choices(choice, weights)
        taken = self.real.do(move)
        if move.name == "claim":
            assert move.sender is not None
            free = [n for n, row in enumerate(self.world.rows) if row.state in model.READY]
            assert set(taken) <= set(free)
            after = model.claim(self.world, move.sender, taken)
        self.world = after

    @invariant()
    def the_rows_are_as_the_model_says(self) -> None:
        assert self.real.states() == self.world.states()
        assert model.breaches(self.world) == []

    @invariant()
    def the_sum_is_exact(self) -> None:
        account = self.real.house.sum()
        assert account.audience == READERS
        assert account.exact


def play(kind: type[Ledger], scenery: Settings, opened: Callable[[Path], Store], most: int) -> None:
    made = type(kind.__name__, (kind,), {"opened": staticmethod(opened), "scenery": scenery})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        made,
        settings=settings(
            max_examples=most,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_ledger_goes_where_the_model_goes(migrated_file: Path, publication: Any) -> None:
    def opened(folder: Path) -> Store:
        file = folder / "newsletter.db"
        shutil.copy(migrated_file, file)
        file.chmod(0o600)
        return open_store(f"sqlite:///{file}")

    play(Ledger, publication(), opened, 14)


@pytest.mark.postgres
def test_the_ledger_on_postgresql_goes_where_the_model_goes(
    postgres_url: str, publication: Any
) -> None:
    """One database for all of it; each way through the model begins with empty tables."""

    def opened(folder: Path) -> Store:
        store = open_store(postgres_url)
        with store.write() as tx:
            tx.exec_driver_sql(
                "TRUNCATE senders, past_senders, attempts, feedback_events, deliveries, editions,"
                " issues, notices, suppressions, confirmations, consents, consent_payloads,"
                " subscribers CASCADE"
            )
        return store

    play(Ledger, publication(), opened, 5)
