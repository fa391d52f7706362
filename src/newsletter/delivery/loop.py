"""The send loop: one thread that holds N connections and the ledger's pen.

    desk      claim a batch -> commit (durable) -> witness
              settle the last, begin the next, ONE commit for all that have news
    lines     every connection at once: compose, socket, outcome -> the next turn

The commit that marks a row SENDING comes before the first byte of its message,
and the guard before its MAIL FROM; the commit that records an outcome comes
before that connection's next message. So a process that is killed at any
instant leaves at most one row in doubt per connection.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Sequence

from newsletter.delivery.desk import Desk
from newsletter.delivery.ledger import Lane
from newsletter.delivery.outcome import Transport
from newsletter.delivery.press import Press
from newsletter.delivery.report import Pace, Progress, Report, Stop
from newsletter.delivery.tempo import Tempo
from newsletter.errors import Finding
from newsletter.store import Store
from newsletter.store.restored import was_restored

RESTORED = Finding(
    "NL702",
    "the database was restored from a backup, and may lack what was sent since",
    help="nothing is sent from it, no confirmation either, until `newsletter doctor --adopt` takes it over",
)

__all__ = ["Pace", "Progress", "Report", "Stop", "send"]


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
    tempo: Tempo | None = None,
) -> Report:
    """Send what is due in `lanes`, the first lane first, until nothing is, or `stop` is set.

    `press` has loaded the lanes' issues. `witness` is told the ledger's clock
    after each durable batch of claims of an issue, before its first message.
    `tempo` is shared by loops that send to the same server; None: one of its own.

    A store that was restored and not adopted sends nothing, no notice either:
    what it shows as waiting may have been sent.
    """
    with store.read() as tx:
        if was_restored(tx):
            return Report(Stop.PAUSED, why=RESTORED.what, trouble=RESTORED)
    desk = Desk(store, press, transport, lanes, pace, clock, stop or threading.Event())
    desk.progress, desk.claims.witness = progress, witness
    desk.tempo = tempo or desk.tempo
    return desk.go()
