"""SMTP replies: parse them, judge them, let nobody in that they name. Pure.

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
_AROUND = "()[]<>.,:;!?'\""
KEPT = 200
"""Characters of a reply that are worth keeping."""

WORDS = frozenset(
    """
    a access account address after again all allowed an and another any are at authenticated
    authentication available bad be because been before blacklisted blocked blocklist box busy by
    bytes cannot certificate closed closing command connection connections content could credentials
    data deferred delayed delivery denied disabled disk dmarc dkim dns does domain due
    encryption error exceeded exceeds exist exists expired failed failure fast for found from full
    greylisted greylisting has have helo host identity in inactive internal invalid is later
    limit limited line local lookup loop mail mailbox many message messages missing much must
    no not now of off ok on open or out over overloaded permanent permission permitted please policy
    possible problem processing protocol queue queued quota rate received recipient
    recipients refused rejected relay relaying reputation required resources reverse route
    sender sending sent server service session size slow slower space spam spf started starttls storage
    such suspended system taken temporarily temporary terminated the this throttled timeout tls to too
    transaction try unable unavailable undeliverable unexpected unknown unreachable unroutable
    unsolicited user users username using valid verification verify via virus was while
    with you your
    """.split()  # noqa: SIM905 - a page of words, not a column
)
"""What may be kept of a reply: what mail servers say, and nothing that names anybody."""

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


class Incoming:
    """Replies, put together from whatever pieces the line brings. Nothing is ever longer than the limits."""

    __slots__ = ("_buffer", "_code", "_texts")

    def __init__(self) -> None:
        self._buffer = b""
        self._code: int | None = None
        self._texts: list[bytes] = []

    def __bool__(self) -> bool:
        """Whether something was heard that nobody has taken yet."""
        return bool(self._buffer or self._texts)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def take(self) -> Reply | None:
        """The next reply, its lines joined; None while it is not whole.

        Raises:
            Nonsense: what came is no reply.
        """
        while (end := self._buffer.find(b"\n")) >= 0:
            if end > LONGEST_LINE:
                raise Nonsense
            code, more, text = line(self._buffer[:end].removesuffix(b"\r"))
            self._buffer = self._buffer[end + 1 :]
            if self._code not in (None, code) or len(self._texts) >= MOST_LINES:
                raise Nonsense
            self._code = code
            self._texts.append(text)
            if not more:
                whole = b"\n".join(self._texts).decode("ascii", "replace")
                self._code, self._texts = None, []
                return Reply(code, whole)
        if len(self._buffer) > LONGEST_LINE:
            raise Nonsense
        return None


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
        if enhanced is not None and enhanced.startswith("5.7."):  # policy: mostly about us
            return Kind.DEFERRED
        return Kind.REJECTED
    return nonsense(stage)


def nonsense(stage: Stage) -> Kind:
    """Cut, silence, garbage, or a reply that does not belong here."""
    return Kind.IN_DOUBT if stage is Stage.TERMINATOR else Kind.DEFERRED


def outcome(stage: Stage, reply: Reply) -> Outcome:
    return Outcome(
        judge(stage, reply.code, reply.enhanced),
        stage,
        reply.code,
        reply.enhanced,
        scrub(reply.text),
    )


def scrub(text: str) -> str:
    """The server's words that are on our list; whatever else it said is "…".

    A server repeats an address in any spelling it likes: without its tag,
    percent-encoded, in quotes, the domain alone. So nothing is cut out; only
    what cannot be part of a name is let in, and an enhanced status in front.
    """
    found = _ENHANCED.match(text)
    kept = [found[0]] if found else []
    for token in text[found.end() if found else 0 :].split():
        word = token.strip(_AROUND).lower()
        said = word if word in WORDS else "…"
        if said != "…" or kept[-1:] != ["…"]:
            kept.append(said)
    return " ".join(kept)[:KEPT]
