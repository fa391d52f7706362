"""One run of the kill matrix: what its seed says, how it goes, and what is judged afterwards."""

from __future__ import annotations

import os
import random
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from matrix_place import CONNECTIONS, READERS, Place, Run
from matrix_power import lose_power
from month_files import DECEMBER
from scripted_relay import Step, relay

from newsletter import config
from newsletter.delivery import departure, ledger
from newsletter.delivery.states import State
from newsletter.store import Store, open_store
from newsletter.store.tables import deliveries, senders, subscribers
from newsletter.subscribers.journal import Journal

HOUR = 3600.0
RESTARTS = 4
BEFORE_THE_DOT = "before send"
"""The event of a write that holds a message; those of commands say which."""
STANDSTILL = 0.7
"""Seconds a sender gets beside one that is stopped, before it is taken to wait for it."""


class Kind(StrEnum):
    KILL = "kill"
    STOPPED = "stopped"
    FROZEN = "frozen"
    JUDGED = "judged"
    POWER = "power"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. `at` are shares (0 to 1) of the events of a send that nobody disturbs; one for each blow."""

    seed: int
    kind: Kind
    dialect: str
    senders: int
    at: tuple[float, ...]
    leaver: int | None
    """This reader leaves after so many mails, or between the blow and the restart."""
    after: int

    def __str__(self) -> str:
        events = ", ".join(f"{share:.3f}" for share in self.at)
        return f"seed {self.seed}: {self.kind} {self.dialect} senders={self.senders} at {events}"


def plan(seed: int, kinds: tuple[Kind, ...] = tuple(Kind)) -> Plan:
    """What the seed says."""
    dice = random.Random(seed)
    kind = kinds[seed % len(kinds)]
    blows = dice.choice((1, 1, 2, 3)) if kind is Kind.KILL else 1
    return Plan(
        seed,
        kind,
        ("sqlite", "postgresql")[seed // len(kinds) % 2],
        (1, 3)[seed // len(kinds) // 2 % 2],
        tuple(dice.random() for _ in range(blows)),
        dice.randrange(READERS) if dice.random() < 0.5 else None,
        dice.randrange(READERS),
    )


@dataclass
class Verdict:
    """What became of the run. `breaches` is empty when the law held."""

    plan: Plan
    blows: int = 0
    in_doubt: int = 0
    unserved: int = 0
    excluded: int = 0
    breaches: list[str] = field(default_factory=list)


class Trial:
    """One run of a plan, and its verdict."""

    def __init__(self, place: Place, plan: Plan, run: Run, kept: Path) -> None:
        self.place, self.plan, self.run, self.kept = place, plan, run, kept
        self.dice = random.Random(plan.seed + 1)
        self.verdict = Verdict(plan)
        self.settings = config.load(run.root)
        run.connections = max(CONNECTIONS, plan.senders)  # they share them: each has one at least
        whole = len(place.survey(plan.dialect)) / (1 if plan.senders == 1 else 2)
        self.events = [1 + int(share * whole) for share in plan.at]
        """One past the end of a sender that had less to do is no blow."""
        self.bound = 0
        self.leaver = place.ids(plan.dialect)[plan.leaver] if plan.leaver is not None else None
        self.spared: int | None = None
        self.window = False
        """It was stopped between its last look at the clock and the final dot (docs/delivery-states.md)."""
        self.mails = 0
        self.leaving: threading.Thread | None = None

    def dot(self, _to: str) -> str:
        """The relay has a mail; perhaps somebody leaves now."""
        self.mails += 1
        if self.mails == self.plan.after and self.leaver and self.plan.kind is not Kind.POWER:
            self.leaving = threading.Thread(target=self.leave)
            self.leaving.start()
        return "250 ok"

    def leave(self) -> None:
        assert self.leaver is not None
        journal = Journal(self.settings.path(self.settings.store.journal))
        with self.store() as store:
            with store.read() as tx:
                link = tx.scalar(
                    sa.select(subscribers.c.link_id).where(subscribers.c.id == self.leaver)
                )
            left = departure.leave(store, journal, bytes(link), self.run.now(), "one-click")
        assert left is not None
        self.spared = left.spared

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = open_store(self.run.url)
        try:
            yield store
        finally:
            store.close()

    def go(self) -> Verdict:
        {
            Kind.KILL: self.kill,
            Kind.STOPPED: self.stop,
            Kind.FROZEN: self.stop,
            Kind.JUDGED: self.stop,
            Kind.POWER: self.power,
            Kind.REFUSED: self.refused,
        }[self.plan.kind]()
        if self.leaving is not None:
            self.leaving.join(30)
        if self.leaver and self.spared is None:  # the mails never came so far, or the power went
            with self.store() as store, store.read() as tx:
                opened = ledger.sums(tx, str(DECEMBER)) is not None
            if opened:
                self.leave()
        self.start_again()
        self.judge()
        return self.verdict

    def kill(self) -> None:
        """With one sender one blow after another, each on the next start; with three, all at once."""
        if self.plan.senders == 1:
            ends = [end for event in self.events for end in self.run.wait(self.run.start(at=event))]
        else:
            blows = (*self.events, 0, 0)[: self.plan.senders]
            ends = self.run.wait(*[self.run.start(at=event) for event in blows])
        self.verdict.blows = sum(end["how"] == "killed" for end in ends)
        self.bound = self.run.connections * self.verdict.blows
        self.insist(ends)

    def stop(self) -> None:
        """SIGSTOP; another acts, unless the stopped one holds a lock that it needs; SIGCONT."""
        first = self.run.start(at=self.events[0], signal=signal.SIGSTOP)
        beside = [self.run.start() for _ in range(self.plan.senders - 1)]
        (end,) = self.run.wait(first)
        if end["how"] != "stopped":
            self.insist([end, *self.run.wait(*beside)])
            return
        self.verdict.blows = 1
        waiting = self.busy(beside)
        here = self.plan.kind is Kind.STOPPED
        self.bound = self.run.connections
        if not here:
            self.run.later(ledger.LEASE.total_seconds() + 60)
            self.bound = self.held()
        waiting += self.busy([self.run.start(host="" if here else "another machine")])
        if waiting and not here:
            self.bound = READERS
        elif self.plan.kind is Kind.JUDGED:
            self.judged()
        os.kill(first, signal.SIGCONT)
        self.insist(self.run.wait(first, *waiting))

    def judged(self) -> None:
        """The operator asks the relay, has who got nothing sent again, and that is done, before it goes on."""
        got = {to for to, _ in self.run.mails.delivered}
        number = {reader: at for at, reader in enumerate(self.place.ids(self.plan.dialect))}
        with self.store() as store, store.write() as tx:
            doubtful = tx.execute(
                sa.select(deliveries.c.id, deliveries.c.subscriber_id).where(
                    deliveries.c.state == State.IN_DOUBT.value
                )
            ).all()
            for row in doubtful:
                if f"reader{number[row.subscriber_id]}@example.org" not in got:
                    ledger.resolve(tx, str(DECEMBER), row.id, State.QUEUED, self.run.now())
        self.insist(self.run.wait(self.run.start(host="another machine")))
        self.window = self.run.struck() == BEFORE_THE_DOT

    def busy(self, pids: list[int]) -> list[int]:
        """Those that do not get to their end while the first one stands still."""
        ends = self.run.wait(*pids, seconds=STANDSTILL)
        self.insist(ends)
        return [pid for pid, end in zip(pids, ends, strict=True) if end["how"] == "busy"]

    def power(self) -> None:
        """Everybody dies, the disk forgets, the machine starts anew."""
        pids = [
            self.run.start(at=event, durable=str(self.kept))
            for event in (*self.events, 0, 0)[: self.plan.senders]
        ]
        (end,) = self.run.wait(pids[0])
        if end["how"] != "killed":
            self.insist([end, *self.run.wait(*pids[1:])])
            return
        self.verdict.blows = 1
        for pid in pids[1:]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.run.wait(*pids[1:])
        if self.plan.dialect == "sqlite":
            template = self.place.scratch / f"template-{self.plan.dialect}"
            lose_power(self.run.root, template, self.kept, self.dice)
        with self.store() as store, store.write() as tx:
            tx.execute(sa.update(senders).values(boot_id="the boot before"))
        self.bound = self.held()

    def refused(self) -> None:
        """The database refuses one of them, which lives on and sends again: it knows of everybody."""
        first = self.run.start(at=self.events[0], refused=self.dice.choice((1, 10, 100, 1000)))
        beside = [self.run.start() for _ in range(self.plan.senders - 1)]
        self.insist(self.run.wait(first, *beside))
        self.verdict.blows = int(self.run.has_struck)

    def held(self) -> int:
        """Rows that some sender has claimed or begun."""
        with self.store() as store, store.read() as tx:
            wanted = deliveries.c.state.in_([State.CLAIMED.value, State.SENDING.value])
            return tx.scalar(sa.select(sa.func.count()).where(wanted)) or 0

    def start_again(self) -> None:
        """As an operator would, until nobody waits."""
        for _ in range(RESTARTS):
            (end,) = self.run.wait(self.run.start())
            if end["how"] != "ended":
                self.verdict.breaches.append(f"the restart {end}")
                return
            with self.store() as store, store.read() as tx:
                account = ledger.sums(tx, str(DECEMBER))
            if account is not None and not account.pending:
                return
            self.run.later(HOUR)

    def insist(self, ends: list[dict[str, Any]]) -> None:
        """A sender ends, or is killed by us, or refuses with a finding; it never breaks."""
        for end in ends:
            if end["how"] == "broke" and "database is locked" not in end["why"]:
                self.verdict.breaches.append(f"a sender {end}")

    def judge(self) -> None:
        breach = self.verdict.breaches.append
        with self.store() as store, store.read() as tx:
            account = ledger.sums(tx, str(DECEMBER))
            states = {
                row[0]: State(row[1])
                for row in tx.execute(sa.select(deliveries.c.subscriber_id, deliveries.c.state))
            }
        if account is None:
            breach("the issue was never opened")
            return
        mails = Counter(to for to, _ in self.run.mails.delivered)
        got = {
            reader: mails[f"reader{number}@example.org"]
            for number, reader in enumerate(self.place.ids(self.plan.dialect))
        }
        for reader, number in got.items():
            if reader in states or reader != self.leaver:
                copies = min(number, 1) if self.window else number
                self.verdict.breaches += _wrong(states.get(reader), copies)
        if self.leaver and self.spared:
            if got[self.leaver]:
                breach("a mail was begun after the leave was answered")
            if states[self.leaver] is not State.EXCLUDED:
                breach(f"who left in time is {states[self.leaver]}")
        self.verdict.breaches += self._uneven(account, len(states))
        self.verdict.in_doubt = account.in_doubt
        self.verdict.unserved = sum(not number for number in got.values())
        self.verdict.excluded = account.excluded

    def _uneven(self, account: ledger.Sum, rows: int) -> list[str]:
        """What is wrong with the issue as a whole."""
        record = self.run.root / f"content/record/{DECEMBER}.json"
        found = {
            "the sum is not exact": not account.exact or account.audience != rows,
            f"{account.pending} are still pending": account.pending,
            f"{account.in_doubt} in doubt, at most {self.bound} may be": (
                account.in_doubt > self.bound
            ),
            f"{account.rejected} rejected, and nobody refused them": account.rejected,
            "no public record": not record.is_file(),
        }
        return [words for words, wrong in found.items() if wrong]


def _wrong(state: State | None, copies: int) -> list[str]:
    """What is wrong with one reader, who has a row in `state` and so many copies."""
    wrong = []
    if copies > 1:
        wrong.append(f"{copies} copies for a reader who is {state}")
    if state is None:
        wrong.append("a reader has no row")
    if state in (State.EXCLUDED, State.REJECTED) and copies:
        wrong.append(f"a copy for a reader who is {state}")
    if state is State.ACCEPTED and not copies:
        wrong.append("no copy for a reader who is accepted")
    return wrong


def trial(place: Place, plan: Plan) -> Verdict:
    with place.fresh(plan.dialect) as (root, url), tempfile.TemporaryDirectory() as kept:
        script: dict[Step, Any] = {}
        with relay(script) as mails:
            run = Run(place, root, url, mails)
            one = Trial(place, plan, run, Path(kept))
            script[Step.DOT] = one.dot
            try:
                return one.go()
            except Exception as error:  # noqa: BLE001 - a run that breaks is told with its seed
                one.verdict.breaches.append(f"the run broke: {type(error).__name__}: {error}")
                return one.verdict
