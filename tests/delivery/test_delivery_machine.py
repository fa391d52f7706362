"""A machine that does anything in any order to the ledger: the law holds at every step.

Senders claim, begin, settle, die, are taken for dead, answer late; readers
leave and come back; the clock goes on; the operator speaks. Whatever happens,
only allowed arrows are taken, the sum is exact, and nobody's mail is begun
again after it was, or may have been, taken.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from delivery_house import LANE, PERIOD, House, approved
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from newsletter.config import Settings
from newsletter.delivery import ledger
from newsletter.delivery.ledger import Job
from newsletter.delivery.ledger.whereabouts import Whereabouts
from newsletter.delivery.outcome import Kind, Outcome, Stage
from newsletter.delivery.states import State, may
from newsletter.store import open_store
from newsletter.store.tables import deliveries, subscribers
from newsletter.subscribers import people
from newsletter.subscribers.rootkey import RootKey
from newsletter.subscribers.vault import unlock

READERS = 6
NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
OUTCOMES = {
    Kind.ACCEPTED: Outcome(Kind.ACCEPTED, Stage.TERMINATOR, 250),
    Kind.DEFERRED: Outcome(Kind.DEFERRED, Stage.RCPT, 450),
    Kind.REJECTED: Outcome(Kind.REJECTED, Stage.RCPT, 550),
    Kind.OUR_FAULT: Outcome(Kind.OUR_FAULT, Stage.MAIL, 550),
    Kind.IN_DOUBT: Outcome(Kind.IN_DOUBT, Stage.TERMINATOR),
}
TAKEN = {Kind.ACCEPTED, Kind.IN_DOUBT}
"""The relay took it, or may have."""
dice = st.randoms(use_true_random=False)


class Ledger(RuleBasedStateMachine):
    template: Path
    scenery: Settings

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        file = self.folder / "newsletter.db"
        shutil.copy(self.template, file)
        file.chmod(0o600)
        store = open_store(f"sqlite:///{file}")
        self.house = House(self.scenery, store, unlock(store, RootKey(bytes(range(32))), NOW), NOW)
        self.house.readers(READERS)
        self._name_rows()
        self.house.open(approved())
        with store.write() as tx:
            tx.execute(sa.update(deliveries).values(id=deliveries.c.subscriber_id))
        self.seen = self.house.states()
        self.senders: list[str] = []
        self.dead: set[str] = set()
        self.killed: set[str] = set()
        self.claimed: list[tuple[str, Job]] = []
        self.flying: list[tuple[str, Job]] = []
        self.perhaps_taken: set[str] = set()
        """Deliveries whose message may be with the relay."""
        self.resend: set[str] = set()
        """Deliveries that an operator, or proof, allowed to be sent again."""

    def _name_rows(self) -> None:
        """Random ids would make the same choices lead elsewhere each time."""
        self.readers = [f"{number:032x}" for number in range(READERS)]
        with self.house.store.write() as tx:
            found = tx.scalars(sa.select(subscribers.c.id).order_by(sa.text("rowid"))).all()
            for before, after in zip(found, self.readers, strict=True):
                tx.execute(
                    sa.update(subscribers).where(subscribers.c.id == before).values(id=after)
                )

    def teardown(self) -> None:
        self.house.store.close()
        shutil.rmtree(self.folder)

    @rule()
    def a_sender_comes(self) -> None:
        sender = f"s{len(self.senders)}"
        with self.house.store.write() as tx:
            ledger.register(tx, sender, self._where(sender), self.house.now)
        self.senders.append(sender)

    def _where(self, sender: str) -> Whereabouts:
        return Whereabouts("host", "boot", int(sender[1:]) + 100, "1")

    def _living(self) -> list[str]:
        return [sender for sender in self.senders if sender not in self.dead]

    @precondition(lambda self: self._living())
    @rule(random=dice, limit=st.integers(1, 4))
    def claim(self, random: Any, limit: int) -> None:
        sender = random.choice(self._living())
        with self.house.store.write() as tx:
            jobs = ledger.claim(tx, LANE, sender, limit, self.house.now)
        self.claimed += [(sender, job) for job in jobs]

    @precondition(lambda self: self.claimed)
    @rule(random=dice)
    def begin(self, random: Any) -> None:
        sender, job = self.claimed.pop(random.randrange(len(self.claimed)))
        if sender in self.killed:
            return  # one that is only thought dead tries, and must be fenced off
        with self.house.store.write(durable=False) as tx:
            begun = ledger.begin(tx, job, sender)
            if not begun:
                ledger.fence(tx, job, sender, self.house.now)
        if begun:
            assert job.id not in self.perhaps_taken or job.id in self.resend
            self.resend.discard(job.id)
            self.flying.append((sender, job))

    @precondition(lambda self: self.flying)
    @rule(random=dice, kind=st.sampled_from(list(Kind)))
    def settle(self, random: Any, kind: Kind) -> None:
        """Also by a sender that others took for dead: its answer comes late."""
        sender, job = self.flying.pop(random.randrange(len(self.flying)))
        if kind in TAKEN:
            self.perhaps_taken.add(job.id)
            self.resend.discard(job.id)
        elif job.id in self.perhaps_taken and kind is not Kind.REJECTED:
            self.resend.add(job.id)  # this very attempt was certainly not taken
        with self.house.store.write(durable=False) as tx:
            ledger.settle(tx, job, OUTCOMES[kind], sender, self.house.now)

    @precondition(lambda self: self._living())
    @rule(random=dice, reached=st.booleans())
    def a_sender_is_killed(self, random: Any, reached: bool) -> None:
        """`reached`: its messages under way got to the relay before it died."""
        sender = random.choice(self._living())
        self.dead.add(sender)
        self.killed.add(sender)
        for flying in [each for each in self.flying if each[0] == sender]:
            if reached:
                self.perhaps_taken.add(flying[1].id)
            self.flying.remove(flying)

    @rule()
    def recover(self) -> None:
        alive = {self._where(sender).pid for sender in self._living()}
        with self.house.store.write() as tx:
            here = Whereabouts("host", "boot", 1, "1")
            ledger.recover(tx, here, self.house.now, lambda pid: "1" if pid in alive else None)

    @precondition(lambda self: self._living())
    @rule(random=dice)
    def a_living_sender_is_taken_for_dead(self, random: Any) -> None:
        """From another host, when its lease ran out: it may still answer late."""
        sender = random.choice(self._living())
        with self.house.store.write() as tx:
            tx.execute(
                sa.text(
                    "UPDATE senders SET host = 'elsewhere', lease_until = 0 WHERE claim_id = :c"
                ),
                {"c": sender},
            )
            here = Whereabouts("host", "boot", 1, "1")
            alive = {self._where(each).pid for each in self._living()}
            ledger.recover(tx, here, self.house.now, lambda pid: "1" if pid in alive else None)
        self.dead.add(sender)

    @rule(random=dice)
    def somebody_leaves(self, random: Any) -> None:
        reader = random.choice(self.readers)
        with self.house.store.write() as tx:
            people.leave(tx, reader, self.house.now, "page")
            ledger.exclude(tx, reader, "left", self.house.now)

    @rule(random=dice)
    def somebody_comes_back(self, random: Any) -> None:
        reader = random.choice(self.readers)
        with self.house.store.write() as tx:
            tx.execute(
                sa.update(subscribers)
                .where(subscribers.c.id == reader)
                .values(state="confirmed", consent_epoch=subscribers.c.consent_epoch + 1)
            )
            tx.execute(sa.text("DELETE FROM suppressions"))

    @rule(minutes=st.sampled_from([1, 5, 60, 600, 3000]))
    def time_goes_on(self, minutes: int) -> None:
        self.house.now += dt.timedelta(minutes=minutes)

    @rule()
    def expire_and_close(self) -> None:
        with self.house.store.write() as tx:
            ledger.expire(tx, self.house.now)
            ledger.close(tx, PERIOD, self.house.now)

    @rule(random=dice, after=st.sampled_from([State.ACCEPTED, State.REJECTED, State.QUEUED]))
    def the_operator_speaks(self, random: Any, after: State) -> None:
        with self.house.store.read() as tx:
            found = ledger.lines(tx, PERIOD, [State.IN_DOUBT])
        if not found:
            return
        line = random.choice(found)
        with self.house.store.write() as tx:
            done = ledger.resolve(tx, PERIOD, line.id, after, self.house.now)
        if done is ledger.Resolved.DONE and after is State.QUEUED:
            self.resend.add(line.id)

    @invariant()
    def only_allowed_arrows_were_taken(self) -> None:
        now = self.house.states()
        assert set(now) == set(self.seen)
        for reader, state in now.items():
            before = State(self.seen[reader])
            after = State(state)
            assert before is after or _reachable(before, after), (before, after)
        self.seen = now

    @invariant()
    def the_sum_is_exact(self) -> None:
        assert self.house.sum().audience == READERS
        assert self.house.sum().exact

    @invariant()
    def who_is_accepted_was_taken_or_said_to_be(self) -> None:
        with self.house.store.read() as tx:
            rows = tx.execute(sa.select(deliveries.c.id, deliveries.c.state, deliveries.c.reason))
            for row in rows:
                if row.state == "accepted":
                    assert row.id in self.perhaps_taken or row.reason == "resolved by the operator"


def _reachable(before: State, after: State) -> bool:
    """In one arrow, or two where one rule takes two (expire then close, recover then late)."""
    return may(before, after) or any(may(before, way) and may(way, after) for way in State)


@pytest.fixture
def machine(migrated_file: Path, publication: Any) -> type[Ledger]:
    Ledger.template = migrated_file
    Ledger.scenery = publication()
    return Ledger


def test_the_law_holds_whatever_happens(machine: type[Ledger]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
