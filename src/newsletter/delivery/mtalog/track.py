"""What a log says of one message, gathered line by line; and the proof that comes of it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

MOST_QUEUE_IDS = 4
"""A filter queues a message again under another id; a log that shows more is no log of ours."""


class Proof(StrEnum):
    """What the log proves of a message."""

    TAKEN = "taken"
    """Our server queued it: accepted, whatever became of it later."""
    BOUNCED = "bounced"
    """Our server queued it, tried, and gave it back."""
    REFUSED = "refused"
    """Our server answered 5xx to the final dot: rejected, in our table."""
    NOT_TAKEN = "not taken"
    """Our server says that it threw away what it had of it, and never answered 250."""
    BEGUN = "begun"
    """It saw the headers; whether it took the message does not stand there."""
    ABSENT = "absent"
    """The message is not named at all."""


class Tracks:
    """The messages that somebody asks about; `found` holds those the log names, in its order.

    `names` are Message-IDs without their brackets.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.encode("ascii") for name in names}
        self.found: dict[str, Track] = {}

    def of(self, name: bytes) -> Track | None:
        """The track of a message that is asked about; None for any other."""
        if name not in self._names:
            return None
        return self.found.setdefault(name.decode("ascii"), Track())


@dataclass(slots=True)
class Track:
    """One message of ours in a log. `queue_ids` are the server's names for it, no person's."""

    queue_ids: list[str] = field(default_factory=list)
    taken: bool = False
    cancelled: bool = False
    held: bool = False
    """Put on hold: taken or not, the log may stay silent."""
    refused: str = ""
    """The RFC 3463 status of the refusal; "5.0.0" when none stood there."""
    status: str = ""
    """The last word of a delivery: sent, deferred, bounced, expired, ..."""
    enhanced: str | None = None
    code: int | None = None
    bounced: bool = False

    def named(self, queue_id: str) -> None:
        if queue_id not in self.queue_ids and len(self.queue_ids) < MOST_QUEUE_IDS:
            self.queue_ids.append(queue_id)

    def delivery(
        self, status: str, *, bounced: bool, enhanced: str | None = None, code: int | None = None
    ) -> None:
        """A delivery agent had it, so the server had taken it. A bounce is not undone by a later word."""
        self.taken = True
        if self.bounced:
            return
        self.status, self.enhanced, self.code, self.bounced = status, enhanced, code, bounced

    @property
    def proof(self) -> Proof:
        if self.bounced:
            return Proof.BOUNCED
        if self.taken:
            return Proof.TAKEN
        if self.refused:
            return Proof.REFUSED
        if self.cancelled:
            return Proof.NOT_TAKEN
        return Proof.BEGUN if self.queue_ids else Proof.ABSENT

    def words(self, server: str) -> str:
        """ "postfix 4Xq2.. sent 2.0.0": nothing in it names a person."""
        last = self.status or (self.proof.value if self.proof is not Proof.TAKEN else "queued")
        status = self.enhanced or self.refused
        return " ".join(filter(None, (server, *self.queue_ids, last, status)))
