"""Which column of a CSV means what, and whose file it is, told by its header.

Exports of other programs say who is subscribed, and hardly ever which words
were agreed to. So their rows come in with evidence columns added by the
operator, or by asking everybody anew (`--reconfirm`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

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
class Format:
    """Whose export it is. Column names as `csvfile` normalises them: lower case, `_` for a space.

    A file is of this format when its header has every column of `signature`.
    `columns` gives their name for a meaning of ours; `here` says which values a
    column has for somebody who is subscribed (a column that is not there says
    nothing).
    """

    name: str
    signature: frozenset[str]
    columns: dict[str, str] = field(default_factory=dict)
    here: dict[str, frozenset[str]] = field(default_factory=dict)


_NONE = frozenset({""})
_PAYING = frozenset({"", "regular", "premium", "gifted", "trialed", "past_due", "churned"})

FORMATS = (
    Format("ours", frozenset({"address"})),
    Format(
        "listmonk",
        frozenset({"uuid", "email", "attributes", "status"}),
        {"address": "email"},
        {"status": frozenset({"enabled"})},
    ),
    Format(
        "Mailchimp",
        frozenset({"email_address", "optin_time", "confirm_time", "euid"}),
        {"address": "email_address", "asked_at": "optin_time", "consented_at": "confirm_time"},
        {"unsub_time": _NONE, "clean_time": _NONE},
    ),
    Format(
        "Ghost",
        frozenset({"email", "subscribed_to_emails", "created_at", "deleted_at"}),
        {"address": "email"},
        {"subscribed_to_emails": frozenset({"true"}), "deleted_at": _NONE},
    ),
    Format(
        "Substack",
        frozenset({"email", "active_subscription", "email_disabled", "created_at"}),
        {"address": "email"},
        {"email_disabled": frozenset({"false", ""})},
    ),
    Format(
        "Buttondown",
        frozenset({"email_address", "metadata", "tags", "notes"}),
        {"address": "email_address"},
        {"type": _PAYING, "subscriber_type": _PAYING, "unsubscription_date": _NONE},
    ),
    Format(
        "Buttondown",
        frozenset({"email", "metadata", "tags", "notes"}),
        {"address": "email"},
        {"type": _PAYING, "subscriber_type": _PAYING, "unsubscription_date": _NONE},
    ),
)
"""In the order they are tried. Headers as those programs write them (2026)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The place of each meaning in a row; a meaning without a column is not in `places`."""

    format: Format
    places: dict[str, int]
    here: tuple[tuple[int, frozenset[str]], ...]

    def _get(self, name: str, fields: Sequence[str]) -> str:
        place = self.places.get(name)
        return "" if place is None else out_of_a_cell(fields[place].strip())

    def address(self, fields: Sequence[str]) -> str:
        return self._get("address", fields)

    def language(self, fields: Sequence[str]) -> str:
        return self._get("language", fields)

    def is_subscribed(self, fields: Sequence[str]) -> bool:
        """Whether the other program says that this person still wants mail."""
        return all(fields[place].strip().lower() in values for place, values in self.here)

    def claim(self, fields: Sequence[str]) -> Claim:
        is_ours = self.format.name == "ours"
        return Claim(
            wording=self._get("consent_wording", fields),
            text=self._get("consent_text", fields),
            given_at=self._get("consented_at", fields),
            asked_at=self._get("asked_at", fields),
            method=self._get("method", fields),
            source=self._get("source", fields) or ("" if is_ours else self.format.name),
        )


def recognise(header: Sequence[str], name: str) -> Layout:
    """The layout that a header tells.

    Raises:
        CouldNotRun: NL523, it is nobody's header, or a column is unknown or stands twice.
    """
    where = Where(name, 1)
    columns = set(header)
    found = next((each for each in FORMATS if each.signature <= columns), None)
    if found is None:
        raise CouldNotRun(
            *_unknown(header, where),
            Finding(
                "NL523", "there is no column `address`", where, help=f"known: {', '.join(OWN)}"
            ),
        )
    meant = {name: found.columns.get(name, name) for name in OWN}
    # A column that the operator added under our name goes before theirs.
    meant |= {name: name for name in OWN if name in columns}
    findings = _unknown(header, where) if found.name == "ours" else []
    findings += [
        Finding("NL523", f"the column `{column}` stands twice", where, help="keep one of them")
        for column in [*meant.values(), *found.here]
        if header.count(column) > 1
    ]
    if findings:
        raise CouldNotRun(*findings)
    places = {name: header.index(column) for name, column in meant.items() if column in columns}
    here = tuple((header.index(name), ok) for name, ok in found.here.items() if name in columns)
    return Layout(found, places, here)


def _unknown(header: Sequence[str], where: Where) -> list[Finding]:
    return [
        Finding("NL523", f"unknown column {_shown(column)}", where, help=_known(column))
        for column in dict.fromkeys(header)
        if column not in OWN
    ]


def _shown(column: str) -> str:
    """Its name; but a file without a header begins with somebody's address."""
    return "(it holds an @: is the header line missing?)" if "@" in column else f"`{column[:40]}`"


def _known(column: str) -> str:
    return did_you_mean(column, OWN) or f"known: {', '.join(OWN)}; remove or rename this one"
