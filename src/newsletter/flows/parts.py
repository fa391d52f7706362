"""What the flows of a month work with; built by wiring, handed on whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from newsletter.config import Settings
from newsletter.delivery.outcome import Transport
from newsletter.delivery.tempo import Tempo
from newsletter.store import Store
from newsletter.subscribers.journal import Journal
from newsletter.subscribers.vault import Vault


class Books(Protocol):
    """What ending an issue needs, and no more: neither the key nor the road. `Parts` are it, and `wiring.House`.

    An issue that must not go on is halted by whoever is there, whatever else is missing.
    """

    @property
    def settings(self) -> Settings: ...
    @property
    def store(self) -> Store: ...
    @property
    def mirror(self) -> Path | None: ...
    @property
    def complain(self) -> Callable[[Exception], None]: ...


def silent(trouble: Exception) -> None:
    """Nobody is told."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`clock` gives this moment, aware, UTC.

    `rebuild` makes the site anew; where that fails, for a broken text or
    another build, the last good site stays, and nothing is raised. `readable` tells whether a page of the site
    answers where readers will look for it. `mirror` is the folder of this
    host's own copy of the witness; None keeps none. `complain` is told of what
    is wrong beside work that goes on. `tempo` is shared with whoever else sends
    from here; None: nobody does. `journal` is where who left stands outside the
    database; None keeps none.
    """

    settings: Settings
    store: Store
    vault: Vault
    transport: Transport
    clock: Callable[[], dt.datetime]
    rebuild: Callable[[], None]
    readable: Callable[[str], bool]
    mirror: Path | None = None
    complain: Callable[[Exception], None] = silent
    tempo: Tempo | None = None
    journal: Journal | None = None

    def catch_up(self) -> None:
        """Whoever the journal says has left is gone from the database too. One small read when they agree.

        For every send, not for every start alone: a database may be put back
        to before a leave while this process lives, and no witness counts leaves.
        """
        if self.journal is not None:
            self.journal.catch_up(self.store)
