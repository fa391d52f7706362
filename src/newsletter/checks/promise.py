"""One newsletter a month, from the files alone: whoever has a copy of the publication can check it.

    chain.jsonl     every line follows the one before; no two issues in a month
    PERIOD.json     says what the chain says
    edition.toml    what was sent is what stands approved here

No database is opened and no key asked for. What files alone cannot show: a
tail that was cut off the chain, and a chain that was written anew as a whole;
a head that somebody noted shows both.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from newsletter.checks.archive import against_record
from newsletter.config import Settings
from newsletter.errors import Finding, Findings, Where
from newsletter.files import read_file
from newsletter.issue import chain, chain_story, frozen
from newsletter.issue.chain import Cell, Chain, Event


@dataclass(frozen=True, slots=True)
class Month:
    """One issue as the files tell it. `totals` is None while the issue is open."""

    period: str
    number: int
    manifest: str
    opened_at: dt.datetime
    audience: Cell
    totals: dict[str, Cell] | None
    state: str
    """open, halted or closed."""
    approved_here: bool
    """Its frozen files lie here and are what was sent, byte for byte."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the record folder tells, oldest month first, and everything that is wrong with it."""

    months: tuple[Month, ...]
    chain: Chain
    findings: tuple[Finding, ...]


def told(settings: Settings) -> Told:
    """Read and hold against each other: chain, records, frozen editions."""
    folder = settings.store.record
    read, findings = _chain(settings)
    records, broken = _records(settings)
    findings += broken
    months: list[Month] = []
    for line in read.lines:
        if line.event is Event.OPENED and not any(m.period == line.period for m in months):
            approved, wrong = _approved(settings, line.period, line.said["manifest"])
            findings += wrong
            months.append(_month(read, line, approved))
    for month in months:
        findings += _against(month, records.pop(month.period, None), folder)
    findings += [
        _differs(f"there is a record of {period} and no line of it in the chain", folder, period)
        for period in records
    ]
    return Told(tuple(sorted(months, key=lambda m: m.opened_at)), read, tuple(findings))


def _chain(settings: Settings) -> tuple[Chain, list[Finding]]:
    name = f"{settings.store.record}/{chain.NAME}"
    try:
        data = read_file(settings.path(name))
    except FileNotFoundError:
        return Chain(), []
    except OSError as error:
        why = error.strerror or str(error)
        return Chain(), [
            Finding("NL660", f"the chain cannot be read: {why}", Where(name), help=_HELP)
        ]
    if len(data) > chain.MOST_BYTES:
        what = "the chain is far longer than any can be"
        return Chain(), [Finding("NL660", what, Where(name), help=_HELP)]
    read = chain.read(data)
    findings = [
        Finding("NL660", each.what, Where(name, each.line), help=_HELP) for each in read.broken
    ]
    findings += [
        Finding("NL661", each.what, Where(name, each.line), help=_HELP)
        for each in chain_story.story(read.lines, settings.publication.time_zone)
    ]
    return read, findings


_HELP = "`git log -p` on this file says who changed it"


def _month(read: Chain, line: chain.Line, approved: bool) -> Month:
    halted = read.of(line.period, Event.HALTED)
    totals = read.totals(line.period)
    return Month(
        line.period,
        line.said["number"],
        line.said["manifest"],
        line.at,
        line.said["audience"],
        totals,
        "halted" if halted else "closed" if totals else "open",
        approved,
    )


def _approved(settings: Settings, period: str, manifest: str) -> tuple[bool, list[Finding]]:
    """Whether the frozen files of `period` are here, whole, and what was sent."""
    where = Where(f"{frozen.ISSUES}/{period}/edition.toml")
    try:
        issue = frozen.load(settings, period)
    except Findings as wrong:
        if all(finding.code == "NL460" for finding in wrong.findings):
            return False, []
        return False, [
            Finding("NL149", f"what is approved as {period} here was changed: {each.what}", each.where or where, help=_HELP)
            for each in wrong.findings
        ]  # fmt: skip
    if issue.manifest != manifest:
        what = f"what was sent as {period} is not what is approved here"
        return False, [Finding("NL149", what, where, help=_HELP)]
    return True, against_record(settings, issue)


def _records(settings: Settings) -> tuple[dict[str, dict[str, Any]], list[Finding]]:
    """The name of each record's file, without its ending -> what it holds."""
    read: dict[str, dict[str, Any]] = {}
    broken = []
    for path in sorted(settings.path(settings.store.record).glob("*.json")):
        try:
            held = json.loads(read_file(path))
            if not isinstance(held, dict) or not isinstance(held.get("totals"), dict):
                raise ValueError("it is no record")
            read[path.stem] = held
        except (OSError, ValueError, RecursionError) as error:
            name = f"{settings.store.record}/{path.name}"
            what = f"{name} cannot be read as a record ({type(error).__name__})"
            broken.append(Finding("NL149", what, Where(name), help=_HELP))
    return read, broken


def _against(month: Month, held: dict[str, Any] | None, folder: str) -> list[Finding]:
    """NL663: where the record of a month and the chain differ."""
    if held is None:
        return [
            _differs(
                f"the chain tells of {month.period}, and there is no record of it",
                folder,
                month.period,
            )
        ]
    wrong = []
    try:
        opened = dt.datetime.fromisoformat(held["opened_at"])
        said = (held["period"], held["number"], held["manifest"], opened, held["state"])
    except (KeyError, ValueError, TypeError):
        return [
            _differs(
                f"the record of {month.period} lacks what a record holds", folder, month.period
            )
        ]
    names = ("month", "number", "approval", "moment of opening", "state")
    told = (month.period, month.number, month.manifest, month.opened_at, month.state)
    for name, here, there in zip(names, said, told, strict=True):
        if here != there:
            wrong.append(f"the record of {month.period} has another {name} than the chain")
    if held["totals"].get("audience") != month.audience:
        wrong.append(f"the record of {month.period} has another audience than the chain")
    elif month.totals is not None:
        wrong += [
            f"the record of {month.period} tells of {_shown(held['totals'].get(name))} {name.replace('_', ' ')},"
            f" the chain of {number}"
            for name, number in month.totals.items()
            if held["totals"].get(name) != number
        ]
    return [_differs(each, folder, month.period) for each in wrong]


def _shown(value: object) -> str:
    return str(value) if chain.is_cell(value) else "what is no count of"


def _differs(what: str, folder: str, period: str) -> Finding:
    return Finding(
        "NL663",
        what,
        Where(f"{folder}/{Path(period).name}.json"),
        help="the next `newsletter send` or `newsletter run` makes the record anew; `git log -p` shows what was changed",
    )
