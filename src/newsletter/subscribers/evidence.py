"""What a row of an import says about consent: a Record, or why it is none.

Nobody is believed without evidence: which words, when, and how (GDPR Art.
7(1)). The words are a wording this store knows, or the text itself.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.subscribers import consent, wordings

LONGEST_TEXT = 20_000
"""Characters of a consent text; far more than anybody reads before a tick."""

LONGEST_NOTE = 200
"""Characters of "how" and "where"."""


CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Claim:
    """The evidence columns of one row, as they stand there. "" where there is none."""

    wording: str = ""
    """Hash or version of a wording this store knows."""
    text: str = ""
    given_at: str = ""
    asked_at: str = ""
    method: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim that holds: its record, and the wording to keep if it came as text."""

    shown: wordings.Shown
    given_at: dt.datetime
    payload: str
    """The record as the chain keeps it."""


class Reader:
    """Reads claims, each different one once: rows of a list are often alike."""

    def __init__(self, known: dict[str, wordings.Shown], now: dt.datetime) -> None:
        self._known = known
        self._now = now
        self._read: dict[tuple[Claim, str], Proof | str] = {}

    def read(self, claim: Claim, language: str) -> Proof | str:
        """As the function `read`."""
        found = self._read.get((claim, language))
        if found is None:
            if len(self._read) > 10_000:  # a time of its own in every row: memory stays flat
                self._read.clear()
            found = self._read[claim, language] = read(claim, language, self._known, self._now)
        return found


def _missing(claim: Claim) -> Iterator[str]:
    if not claim.wording and not claim.text:
        yield "which words were agreed to (consent_wording or consent_text)"
    if not claim.given_at:
        yield "when consent was given (consented_at)"
    if not claim.method and not claim.source:
        yield "how consent was given (method or source)"


def read(
    claim: Claim, language: str, known: dict[str, wordings.Shown], now: dt.datetime
) -> Proof | str:
    """The proof in a claim, or in a few words what it lacks, all of it.

    `known` maps hashes and versions ("en/1") to registered wordings.
    """
    lacking = list(_missing(claim))
    if lacking:
        return f"it does not say {', nor '.join(lacking)}"
    if claim.wording:
        found = known.get(claim.wording)
        if found is None:
            return "its consent_wording is none that this store knows"
    else:
        text = claim.text.strip()
        if len(text) > LONGEST_TEXT or _has_controls(text.replace("\n", "").replace("\t", "")):
            return "its consent_text is no text that anybody agreed to"
        found = wordings.shown(language, wordings.IMPORTED, text)
    given_at = moment(claim.given_at)
    asked_at = moment(claim.asked_at) if claim.asked_at else None
    if given_at is None or (claim.asked_at and asked_at is None):
        return "its time of consent is no date like 2026-11-21 or 2026-11-21T12:00Z"
    if given_at > now:
        return "its time of consent lies in the future"
    if any(
        len(note) > LONGEST_NOTE or _has_controls(note) for note in (claim.method, claim.source)
    ):
        return "its method or source is too long, or holds control characters"
    record = consent.Record(
        consent.Happened.GIVEN,
        wording=found.hash,
        language=found.language,
        method=f"{consent.Method.IMPORTED}: {claim.method}"
        if claim.method
        else consent.Method.IMPORTED,
        source=claim.source or None,
        asked_at=asked_at,
        given_at=given_at,
    )
    return Proof(found, given_at, record.payload())


def moment(text: str) -> dt.datetime | None:
    """An aware moment from ISO 8601; without a zone it is UTC; None when it is none."""
    try:
        read_moment = dt.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if read_moment.tzinfo is None:
        read_moment = read_moment.replace(tzinfo=dt.UTC)
    # Before e-mail there was no newsletter; a year 1900 is a spreadsheet's empty cell.
    return read_moment.astimezone(dt.UTC) if read_moment.year >= 1971 else None


def _has_controls(text: str) -> bool:
    return CONTROLS.search(text) is not None
