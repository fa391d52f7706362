"""The desk: the ledger's side of the send loop, in one thread, one turn after another.

    lines.wait -> what came of whom -> claim when the pool runs low (durable, witness)
               -> settle them, begin the next: ONE commit for all -> compose, send -> ...

docs/decisions/one-pen.md says why one thread holds the pen and every line.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from newsletter.delivery import ledger
from newsletter.delivery.company import Company
from newsletter.delivery.ledger import LEASE, Job, Lane, whereabouts
from newsletter.delivery.ledger.tally import Tally
from newsletter.delivery.lines import TICK_SECONDS, Composed, Doing, Line, Lines
from newsletter.delivery.outcome import Kind, Outcome, Stage, Transport, boot_seconds
from newsletter.delivery.pool import RENEW_SECONDS, Pool
from newsletter.delivery.press import Press
from newsletter.delivery.report import Pace, Progress, Report, StopEvent
from newsletter.delivery.standing import Standing
from newsletter.delivery.states import State
from newsletter.delivery.tempo import Tempo
from newsletter.store import Store

BATCH = 64
"""Claims per connection and batch: what a power cut may put in doubt on SQLite."""
NO_ROOM_SECONDS = 1.0
"""How soon a line looks again whether it may be used, when the server has asked for fewer."""
GATHER_SECONDS = 0.0005
"""How much longer a turn waits for company where a commit costs a round trip and a flush: about as long as those."""
SILENT_SECONDS = 30.0
"""A relay that is off is told before; one that says nothing may take minutes, and so many in a row."""
ABORT_SECONDS = 2.0
"""How long a cut may take to be noticed."""
DOT_WITHIN = (LEASE - dt.timedelta(seconds=2 * RENEW_SECONDS)).total_seconds()
SLOWED = "slower, as the server asks: sending"
SILENT = Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply="stopped without an answer")
NOT_TRIED = Outcome(Kind.DEFERRED, Stage.CONNECT, reply="stopped before it was tried")


class Desk:
    """One run of the loop."""

    progress: Progress | None = None

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
        self.standing = Standing(transport.explain, self.halt)
        self.claims = Pool(
            store, press.vault, lanes, self.sender, BATCH * pace.connections, clock, self._lost
        )
        self.pool = self.claims.jobs
        self.ready: dict[str, Composed | Outcome] = {}
        """Of this turn's announced jobs: composed while the database was at work."""
        self.beginning: list[Job] = []
        """Being begun, or begun and not yet given to a line."""
        self.ended: collections.Counter[State] = collections.Counter()
        self.tempo = Tempo(pace.connections, pace.per_second)
        self.issue = any(lane.period is not None for lane in lanes)
        self.begun = self.told = time.monotonic()
        self.total = 0
        self.drained_at: float | None = None

    def go(self) -> Report:
        self.turns = ledger.Turns(self.store, self.sender)
        try:
            self._sign_on()
        except BaseException:
            ledger.owe(self.sender, [])  # it may stand there: a commit is kept whose answer is lost
            raise
        wanted = min(self.pace.connections, self.total)
        self.tempo = self.tempo if self.issue else self.tempo.others
        self.company = Company(self.store, self.sender, self.tempo)
        if wanted:
            self._join()
        number = self.tempo.sit(wanted, issue=self.issue)
        try:
            try:
                self.calls = Lines(self.transport, number, self.halt, self.pace.retries)
            except BaseException:
                self._abandon([])
                raise
            try:
                self._work()
            finally:
                self._finish()
        finally:
            self.tempo.rise(number, issue=self.issue)
        return self._report()

    def _sign_on(self) -> None:
        with self.store.write() as tx:
            ledger.settle_and_recover(tx, self.clock())
            ledger.register(tx, self.sender, whereabouts.here(), self.clock())
            self.total = sum(ledger.waiting(tx, lane, self.clock()) for lane in self.lanes)
            tally = ledger.tally.path_of(tx, self.sender), ledger.tally.mirrored(tx, self.sender)
        self.tally = Tally(*tally)

    def _join(self) -> None:
        """Take a part of the limits beside others that send from this ledger."""
        try:
            self.company.join(self.stop, self.pace.settle_seconds)
        except BaseException:
            self._abandon([])
            raise
        if not self.tempo.connections(time.monotonic()):
            self.standing.pause("as many others send as [delivery] connections allows")

    def _work(self) -> None:
        """Turn after turn, until every line is gone or the drain is over."""
        while any(line.doing is not Doing.GONE for line in self.calls.every):
            self.calls.wait(self._patience())
            if self.turns.dear:
                self.calls.gather(GATHER_SECONDS)
            if self.stop.is_set() or self.tempo.is_called:
                self.halt.set()
            self._turn()
            now = time.monotonic()
            self.claims.keep()
            self.company.keep()
            if now - self.told > TICK_SECONDS:
                self.told = now
                self._tell()
            if self.halt.is_set() and self._is_drained():
                return

    def _is_drained(self) -> bool:
        """Whether answers were awaited long enough, since this was first asked."""
        now = time.monotonic()
        self.drained_at = self.drained_at or now + self.pace.drain_seconds
        return now > self.drained_at or (isinstance(self.stop, StopEvent) and self.stop.at_once)

    def _patience(self) -> float:
        """Seconds until a line that rests may go on; a free one does so at once."""
        free = [line.rests_until for line in self.calls.every if line.doing is Doing.FREE]
        return max(0.0, min(free) - time.monotonic()) if free else TICK_SECONDS

    # One turn.

    def _turn(self) -> None:
        """Settle, claim, begin, commit, send: one round for every line that has news."""
        done, takers = self._news()
        if takers and not self.halt.is_set():
            self.claims.refill(len(takers))
        # An outcome may pause the sender: then nothing more is begun.
        results = [line.result for line in done]
        for job, outcome in results:
            if outcome.kind is not Kind.ACCEPTED:
                tempo = self.tempo if job.lane.period is not None else self.tempo.others
                tempo.heed(outcome, time.monotonic())
            # Whom a notice goes to is for anybody to say: beside an issue it speaks of us only
            # where no reader was named yet.
            if job.lane.period is not None or not self.issue or outcome.kind is Kind.OUR_FAULT:
                self.standing.weigh(outcome)
        takers.sort(key=lambda line: line.following is None)
        jobs = self.beginning = [] if self.halt.is_set() else self._granted(takers)
        going = list(zip(takers, jobs, strict=False))
        announced = self._announced(going)
        begun: dict[str, bool] = {}
        dot_before = boot_seconds() + DOT_WITHIN
        if done or jobs:
            begun = self._commit(results, jobs, [job for _, job in announced])
        for line in done:
            self.calls.free(line)
        for line, job in going:
            line.job = job if begun[job.id] else None
            if line.job is None:  # fenced off; where it was announced, the line is hung up
                line.following = None
        self.beginning = []
        after = {line: job for line, job in announced if begun[job.id]}
        for line, job in going:
            if begun[job.id]:
                self._send(line, job, after.pop(line, None), dot_before)
        self.pool.extendleft(after.values())
        self.ready.clear()
        self._send_home(takers[len(jobs) :])

    def _news(self) -> tuple[list[Line], list[Line]]:
        """The lines whose message has come to an end, and those that may take another."""
        done, takers = [], []
        now = time.monotonic()
        for line in self.calls.every:
            if line.doing is Doing.SENDING and line.outcome is not None:
                done.append(line)
                if line.stepping is not None and line.stepping.fileno() >= 0:
                    takers.append(line)
            elif line.doing is Doing.FREE and line.rests_until <= now:
                takers.append(line)
            elif line.doing is Doing.GONE and line.outcome is not None:
                self.tempo.heed(line.outcome, now)
                self.standing.unreached(line.outcome)
                line.outcome = None
                if line.following is not None:
                    self.pool.appendleft(line.following.job)
                    line.following = None
                self.calls.leave(line)
        return done, takers

    def _commit(
        self, done: list[tuple[Job, Outcome]], jobs: list[Job], announced: list[Job]
    ) -> dict[str, bool]:
        """Everything of this turn in one transaction; of whom the guard said yes."""
        ready = self.ready

        def compose() -> None:
            ready.update((job.id, self._compose(job)) for job in announced)

        turn = self.turns.take(done, jobs, self.clock(), announced, compose)
        self.ended.update(state for state in turn.states if state is not None)
        self.tally.add(sum(turn.begun))
        asked = [job.id for job in (*jobs, *announced)]
        return dict(zip(asked, turn.begun + turn.cleared, strict=True))

    def _announced(self, going: list[tuple[Line, Job]]) -> list[tuple[Line, Job]]:
        """Whom each of these lines is given next; it may be announced behind the dot of what it sends now.

        The guard is asked about them in this turn, before a relay hears their
        name. They stay claimed until their own turn, which begins them before
        their first byte: an announcement without a message is nothing that arrives.
        """
        if self.halt.is_set() or self.tempo.paces(time.monotonic()):
            return []
        able = [line for line, _ in going if line.stepping is not None]
        ahead: list[Job] = []  # deliveries of an issue alone: the guard that is asked is theirs
        while len(ahead) < len(able) and self.pool and self.pool[0].lane.period is not None:
            ahead.append(self.pool.popleft())
        return list(zip(able, ahead, strict=False))

    def _send(self, line: Line, job: Job, after: Job | None, dot_before: float) -> None:
        composed, line.following = line.following or self._compose(job), None
        if after is not None:
            following = self.ready[after.id]
            if isinstance(following, Outcome):
                self.pool.appendleft(after)  # its own turn will say so
            else:
                line.following = following
        if isinstance(composed, Outcome):
            line.doing, line.outcome = Doing.SENDING, composed
            return
        envelope = dataclasses.replace(composed.envelope, dot_before=dot_before)
        self.calls.send(line, envelope, composed.message)

    def _compose(self, job: Job) -> Composed | Outcome:
        try:
            return Composed(job, *self.press.compose(job, self.clock()))
        except Exception as error:  # noqa: BLE001 - one damaged row must not stop the others
            words = f"not composed: {type(error).__name__}"
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply=words)

    def _send_home(self, idle: list[Line]) -> None:
        """There is nothing for these lines, except to rest when it is the pace that holds them back."""
        now = time.monotonic()
        rest = self.tempo.waits(now)
        for line in idle:
            if (self.pool or line.following) and not self.halt.is_set():
                if not rest and line.doing is Doing.FREE:
                    self.calls.hang_up(line)  # fewer were asked for: an idle line counts too
                line.rests_until = now + (rest or NO_ROOM_SECONDS)
            elif line.doing is Doing.FREE:
                self.calls.leave(line)

    def _granted(self, takers: list[Line]) -> list[Job]:
        """The next jobs, for the first of `takers`, as many as the pace allows.

        Those who know already what follows stand in front.
        """
        now = time.monotonic()
        jobs = [line.following.job for line in takers if line.following]
        wanted = min(len(takers), len(jobs) + len(self.pool))
        room = self.tempo.connections(now)
        if room < len(self.calls.every):
            wanted = min(wanted, room - sum(line.under_way for line in self.calls.every))
        wanted = self.tempo.grant(max(wanted, 0), now)
        return jobs[:wanted] + [self.pool.popleft() for _ in range(wanted - len(jobs))]

    def _lost(self) -> None:
        self.standing.pause("another sender took this one for dead")

    def _tell(self) -> None:
        done, now = self.ended.total(), time.monotonic()
        if self.progress is not None and (done or now - self.begun > SILENT_SECONDS):
            slowed = self.tempo.slowed(now) is not None
            tries = max(done, self.total)  # who is put off may come again within this run
            self.progress(done, tries, SLOWED if slowed else "sending")

    # The end.

    def _finish(self) -> None:
        """Whatever happened: no line keeps a row, and nothing is left claimed."""
        self.halt.set()
        # After a fault of ours, too, whoever is under way may still be answered.
        while any(line.under_way for line in self.calls.every) and not self._is_drained():
            self.calls.wait(TICK_SECONDS)
        self.calls.cut()
        until = time.monotonic() + ABORT_SECONDS
        while time.monotonic() < until and any(line.under_way for line in self.calls.every):
            self.calls.wait(TICK_SECONDS)
        self.calls.close(max(0.0, until - time.monotonic()))
        last = [(line.job, line.outcome or SILENT) for line in self.calls.every if line.job]
        last += [(job, NOT_TRIED) for job in self.beginning]
        try:
            self.turns.close()
            self._sign_off(last)
        except BaseException:
            self._abandon(last)
            raise
        self._tell()

    def _abandon(self, known: list[tuple[Job, Outcome]]) -> None:
        """The database refuses. This process may live on: it says what it knows later, and sends again."""
        ledger.owe(self.sender, known)
        self.tally.leave()

    def _sign_off(self, last: list[tuple[Job, Outcome]]) -> None:
        """Whatever is still open is said, the rest given back."""
        with self.store.write() as tx:
            states, _ = ledger.exchange(tx, last, [], self.sender, self.clock())
            self.ended.update(state for state in states if state is not None)
            ledger.return_(tx, self.sender)
            ledger.sign_off(tx, self.sender)
        self.tally.end()

    def _report(self) -> Report:
        with self.store.read() as tx:
            not_tried = sum(ledger.waiting(tx, lane, self.clock()) for lane in self.lanes)
        stop, why, trouble = self.standing.stop(not_tried, asked=self.stop.is_set())
        slowed = self.tempo.slowed(time.monotonic())
        return Report(
            stop,
            dict(self.ended),
            not_tried,
            time.monotonic() - self.begun,
            why,
            trouble,
            self.transport.explain(slowed) if slowed else None,
        )
