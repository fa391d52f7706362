"""Two lanes, one loop: an issue's deliveries, and the notices. A Job is one row that a sender holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from newsletter.store.tables import deliveries, notices


@dataclass(frozen=True, slots=True)
class Lane:
    """Where jobs come from: one issue's deliveries (`period`), or all notices (None)."""

    period: str | None

    @property
    def table(self) -> sa.Table:
        return notices if self.period is None else deliveries


NOTICES = Lane(None)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed row with what is needed to compose its message. `id` is the only part that may be logged.

    `attempt` is the number of the try that `begin` starts, from 1; with `id`
    it names the attempt. `address` is sealed; None for a word to the
    publisher, whose mailbox is a setting.
    """

    lane: Lane
    id: str
    kind: Literal["issue", "confirm", "data", "word"]
    language: str
    message_id: str
    attempt: int
    subscriber_id: str
    address: bytes | None
    link_id: bytes | None
    confirmation_id: bytes | None = None

    def __repr__(self) -> str:
        return f"Job({self.id}, attempt {self.attempt})"
