"""One worker: a thread with a connection of its own. It knows the network and no database.

ready -> ask -> (job begun and committed) -> compose -> send -> ask, with the outcome
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from newsletter.delivery.ledger import Job
from newsletter.delivery.outcome import Envelope, Kind, Outcome, Stage, Transport

Compose = Callable[[Job, float], tuple[Envelope, bytes]]
"""A job and the moment its final dot must be written by -> envelope and message."""


@dataclass(frozen=True, slots=True)
class Order:
    """Send this one; it is begun. `dot_before` as in Envelope."""

    job: Job
    dot_before: float


@dataclass(frozen=True, slots=True)
class Word:
    """What a worker says: what its last job came to, whether it wants another, what troubles it."""

    worker: Worker
    done: tuple[Job, Outcome] | None = None
    wants: bool = False
    trouble: Outcome | None = None
    gone: bool = False


class Worker(threading.Thread):
    """Orders come in through `orders` (None: go home), words go out through `desk`."""

    def __init__(
        self,
        transport: Transport,
        compose: Compose,
        desk: SimpleQueue[Word],
        halt: threading.Event,
        retries: Sequence[float],
    ) -> None:
        super().__init__(name="sender", daemon=True)
        self.orders: SimpleQueue[Order | None] = SimpleQueue()
        self.connection = transport.connect()
        self._compose = compose
        self._desk = desk
        self._halt = halt
        self._retries = retries

    def run(self) -> None:
        try:
            self._work()
        finally:
            self.connection.close()
            self._desk.put(Word(self, gone=True))

    def _work(self) -> None:
        done: tuple[Job, Outcome] | None = None
        while True:
            if done is not None and done[1].kind is not Kind.ACCEPTED:
                # The line may be cut: say what came of it before dialling again.
                self._desk.put(Word(self, done))
                done = None
            trouble = self._dial()
            self._desk.put(Word(self, done, wants=trouble is None, trouble=trouble))
            done = None
            if trouble is not None:
                return
            order = self.orders.get()
            if order is None:
                return
            done = (order.job, self._try(order))

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
