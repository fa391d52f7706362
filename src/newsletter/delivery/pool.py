"""The pool: rows that this sender has claimed and not begun, and its lease on them.

low -> claim a batch of each lane in turn -> commit (durable) -> witness

Where notices go before an issue, on the only connection, they are one in four
of a batch: anybody may ask for as many as they like, and the issue is due.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy.engine import Connection

from newsletter.delivery import ledger
from newsletter.delivery.ledger import Job, Lane
from newsletter.delivery.tempo import IN_FOUR
from newsletter.store import Store
from newsletter.subscribers.vault import Vault

RENEW_SECONDS = 60.0


class Pool:
    """At most `size` rows. `lost` is called when another sender took this one for dead."""

    witness: Callable[[int], None] | None = None

    def __init__(
        self,
        store: Store,
        vault: Vault,
        lanes: Sequence[Lane],
        sender: str,
        size: int,
        clock: Callable[[], dt.datetime],
        lost: Callable[[], None],
    ) -> None:
        self._store, self._vault, self._lanes = store, vault, lanes
        self._sender, self._size, self._clock, self._lost = sender, size, clock, lost
        self._renewed = time.monotonic()
        self.jobs: deque[Job] = deque()

    def refill(self, hungry: int) -> None:
        """Claim when it runs low, durably, and tell the witness."""
        if len(self.jobs) >= hungry:
            return
        tick = None
        with self._store.write() as tx:
            self._vault.follow(tx)
            if not self._renew(tx):
                return
            wanted = self._size - len(self.jobs)
            for lane, most in self._shares(wanted):
                limit = min(most, wanted)
                if not limit:
                    continue
                jobs = ledger.claim(tx, lane, self._sender, limit, self._clock())
                wanted -= len(jobs)
                self.jobs += jobs
                if jobs and lane.period is not None:
                    tick = ledger.clock.advance(tx)
        if tick is not None and self.witness is not None:
            self.witness(tick)

    def _shares(self, wanted: int) -> list[tuple[Lane, int]]:
        """The lanes in their order, and how many of each; what an issue leaves is for the others again."""
        if len(self._lanes) < 2:
            return [(lane, wanted) for lane in self._lanes]
        few = -(-wanted // IN_FOUR)
        first = [(lane, few if lane.period is None else wanted) for lane in self._lanes]
        return [*first, *((lane, wanted) for lane in self._lanes if lane.period is None)]

    def keep(self) -> None:
        """Renew the lease when it is time."""
        if time.monotonic() - self._renewed > RENEW_SECONDS:
            with self._store.write() as tx:
                self._renew(tx)

    def _renew(self, tx: Connection) -> bool:
        """A sender that was taken for dead begins nothing more."""
        self._renewed = time.monotonic()
        if ledger.renew(tx, self._sender, self._clock()):
            return True
        self._lost()
        self.jobs.clear()
        return False
