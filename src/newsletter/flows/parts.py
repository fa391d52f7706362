"""What the flows of a month work with; built by wiring, handed on whole."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

from newsletter.config import Settings
from newsletter.delivery.outcome import Transport
from newsletter.store import Store
from newsletter.subscribers.vault import Vault


@dataclass(frozen=True, slots=True)
class Parts:
    """`clock` gives this moment, aware, UTC."""

    settings: Settings
    store: Store
    vault: Vault
    transport: Transport
    clock: Callable[[], dt.datetime]
