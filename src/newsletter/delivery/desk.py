"""The desk: the ledger's side of the send loop. Workers hand in outcomes and get orders.

Everything here that touches the database happens under one lock, the pen;
docs/decisions/one-pen.md says why.
"""

from __future__ import annotations

import collections
import datetime as dt
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.delivery.ledger import LEASE, Job, Lane, whereabouts
from newsletter.delivery.ledger.tally import Tally
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport, boot_seconds
from newsletter.delivery.press import Press
from newsletter.delivery.report import Pace, Progress, Report, Stop
from newsletter.delivery.states import State
from newsletter.delivery.worker import Counter, Done, Order, Rest, Worker
from newsletter.store import Store

BATCH = 64
"""Claims per connection and batch: what a power cut may put in doubt on SQLite."""
RENEW_SECONDS = 60.0
TICK_SECONDS = 0.1
"""How soon the stop event is seen; how often progress is told."""
BURST, AMONG = 5, 20
"""This many 5.7.x (or damaged rows) among the last so many tries are about us, not about readers."""
ABORT_SECONDS = 2.0
"""How long a cut may take to be noticed."""
DOT_WITHIN = (LEASE - dt.timedelta(seconds=2 * RENEW_SECONDS)).total_seconds()


@dataclass(slots=True)
class _Ask:
    """A worker's word to the ledger, and the answer to it."""

    worker: Worker
    done: Done | None
    wants: bool
    answer: Order | Rest | None = None
    answered: bool = False


