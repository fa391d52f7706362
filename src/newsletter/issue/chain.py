"""The public chain: one line for each thing that happened to an issue, each holding the hash of the line before. Pure.

    {"at": ..., "audience": 1234, "before": "0000…", "event": "opened", "line": 1, ...}
    {"at": ..., "before": "<SHA-256 of the line above>", "event": "closed", "line": 2, "totals": {...}}

Canonical JSON, ASCII, keys in order, one line each; `before` is the SHA-256 of
the whole line above, its line end included, so `sed -n 1p chain.jsonl |
sha256sum` shows it to anybody. Numbers from 1 to 4 stand as "<5". It lies in
the room that both wings may see: delivery writes it, site and audit read it,
and nobody stands in it.

What a chain cannot show by itself: that its tail was cut off, or that it was
written anew from some line on. The database, the record beside it or a head
that somebody noted shows that (`known`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

NAME = "chain.jsonl"
START = "0" * 64
"""What stands as `before` in the first line."""
VERSION = 1
MOST_BYTES = 16 * 1024 * 1024
"""A century of amendments is less than a tenth of this."""

Cell = int | str
"""A count; "<5" for 1 to 4."""


class Event(StrEnum):
    OPENED = "opened"
    """The audience is fixed; the first mail may go."""
    HALTED = "halted"
    """It was stopped; whoever was not served will not be."""
    CLOSED = "closed"
    """Nothing is pending any more."""
    AMENDED = "amended"
    """The totals changed after that: a late bounce, a doubt resolved."""


_MONTH = re.compile(r"\d{4}-(?:0[1-9]|1[0-2])", re.ASCII)

SHAPES: dict[Event, frozenset[str]] = {
    Event.OPENED: frozenset({"audience", "manifest", "number"}),
    Event.HALTED: frozenset(),
    Event.CLOSED: frozenset({"totals"}),
    Event.AMENDED: frozenset({"totals"}),
}
"""What each line holds beside what every line holds."""
COMMON = frozenset({"at", "before", "event", "line", "period", "version"})
TOTALS = ("audience", "accepted", "bounced", "complained", "rejected", "excluded", "in_doubt")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that was read; `said` holds what SHAPES names."""

    number: int
    event: Event
    period: str
    at: dt.datetime
    said: dict[str, Any]
    digest: str
    """The SHA-256 of the line itself: the head of the chain, as long as it is the last."""


class Breach(StrEnum):
    """What was done to a chain."""

    CHANGED = "changed"
    MISSING = "missing"
    ORDER = "order"
    SHAPE = "shape"
    """Not a line as this program writes it."""
    STORY = "story"
    """Lines that hold, and say what cannot be: two issues in a month, a sum that is none."""


