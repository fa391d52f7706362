"""SMTP replies: parse them, judge them, cut people out of them. Pure.

    stage x code -> Kind        the whole policy is `judge`

Source: RFC 5321 §4.2 and §4.3.2, RFC 3463, RFC 1047.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from newsletter.delivery.outcome import Kind, Outcome, Stage

LONGEST_LINE = 2048
"""RFC 5321 §4.5.3.1.5 allows 512; four times that is somebody else's protocol."""
MOST_LINES = 100

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\S)", re.ASCII)
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>]+>?")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")
KEPT = 200
"""Characters of a reply that are worth keeping."""

OUR_STAGES = frozenset({Stage.GREETING, Stage.HELLO, Stage.STARTTLS, Stage.AUTH, Stage.MAIL})
"""A 5yz here is about us: no reader was named yet."""


class Nonsense(Exception):
    """What came was no SMTP reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """RFC 3463 status, "5.7.1"; RFC 2034 puts it first in the text."""
        found = _ENHANCED.match(self.text)
        return found[0] if found else None


def line(raw: bytes) -> tuple[int, bool, bytes]:
    """One reply line without its end: code, whether more lines follow, text.

    Raises:
        Nonsense: it is none.
    """
    found = _LINE.fullmatch(raw)
    if found is None:
        raise Nonsense
    return int(found[1]), found[2] == b"-", found[3] or b""


def judge(stage: Stage, code: int, enhanced: str | None = None) -> Kind:
    """What a reply at `stage` means for the message. A reply that lets the dialogue go on is not judged."""
    first = code // 100
    if stage is Stage.TERMINATOR and first == 2:
        return Kind.ACCEPTED
    if first == 4:  # 421 too: the session ends, the message may come again (RFC 5321 §3.8)
        return Kind.DEFERRED
    if first == 5:
        if stage in OUR_STAGES:
            return Kind.OUR_FAULT
        if stage is Stage.RCPT and code == 552:  # RFC 5321 §4.5.3.1.10: read it as 452
            return Kind.DEFERRED
        if stage is Stage.DATA:  # neither about us nor about the mailbox: the ladder decides
            return Kind.DEFERRED
        if enhanced is not None and enhanced[0] == "4":  # the two disagree: do not give up
            return Kind.DEFERRED
        return Kind.REJECTED
    return nonsense(stage)


def nonsense(stage: Stage) -> Kind:
    """Cut, silence, garbage, or a reply that does not belong here."""
    return Kind.IN_DOUBT if stage is Stage.TERMINATOR else Kind.DEFERRED


def outcome(stage: Stage, reply: Reply, recipient: str = "") -> Outcome:
    return Outcome(
        judge(stage, reply.code, reply.enhanced),
        stage,
        reply.code,
        reply.enhanced,
        scrub(reply.text, recipient),
    )


def scrub(text: str, recipient: str = "") -> str:
    """The server's words without any address, and without the recipient's local part."""
    text = _ADDRESS.sub("(address)", _UNPRINTABLE.sub(" ", text))
    local = recipient.partition("@")[0]
    if local and local.lower() in text.lower():  # a pattern for each reader would be compiled anew
        text = re.sub(rf"(?<!\w){re.escape(local)}(?!\w)", "(address)", text, flags=re.IGNORECASE)
    return text[:KEPT].strip()