class Desk:
    """One run of the loop.

    Whoever holds `pen` is the ledger's one writer, and writes for everybody
    who has asked by then: the busier it is, the more messages share a commit,
    and no thread waits for another to wake up.
    """

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
        self.transport, self.clock, self.stop = transport, clock, stop
        self.sender = secrets.token_hex(8)
        self.halt = threading.Event()
        self.pen = threading.Lock()
        self.asks: deque[_Ask] = deque()
        self.workers: list[Worker] = []
        self.flying: dict[Worker, Job] = {}
        self.pool: deque[Job] = deque()
        self.unsettled: list[Done] = []
        self.ended: collections.Counter[State] = collections.Counter()
        self.recent: deque[bool] = deque(maxlen=AMONG)
        self.why = self.unreachable = ""
        self.failure: BaseException | None = None
        self.over = False
        self.begun = self.renewed = time.monotonic()
        self.next_at = 0.0
        self.total = 0

    def go(self) -> Report:
        with self.store.write() as tx:
            here = whereabouts.here()
            ledger.recover(tx, here, self.clock())
            ledger.register(tx, self.sender, here, self.clock())
            self.total = sum(ledger.waiting(tx, lane, self.clock()) for lane in self.lanes)
            mine = ledger.tally.path_of(tx, self.sender)
        self.tally = Tally(mine)
        try:
            self._hire()
            self._watch()
        finally:
            self._finish()
        if self.failure is not None:
            raise self.failure
        return self._report()

    def _hire(self) -> None:
        counter = Counter(self._exchange, self._hand_in, self._trouble)
        for _ in range(min(self.pace.connections, self.total)):
            worker = Worker(self.transport, self._compose, counter, self.halt, self.pace.retries)
            self.workers.append(worker)
            worker.start()

    def _compose(self, job: Job, dot_before: float) -> tuple[Envelope, bytes]:
        return self.press.compose(job, self.clock(), dot_before)

    # What workers call, in their threads.

    def _exchange(self, worker: Worker, done: Done | None) -> Order | Rest | None:
        return self._ask(_Ask(worker, done, wants=True))

    def _hand_in(self, worker: Worker, done: Done) -> None:
        self._ask(_Ask(worker, done, wants=False))

    def _ask(self, ask: _Ask) -> Order | Rest | None:
        self.asks.append(ask)
        with self.pen:
            if not ask.answered and not self.over:
                try:
                    self._turn()
                except BaseException as error:  # noqa: BLE001 - told to the caller of `send`
                    self.failure = self.failure or error
                    self.halt.set()
        return ask.answer

    def _trouble(self, trouble: Outcome) -> None:
        """This worker goes home; the others go on, unless it is us whom the relay refuses."""
        if trouble.kind is Kind.OUR_FAULT:
            self._pause(f"the relay refuses us at {_said(trouble)}")
        self.unreachable = f"the relay does not answer: {_said(trouble)}"

    # What happens under the pen.

    def _turn(self) -> None:
        """Settle, claim, begin, commit, answer: one round for everybody who has asked."""
        asks = [self.asks.popleft() for _ in range(len(self.asks))]
        for ask in asks:
            if ask.done is not None:
                self.flying.pop(ask.worker, None)
                self.unsettled.append(ask.done)
        if self.stop.is_set():
            self.halt.set()
        hungry = [ask for ask in asks if ask.wants and not self.halt.is_set()]
        if hungry:
            self._refill(len(hungry))
        # An outcome may pause the sender: then nothing more is begun.
        for _, outcome in self.unsettled:
            self._weigh(outcome)
        jobs = [] if self.halt.is_set() else self._granted(hungry)
        dot_before = boot_seconds() + DOT_WITHIN
        if self.unsettled or jobs:
            now = self.clock()
            with self.store.write(durable=False) as tx:
                done = self.unsettled
                states, begun = ledger.exchange(tx, done, jobs, self.sender, now)
                for job, ok in zip(jobs, begun, strict=True):
                    if not ok and ledger.fence(tx, job, self.sender, now):
                        states.append(State.EXCLUDED)
            self.ended.update(state for state in states if state is not None)
            self.unsettled = []
            going = list(zip(hungry, jobs, begun, strict=False))
            self.flying |= {ask.worker: job for ask, job, ok in going if ok}
            self.tally.add(sum(begun))
            for ask, job, ok in going:
                ask.answer = Order(job, dot_before) if ok else Rest(0)
        for ask in asks:
            ask.answered = True

    def _granted(self, hungry: list[_Ask]) -> list[Job]:
        """The next jobs, for the first of `hungry`; whom the pace holds back is told to rest."""
        wanted = min(len(hungry), len(self.pool))
        if self.pace.per_second and wanted:
            early = self.next_at - time.monotonic()
            wanted = 0 if early > 0 else 1
            if wanted:
                self.next_at = time.monotonic() + 1 / self.pace.per_second
            for ask in hungry[wanted:]:
                ask.answer = Rest(max(early, 1 / self.pace.per_second))
        return [self.pool.popleft() for _ in range(wanted)]

    def _pause(self, why: str) -> None:
        self.why = self.why or why
        self.halt.set()

    def _weigh(self, outcome: Outcome) -> None:
        """Whether the fault is ours, and the whole sender should pause."""
        self.recent.append(_about_us(outcome))
        if outcome.kind is Kind.OUR_FAULT:
            self._pause(f"the relay refuses us at {_said(outcome)}")
        elif sum(self.recent) >= BURST:
            self._pause(f"message after message fails for our sake: {_said(outcome)}")

    def _refill(self, hungry: int) -> None:
        """Claim when the pool runs low, durably, and tell the witness."""
        if len(self.pool) >= hungry:
            return
        tick = None
        with self.store.write() as tx:
            self.press.vault.follow(tx)
            if not self._renewed(tx):
                return
            wanted = BATCH * self.pace.connections - len(self.pool)
            for lane in self.lanes:
                jobs = ledger.claim(tx, lane, self.sender, wanted, self.clock())
                wanted -= len(jobs)
                self.pool += jobs
                if jobs and lane.period is not None:
                    tick = ledger.clock.advance(tx)
        if tick is not None and self.witness is not None:
            self.witness(tick)

    def _renewed(self, tx: Connection) -> bool:
        """Keep the lease. A sender that was taken for dead begins nothing more."""
        self.renewed = time.monotonic()
        if ledger.renew(tx, self.sender, self.clock()):
            return True
        self._pause("another sender took this one for dead")
        self.pool.clear()
        return False

    # What the caller's thread does meanwhile.

    def _watch(self) -> None:
        """Wait for the workers; pass the stop on, keep the lease, tell the progress."""
        deadline = None
        while any(worker.is_alive() for worker in self.workers):
            self._pass(TICK_SECONDS)
            if self.stop.is_set():
                self.halt.set()
            if self.halt.is_set():
                deadline = deadline or time.monotonic() + self.pace.drain_seconds
                if time.monotonic() > deadline:
                    return
            if time.monotonic() - self.renewed > RENEW_SECONDS:
                with self.pen, self.store.write() as tx:
                    self._renewed(tx)
            self._tell()

    def _pass(self, seconds: float) -> None:
        """Let time pass: until the first living worker is done, at most `seconds`."""
        for worker in self.workers:
            if worker.is_alive():
                worker.join(seconds)
                return

    def _tell(self) -> None:
        if self.progress is not None and (done := self.ended.total()):
            self.progress(done, self.total, "sending")

    def _finish(self) -> None:
        """Whatever happened: no thread keeps a row, and nothing is left claimed."""
        self.halt.set()
        until = time.monotonic() + ABORT_SECONDS
        for worker in self.workers:
            if worker.is_alive():
                worker.connection.abort()
        for worker in self.workers:
            worker.join(max(0.0, until - time.monotonic()))
        with self.pen:
            self.over = True
            try:
                self._sign_off()
            except BaseException:
                # The database refuses. This process may live on and send again.
                ledger.give_up(self.sender)
                self.tally.leave()
                raise
        self._tell()

    def _sign_off(self) -> None:
        """Under the pen: whatever is still open is said, the rest given back."""
        silent = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="stopped without an answer")
        self.unsettled += [ask.done for ask in self.asks if ask.done is not None]
        self.unsettled += [(job, silent) for job in self.flying.values()]
        with self.store.write() as tx:
            states, _ = ledger.exchange(tx, self.unsettled, [], self.sender, self.clock())
            self.ended.update(state for state in states if state is not None)
            ledger.return_(tx, self.sender)
            ledger.sign_off(tx, self.sender)
        self.tally.end()

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
