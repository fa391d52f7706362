"""Reply code, status and policy out of a server's words. Pure; keeps none of the words."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from newsletter.delivery.feedback.events import ENHANCED

LONGEST = 2000
"""Characters of a diagnostic that are looked at."""


@dataclass(frozen=True, slots=True)
class Failure:
    """`blocked`: the words say that it is about us, which a bare 550 does not tell."""

    code: int | None = None
    enhanced: str | None = None
    blocked: bool = False

    @property
    def vague(self) -> bool:
        """Whether there is no status, or one that says nothing (x.0.0)."""
        return self.enhanced is None or self.enhanced.endswith(".0.0")

    @property
    def permanent(self) -> bool:
        return (self.enhanced or str(self.code or ""))[:1] == "5"


_ADDRESS = re.compile(r"\S{0,200}@\S{0,200}")
_SAID = re.compile(
    r"(?<![\w.@-])(?:"
    r"([245]\d\d)(?:[ -]+[#(<]{0,2}([245]\.\d{1,3}\.\d{1,3})(?![.\w])|(?= +\S|-+[^\s\d-]))"
    r"|[#(<]{0,2}([245]\.\d{1,3}\.\d{1,3})(?![.\w])"
    r")",
    re.ASCII,
)
_POLICY = re.compile(
    r"spam|\bblock(?:ed|ing)?\b|black ?list|block ?list|deny ?list|reputation|\bpolicy\b|\brbl\b"
    r"|dnsbl|spamhaus|dmarc|\bspf\b|\bdkim\b|virus|unsolicited|\bbanned\b|rate limit|too many",
    re.IGNORECASE,
)


def in_words(text: str) -> Failure:
    """The first code or status in `text`, and whether its line speaks of policy."""
    for line in text[:LONGEST].splitlines() or [""]:
        bare = _ADDRESS.sub(" ", line)  # an address may hold "spam" or "550"
        found = _SAID.search(bare)
        if found is not None:
            code = int(found[1]) if found[1] else None
            said = Failure(code, found[2] or found[3])
            return replace(said, blocked=said.vague and _POLICY.search(bare) is not None)
    return Failure()


def in_report(status: str | None, diagnostic: str | None) -> Failure:
    """Of the two fields of RFC 3464 §2.3.4 and §2.3.6; the one that says more wins.

    Exim writes "5.0.0" for everything and leaves the truth to the diagnostic.
    """
    found = ENHANCED.match((status or "").strip())
    told = found[0] if found else None
    said = in_words(_spoken(diagnostic or ""))
    policy = (said.enhanced or "").split(".")[1:2] == ["7"]
    if not policy and not Failure(said.code, told).vague:
        return Failure(said.code, told)
    return replace(said, enhanced=said.enhanced or told)


def _spoken(diagnostic: str) -> str:
    """ "smtp; 550 5.1.1 ..." without its type; words of another kind hold no SMTP code."""
    kind, between, words = diagnostic.partition(";")
    if not between:
        return diagnostic
    return words if kind.strip().lower() in ("smtp", "x-smtp", "lmtp", "x-lmtp") else ""
