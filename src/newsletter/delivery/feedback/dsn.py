"""Reports of delivery (RFC 3464): what became of the one recipient that each of our mails has. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from newsletter.delivery.feedback.events import Kind
from newsletter.delivery.feedback.failure import Failure, in_report
from newsletter.delivery.feedback.mime import Part, fields

STATUS = frozenset({"message/delivery-status", "message/global-delivery-status"})
MOST_BLOCKS = 50

_KINDS = {
    "failed": Kind.BOUNCED,
    "delayed": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "relayed": Kind.DELIVERED,
    "expanded": Kind.DELIVERED,
}
"""RFC 3464 §2.3.3: each but "failed" says that the mail was taken."""


@dataclass(frozen=True, slots=True)
class Report:
    """`kind` is None for a report that says nothing understood; `envelope_id` as the reporter gave it."""

    kind: Kind | None
    failure: Failure
    envelope_id: str | None

    @property
    def says_little(self) -> bool:
        """A failure for which it gives no reply of a server: OpenSMTPD's 5.0.0 for everything."""
        failure = self.failure
        return self.kind is Kind.BOUNCED and failure.code is None and failure.vague

    def in_other_words(self, said: Failure) -> Report:
        """The same with the reply that stands in the words for people, if one does."""
        if said == Failure():
            return self
        said = replace(said, enhanced=said.enhanced or self.failure.enhanced)
        return Report(*_blocked(Kind.BOUNCED, said), self.envelope_id)


def read(part: Part) -> Report:
    """The report in a message/delivery-status part."""
    text = part.content.replace(b"\r\n", b"\n")
    envelope_id: str | None = None
    told: list[tuple[Kind, Failure]] = []
    for block in _blocks(text):
        envelope_id = envelope_id or block.get("original-envelope-id")
        action = re.match(r"[a-z]+", block.get("action", "").lower())
        kind = _KINDS.get(action[0]) if action else None
        if kind is not None:
            failure = in_report(block.get("status"), block.get("diagnostic-code"))
            told.append((kind, failure))
    kind, failure = _together(told)
    return Report(kind, failure, envelope_id)


def _together(told: list[tuple[Kind, Failure]]) -> tuple[Kind | None, Failure]:
    """One answer for several recipients: an alias behind ours. It failed if it failed for all."""
    for kind in (Kind.DELIVERED, Kind.DEFERRED):
        if any(each is kind for each, _ in told):
            return kind, Failure()
    if not told:
        return None, Failure()
    return _blocked(*told[0])


def _blocked(kind: Kind, failure: Failure) -> tuple[Kind, Failure]:
    return (Kind.BLOCKED if failure.blocked else kind), failure


def _blocks(text: bytes) -> Iterator[dict[str, str]]:
    """Groups of fields between empty lines (RFC 3464 §2.1); of a field that is there twice, the first."""
    for number, block in enumerate(re.split(rb"\n[ \t]*\n", text.strip(b"\n"))):
        if number == MOST_BLOCKS:
            return
        found: dict[str, str] = {}
        for name, value in fields(block.strip(b"\n"))[0]:
            found.setdefault(name, value)
        yield found
