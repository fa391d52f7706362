"""The send loop: N connections, N threads, one ledger writer.

    claim a batch -> commit (durable) -> witness
    each worker:  asks with what its last try came to
    this thread:  settle the last, begin the next, ONE commit -> answer
    worker:       compose, socket, outcome -> asks again

The commit that marks a row SENDING comes before its MAIL FROM; the commit that
records an outcome comes before that connection's next message. So a process
that is killed at any instant leaves at most one row in doubt per connection.
"""

from __future__ import annotations

import datetime as dt
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from queue import Empty, SimpleQueue

from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.delivery.ledger import LEASE, Job, Lane, whereabouts
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport, boot_seconds
from newsletter.delivery.press import Press
from newsletter.delivery.states import State
from newsletter.delivery.worker import Order, Word, Worker
from newsletter.store import Store


class Stop(StrEnum):
    """Why the loop ended."""

    DONE = "done"
    """Nothing is due any more; deferred rows may wait for their next try."""
    ASKED = "asked"
    """The stop event was set (Ctrl-C, SIGTERM): in-flight messages were awaited, the rest waits."""
    PAUSED = "paused"
    """The relay does not answer, refuses us, or refuses readers in a burst for our sake."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one run of the loop did. Not the issue's account: that is `ledger.sums`.

    `ended` counts the tries of this run by the state they led to; `not_tried`
    rows are still due. `why` says in a sentence why it paused.
    """

    stop: Stop
    ended: dict[State, int] = field(default_factory=dict)
    not_tried: int = 0
    seconds: float = 0.0
    why: str = ""

    @property
    def accepted(self) -> int:
        return self.ended.get(State.ACCEPTED, 0)

    @property
    def in_doubt(self) -> int:
        return self.ended.get(State.IN_DOUBT, 0)


Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: `connections` at a time, at most `per_second` messages (None: as the relay takes them).

    `drain_seconds` is how long answers are awaited after the stop event;
    `retries` are the waits between tries to reach a relay that does not answer.
    """

    connections: int = 4
    per_second: float | None = None
    drain_seconds: float = 10.0
    retries: tuple[float, ...] = (1.0, 3.0, 10.0)


BATCH = 32
"""Claims per connection and batch: what a power cut may put in doubt on SQLite."""
RENEW_SECONDS = 60.0
TICK_SECONDS = 0.2
"""How soon the stop event is seen when no worker says anything."""
BURST, AMONG = 5, 20
"""This many 5.7.x (or damaged rows) among the last so many tries are about us, not about readers."""
ABORT_SECONDS = 2.0
"""How long a cut may take to be noticed."""
DOT_WITHIN = (LEASE - dt.timedelta(seconds=2 * RENEW_SECONDS)).total_seconds()


def send(
    store: Store,
    press: Press,
    transport: Transport,
    lanes: Sequence[Lane],
    *,
    pace: Pace,
    clock: Callable[[], dt.datetime],
    stop: threading.Event | None = None,
    progress: Progress | None = None,
    witness: Callable[[int], None] | None = None,
) -> Report:
    """Send what is due in `lanes`, the first lane first, until nothing is, or `stop` is set.

    `press` has loaded the lanes' issues. `witness` is told the ledger's clock
    after each durable batch of claims of an issue, before its first message.
    """
    run = _Run(store, press, transport, lanes, pace, clock, stop or threading.Event())
    run.progress, run.witness = progress, witness
    return run.go()


class _Run:
    """One run of the loop. Every method runs in the caller's thread: the ledger has one writer."""

    progress: Progress | None = None
    witness: Callable[[int], None] | None = None

    def __init__(
        self,
        store: Store,
        press: Press,
        transport: Transport,
        lanes: Sequence[Lane],
        pace: Pace,
        clock: Callable[[], dt.datetime],
        stop: threading.Event,
    ) -> None:
        self.store, self.press, self.lanes, self.pace = store, press, lanes, pace
        self.clock, self.stop = clock, stop
        self.sender = secrets.token_hex(8)
        self.desk: SimpleQueue[Word] = SimpleQueue()
        self.halt = threading.Event()
        self.workers: set[Worker] = set()
        self.hungry: deque[Worker] = deque()
        self.flying: dict[Worker, Job] = {}
        self.pool: deque[Job] = deque()
        self.ended: Counter[State] = Counter()
        self.recent: deque[bool] = deque(maxlen=AMONG)
        self.unsettled: list[tuple[Job, Outcome]] = []
        self.dry = False
        self.why = self.unreachable = ""
        self.begun = self.renewed = time.monotonic()
        self.next_at = 0.0
        self.deadline: float | None = None
        self.total = 0
        self.transport = transport

    def go(self) -> Report:
        with self.store.write() as tx:
            ledger.register(tx, self.sender, whereabouts.here(), self.clock())
            self.total = sum(ledger.waiting(tx, lane, self.clock()) for lane in self.lanes)
        try:
            if self.total:
                self._hire()
                while self.workers:
                    self._turn(self._hear())
        finally:
            self._finish()
        return self._report()

    def _hire(self) -> None:
        for _ in range(min(self.pace.connections, self.total)):
            worker = Worker(self.transport, self._compose, self.desk, self.halt, self.pace.retries)
            self.workers.add(worker)
            worker.start()

    def _compose(self, job: Job, dot_before: float) -> tuple[Envelope, bytes]:
        return self.press.compose(job, self.clock(), dot_before)

    def _hear(self) -> list[Word]:
        """What workers say now; empty after a tick of silence."""
        wait = TICK_SECONDS
        if self.hungry and self.pool:
            wait = min(wait, max(0.0, self.next_at - time.monotonic()))
        try:
            words = [self.desk.get(timeout=wait)]
        except Empty:
            return []
        while len(words) < 2 * self.pace.connections:
            try:
                words.append(self.desk.get_nowait())
            except Empty:
                break
        return words

    def _turn(self, words: list[Word]) -> None:
        """Settle, claim, begin, commit, hand out: one round."""
        for word in words:
            self._note(word)
        self._watch_stop()
        if not self.halt.is_set():
            self._refill()
        served: list[tuple[Worker, Order]] = []
        settled = len(self.unsettled)
        if settled or (self.hungry and self.pool and not self.halt.is_set()):
            with self.store.write(durable=False) as tx:
                self._settle(tx)
                while (order := self._next(tx)) is not None:
                    served.append((self.hungry.popleft(), order))
        self.unsettled.clear()
        for worker, order in served:
            self.flying[worker] = order.job
            worker.orders.put(order)
        if self.halt.is_set() or (self.dry and not self.pool):
            while self.hungry:
                self.hungry.popleft().orders.put(None)
        if self.progress is not None and settled:
            self.progress(sum(self.ended.values()), self.total, "sending")

    def _note(self, word: Word) -> None:
        if word.done is not None:
            self.flying.pop(word.worker, None)
            self.unsettled.append(word.done)
        if word.wants:
            self.hungry.append(word.worker)
        if word.gone:
            self.workers.discard(word.worker)
        if word.trouble is not None:
            self._trouble(word.trouble)

    def _trouble(self, trouble: Outcome) -> None:
        """A worker cannot reach the relay and goes home; the others go on."""
        if trouble.kind is Kind.OUR_FAULT:
            self._pause(f"the relay refuses us at {_said(trouble)}")
        self.unreachable = f"the relay does not answer: {_said(trouble)}"

    def _pause(self, why: str) -> None:
        self.why = self.why or why
        self.halt.set()

    def _settle(self, tx: Connection) -> None:
        """Write down what came of the tries since the last commit."""
        for job, outcome in self.unsettled:
            state = ledger.settle(tx, job, outcome, self.sender, self.clock())
            if state is not None:
                self.ended[state] += 1
            self.recent.append(_about_us(outcome))
            if outcome.kind is Kind.OUR_FAULT:
                self._pause(f"the relay refuses us at {_said(outcome)}")
            elif sum(self.recent) >= BURST:
                self._pause(f"message after message fails for our sake: {_said(outcome)}")

    def _next(self, tx: Connection) -> Order | None:
        """Begin the next job for the first hungry worker; None when there is none, or it is not time."""
        if self.halt.is_set() or not self.hungry or time.monotonic() < self.next_at:
            return None
        while self.pool:
            job = self.pool.popleft()
            dot_before = boot_seconds() + DOT_WITHIN
            if ledger.begin(tx, job, self.sender):
                if self.pace.per_second:
                    earliest = max(self.next_at, time.monotonic())
                    self.next_at = earliest + 1 / self.pace.per_second
                return Order(job, dot_before)
            if ledger.fence(tx, job, self.sender, self.clock()):
                self.ended[State.EXCLUDED] += 1
        return None

    def _refill(self) -> None:
        """Claim when the pool runs low; renew the lease when it is time."""
        renew = time.monotonic() - self.renewed > RENEW_SECONDS
        if not renew and (not self.hungry or len(self.pool) >= len(self.hungry)):
            return
        tick = None
        with self.store.write() as tx:
            self.press.vault.follow(tx)
            self.renewed = time.monotonic()
            if not ledger.renew(tx, self.sender, self.clock()):
                self._pause("another sender took this one for dead")
                self.pool.clear()
                return
            wanted = BATCH * self.pace.connections - len(self.pool)
            for lane in self.lanes:
                jobs = ledger.claim(tx, lane, self.sender, wanted, self.clock())
                wanted -= len(jobs)
                self.pool += jobs
                if jobs and lane.period is not None:
                    tick = ledger.clock.advance(tx)
            self.dry = wanted > 0
        if tick is not None and self.witness is not None:
            self.witness(tick)

    def _watch_stop(self) -> None:
        if self.stop.is_set() or self.halt.is_set():
            self.halt.set()
            now = time.monotonic()
            if self.deadline is None:
                self.deadline = now + self.pace.drain_seconds
            elif now > self.deadline:
                self._abort()

    def _abort(self) -> None:
        for worker in self.workers:
            worker.connection.abort()
        if self.deadline is not None and time.monotonic() > self.deadline + ABORT_SECONDS:
            self.workers.clear()  # a thread that does not even notice a cut holds no hope

    def _finish(self) -> None:
        """Whatever happened: no thread keeps a row, and nothing is left claimed."""
        self.halt.set()
        for worker in self.workers:
            worker.connection.abort()
            worker.orders.put(None)
        until = time.monotonic() + ABORT_SECONDS
        while self.flying and self.workers and time.monotonic() < until:
            for word in self._hear():
                self._note(word)
        silent = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="stopped without an answer")
        self.unsettled += [(job, silent) for job in self.flying.values()]
        with self.store.write() as tx:
            self._settle(tx)
            ledger.return_(tx, self.sender)
            ledger.sign_off(tx, self.sender)

    def _report(self) -> Report:
        with self.store.read() as tx:
            not_tried = sum(ledger.waiting(tx, lane, self.clock()) for lane in self.lanes)
        stop, why = Stop.DONE, self.why
        if why:
            stop = Stop.PAUSED
        elif self.stop.is_set() and not_tried:
            stop = Stop.ASKED
        elif self.unreachable and not_tried:
            stop, why = Stop.PAUSED, self.unreachable
        return Report(stop, dict(self.ended), not_tried, time.monotonic() - self.begun, why)


def _about_us(outcome: Outcome) -> bool:
    """5.7.x and 4.7.x are our reputation or authentication more often than the reader's mailbox."""
    policy = outcome.enhanced is not None and outcome.enhanced[1:4] == ".7."
    broken = outcome.kind is Kind.DEFERRED and outcome.stage is Stage.CONNECT
    return policy or broken


def _said(outcome: Outcome) -> str:
    words = (outcome.stage.value, outcome.code, outcome.reply)
    return " ".join(str(word) for word in words if word)