@dataclass(frozen=True, slots=True)
class Broken:
    """`line` counts lines of the file, from 1."""

    breach: Breach
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What stands in the file. `head` is the SHA-256 of its last line, START for none."""

    lines: tuple[Line, ...] = ()
    broken: tuple[Broken, ...] = ()
    head: str = START

    def of(self, period: str, *events: Event) -> tuple[Line, ...]:
        return tuple(each for each in self.lines if each.period == period and each.event in events)

    def totals(self, period: str) -> dict[str, Cell] | None:
        """The last totals of a closed issue; None while it has none."""
        found = self.of(period, Event.CLOSED, Event.AMENDED)
        return found[-1].said["totals"] if found else None

    def holds(self, digest: str) -> bool:
        """Whether a head that somebody noted is the hash of one of these lines."""
        return any(each.digest == digest for each in self.lines)


def canonical(said: dict[str, Any]) -> bytes:
    """The one way to write a line."""
    return (
        json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
    )


def following(chain: Chain, event: Event, period: str, at: dt.datetime, **said: Any) -> bytes:
    """The line that comes after `chain`."""
    assert said.keys() == SHAPES[event], f"{event} holds {sorted(SHAPES[event])}"
    return canonical(
        {
            "version": VERSION,
            "line": len(chain.lines) + 1,
            "before": chain.head,
            "event": event.value,
            "period": period,
            "at": at.astimezone(dt.UTC).isoformat(timespec="seconds"),
            **said,
        }
    )


def read(data: bytes) -> Chain:
    """Every line of a chain, and everything that is wrong with it. Never raises for what stands there."""
    found: list[Line] = []
    broken: list[Broken] = []
    head, expected = START, 1
    for at, raw in enumerate(_split(data), 1):
        line = _line(raw)
        if isinstance(line, str):
            broken.append(Broken(Breach.SHAPE, at, f"line {at} {line}"))
            head, expected = hashlib.sha256(raw).hexdigest(), expected + 1
            continue
        said_before = json.loads(raw)["before"]
        if line.number > expected:
            gone = f"line {expected}" + (
                f" to {line.number - 1}" if line.number - expected > 1 else ""
            )
            broken.append(
                Broken(Breach.MISSING, at, f"{gone} is missing before line {line.number}")
            )
        elif line.number < expected:
            what = f"line {line.number} stands where line {expected} belongs"
            broken.append(Broken(Breach.ORDER, at, what))
        elif said_before != head:
            what = (
                f"line {line.number - 1} was changed: it is not what line {line.number} follows"
                if line.number > 1
                else "line 1 does not begin the chain: lines before it were taken away"
            )
            broken.append(Broken(Breach.CHANGED, max(at - 1, 1), what))
        found.append(line)
        head, expected = line.digest, line.number + 1
    return Chain(tuple(found), tuple(broken), head)


def read_on(chain: Chain, raw: bytes) -> Chain:
    """`chain` with one line more, which is written as it should be."""
    line = _line(raw)
    assert isinstance(line, Line), line
    return Chain((*chain.lines, line), chain.broken, line.digest)


def _split(data: bytes) -> Iterator[bytes]:
    """Lines with their ends; a last one without its end is one as well."""
    for each in data.split(b"\n")[:-1]:
        yield each + b"\n"
    if not data.endswith(b"\n") and data:
        yield data.rpartition(b"\n")[2]


def _line(raw: bytes) -> Line | str:
    """The line, or why it is none."""
    try:
        said = json.loads(raw)
        if not isinstance(said, dict) or canonical(said) != raw:
            return "is not written as this program writes it"
        event = Event(said["event"])
        if said.keys() != COMMON | SHAPES[event] or said["version"] != VERSION:
            return f"does not hold what a line of an issue that was {event} holds"
        at = dt.datetime.fromisoformat(said["at"])
        if at.utcoffset() != dt.timedelta(0):
            return "has a time that is not in UTC"
        wrong = _wrong(said, event)
        if wrong:
            return wrong
    except (ValueError, KeyError, TypeError, RecursionError):
        return "cannot be read as a line of the chain"
    digest = hashlib.sha256(raw).hexdigest()
    return Line(
        said["line"],
        event,
        said["period"],
        at,
        {each: said[each] for each in SHAPES[event]},
        digest,
    )


def _wrong(said: dict[str, Any], event: Event) -> str:
    if not isinstance(said["period"], str) or not _MONTH.fullmatch(said["period"]):
        return "names no month"
    if type(said["line"]) is not int or said["line"] < 1 or not _is_digest(said["before"]):
        return "has no number, or does not name the line before"
    if event is Event.OPENED:
        number_is_one = type(said["number"]) is int and said["number"] > 0
        if not number_is_one or not _is_digest(said["manifest"]) or not is_cell(said["audience"]):
            return "does not say what was opened, and for how many"
    if "totals" in SHAPES[event]:
        totals = said["totals"]
        if not isinstance(totals, dict) or totals.keys() != set(TOTALS):
            return "does not hold the totals"
        if not all(is_cell(each) for each in totals.values()):
            return "holds totals that are no counts"
    return ""


def is_cell(value: object) -> bool:
    """A count as it may be published: never 1 to 4."""
    return value == "<5" or (type(value) is int and (value == 0 or value >= 5))


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
