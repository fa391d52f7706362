"""Who else sends from this ledger: the publisher's limits hold for all of them together.

    senders that live -> how many processes, and which of them is this -> Tempo.share

Each looks again every second. One that comes to others waits two before its
first dial, so that they have taken notice by then; what they have under way
they finish first.
"""

from __future__ import annotations

import threading
import time

from newsletter.delivery import ledger
from newsletter.delivery.tempo import Tempo
from newsletter.store import Store

LOOK_SECONDS = 1.0
"""Half of `Pace.settle_seconds`."""


class Company:
    """As `sender` sees it, which is registered. For one thread."""

    def __init__(self, store: Store, sender: str, tempo: Tempo) -> None:
        self._store, self._sender, self._tempo = store, sender, tempo
        self._looked = 0.0

    def join(self, stop: threading.Event, settle: float) -> None:
        """Take a part of the limits; `settle` are the seconds that whoever is at work is given."""
        if self.look() > 1 and not stop.wait(settle):
            self.look()

    def keep(self) -> None:
        """Look again when it is time."""
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self.look()

    def look(self) -> int:
        """How many processes send, this one among them."""
        self._looked = time.monotonic()
        with self._store.read() as tx:
            place, of = ledger.crowd(tx, self._sender)
        self._tempo.share(place, of)
        return of
