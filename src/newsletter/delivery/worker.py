"""One worker: a thread with a connection of its own. It knows the network and no database.

dial -> desk.exchange(what the last one came to) -> an order, begun and committed
     -> compose -> send -> dial ...
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from newsletter.delivery.ledger import Job
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport

Compose = Callable[[Job, float], tuple[Envelope, bytes]]
"""A job and the moment its final dot must be written by -> envelope and message."""

Done = tuple[Job, Outcome]


@dataclass(frozen=True, slots=True)
class Order:
    """Send this one; it is begun. `dot_before` as in Envelope."""

    job: Job
    dot_before: float


@dataclass(frozen=True, slots=True)
class Rest:
    """Ask again in so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Counter:
    """Where a worker is served, from its own thread (desk.py stands behind it).

    `exchange` takes what the last order came to and gives the next: None means
    go home. `hand_in` only takes. `trouble` is told when the relay cannot be
    reached, or refuses us.
    """

    exchange: Callable[[Worker, Done | None], Order | Rest | None]
    hand_in: Callable[[Worker, Done], None]
    trouble: Callable[[Outcome], None]


class Worker(threading.Thread):
    def __init__(
        self,
        transport: Transport,
        compose: Compose,
        counter: Counter,
        halt: threading.Event,
        retries: Sequence[float],
    ) -> None:
        super().__init__(name="sender", daemon=True)
        self.connection = transport.connect()
        self._compose = compose
        self._counter = counter
        self._halt = halt
        self._retries = retries

    def run(self) -> None:
        try:
            self._work()
        finally:
            self.connection.close()

    def _work(self) -> None:
        done: Done | None = None
        while True:
            if done is not None and done[1].kind is not Kind.ACCEPTED:
                # The line may be cut: say what came of it before dialling again.
                self._counter.hand_in(self, done)
                done = None
            trouble = self._dial()
            if trouble is not None:
                if done is not None:
                    self._counter.hand_in(self, done)
                self._counter.trouble(trouble)
                return
            answer = self._counter.exchange(self, done)
            done = None
            if answer is None:
                return
            if isinstance(answer, Rest):
                self._halt.wait(answer.seconds)
            else:
                done = (answer.job, self._try(answer))

    def _dial(self) -> Outcome | None:
        """Open the connection if it is not; a relay that is just starting gets a few tries."""
        for wait in (*self._retries, None):
            trouble = self.connection.ready()
            if trouble is None or trouble.kind is Kind.OUR_FAULT:
                return trouble
            if wait is None or self._halt.wait(wait):
                return trouble
        raise AssertionError("the last wait is None")

    def _try(self, order: Order) -> Outcome:
        """One delivery: whatever happens in it is an Outcome."""
        try:
            envelope, message = self._compose(order.job, order.dot_before)
        except Exception as error:  # noqa: BLE001 - one damaged row must not stop the others
            return Outcome(
                Kind.DEFERRED, Stage.CONNECT, reply=f"not composed: {type(error).__name__}"
            )
        try:
            return self.connection.send(envelope, message)
        except Exception as error:  # noqa: BLE001 - nobody can say how far it got
            return Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply=f"broke: {type(error).__name__}")
