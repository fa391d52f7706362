"""A connection's own thread, for what blocks: opening the line, closing it, and a `send` that knows no steps.

It runs one errand at a time and puts what came of it on a shelf. It knows the
network and no database, and decides nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue

from newsletter.delivery.outcome import Connection, Envelope, Kind, Outcome, Stage

Errand = Callable[[], Outcome | None]

LONG_SECONDS = 60.0
"""All the waits before a relay is given up for this time are 14 seconds."""


class Worker(threading.Thread):
    """`report` is called in this thread with what each errand came to."""

    def __init__(
        self,
        connection: Connection,
        halt: threading.Event,
        retries: Sequence[float],
        report: Callable[[Outcome | None], None],
    ) -> None:
        super().__init__(name="line", daemon=True)
        self.connection = connection
        self._errands: SimpleQueue[Errand | None] = SimpleQueue()
        self._halt, self._retries, self._report = halt, retries, report

    def run(self) -> None:
        while (errand := self._errands.get()) is not None:
            self._report(errand())
        self.connection.close()

    def dial(self) -> None:
        """Open the line if it is not; a relay that is just starting gets a few tries."""
        self._errands.put(self._dial)

    def ready(self) -> None:
        """Open the line, in the middle of a message: one try."""
        self._errands.put(self._ready)

    def send(self, envelope: Envelope, message: bytes) -> None:
        self._errands.put(lambda: attempt(lambda: self.connection.send(envelope, message)))

    def go_home(self) -> None:
        """Close the line and end, once the errand under way is done."""
        self._errands.put(None)

    def _ready(self) -> Outcome | None:
        try:
            return self.connection.ready()
        except Exception as error:  # noqa: BLE001 - one line's trouble must not stop the others
            return Outcome(Kind.DEFERRED, Stage.CONNECT, reply=f"broke: {type(error).__name__}")

    def _dial(self) -> Outcome | None:
        began = time.monotonic()
        for wait in (*self._retries, None):
            trouble = self._ready()
            if trouble is None or trouble.kind is Kind.OUR_FAULT:
                return trouble
            # Whoever says nothing for minutes is not just starting.
            late = time.monotonic() - began > LONG_SECONDS
            if wait is None or late or self._halt.wait(wait):
                return trouble
        raise AssertionError("the last wait is None")


def attempt(step: Callable[[], Outcome]) -> Outcome:
    """Whatever happens in it is an Outcome."""
    try:
        return step()
    except Exception as error:  # noqa: BLE001 - nobody can say how far it got
        return Outcome(Kind.IN_DOUBT, Stage.TERMINATOR, reply=f"broke: {type(error).__name__}")
