"""Which column of a CSV means what, told by its header."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from newsletter.errors import CouldNotRun, Finding, Where, did_you_mean
from newsletter.subscribers.evidence import Claim

OWN = (
    "address",
    "language",
    "consent_wording",
    "consent_text",
    "asked_at",
    "consented_at",
    "method",
    "source",
)
"""Our own header, as `subscribers export` writes it; only `address` must be there."""


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula (OWASP, "CSV injection")."""


def in_a_cell(value: str) -> str:
    """The value, with an apostrophe before what a spreadsheet would run (and before an apostrophe)."""
    return f"'{value}" if value.startswith((*FORMULA, "'")) else value


def out_of_a_cell(value: str) -> str:
    """The value again."""
    return value[1:] if value[:1] == "'" and value[1:].startswith((*FORMULA, "'")) else value


@dataclass(frozen=True, slots=True)
class Layout:
    """The place of each meaning in a row; None where the file has no such column."""

    places: dict[str, int]

    def _get(self, name: str, fields: Sequence[str]) -> str:
        place = self.places.get(name)
        return "" if place is None else out_of_a_cell(fields[place].strip())

    def address(self, fields: Sequence[str]) -> str:
        return self._get("address", fields)

    def language(self, fields: Sequence[str]) -> str:
        return self._get("language", fields)

    def claim(self, fields: Sequence[str]) -> Claim:
        return Claim(
            wording=self._get("consent_wording", fields),
            text=self._get("consent_text", fields),
            given_at=self._get("consented_at", fields),
            asked_at=self._get("asked_at", fields),
            method=self._get("method", fields),
            source=self._get("source", fields),
        )


def recognise(header: Sequence[str], name: str) -> Layout:
    """The layout that a header tells.

    Raises:
        CouldNotRun: NL523, a column is unknown, stands twice, or there is no address.
    """
    where = Where(name, 1)
    findings = [
        Finding("NL523", f"unknown column `{column}`", where, help=_known(column))
        for column in header
        if column not in OWN
    ]
    findings += [
        Finding("NL523", f"the column `{column}` stands twice", where, help="keep one of them")
        for column in dict.fromkeys(header)
        if header.count(column) > 1
    ]
    if "address" not in header:
        findings.append(
            Finding("NL523", "there is no column `address`", where, help=f"known: {', '.join(OWN)}")
        )
    if findings:
        raise CouldNotRun(*findings)
    return Layout({column: place for place, column in enumerate(header)})


def _known(column: str) -> str:
    return did_you_mean(column, OWN) or f"known: {', '.join(OWN)}; remove or rename this one"
