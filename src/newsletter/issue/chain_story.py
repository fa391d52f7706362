"""What lines that hold cannot say: two issues in a month, an order that is none, a sum that is none. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from newsletter.issue import period as calendar
from newsletter.issue.chain import Breach, Broken, Cell, Event, Line


@dataclass(slots=True)
class _Told:
    """What the lines so far say of one issue."""

    opened: Line
    halted: bool = False
    closed: bool = False
    totals: dict[str, Cell] = field(default_factory=dict)


def story(lines: Sequence[Line], zone: ZoneInfo) -> list[Broken]:
    """Everything that `lines` cannot say of the issues of a publication whose months are counted in `zone`."""
    found: list[Broken] = []
    told: dict[str, _Told] = {}
    last: Line | None = None
    for at, line in enumerate(lines, 1):
        wrong: list[str] = []
        if line.event is Event.OPENED:
            wrong = _opening(line, last, told, zone)
            told.setdefault(line.period, _Told(line))
            last = line
        elif line.period not in told:
            wrong = [f"{line.period} was {line.event} and never opened"]
        else:
            wrong = _going_on(line, told[line.period])
        found += [Broken(Breach.STORY, at, each) for each in wrong]
    return found


def _opening(line: Line, last: Line | None, told: dict[str, _Told], zone: ZoneInfo) -> list[str]:
    wrong = []
    month = str(calendar.at(line.at, zone))
    if line.period in told:
        wrong.append(f"{line.period} was opened twice: two issues in one month")
    elif month != line.period:
        other = " and another was, too" if month in told else ""
        wrong.append(f"{line.period} was opened in {month}{other}")
    if last is not None and line.period not in told:
        if line.period <= last.period or line.at <= last.at:
            wrong.append(f"{line.period} does not come after {last.period}")
        if line.said["number"] <= last.said["number"]:
            wrong.append(f"number {line.said['number']} comes after number {last.said['number']}")
    return wrong


def _going_on(line: Line, issue: _Told) -> list[str]:
    wrong = []
    if line.at < issue.opened.at:
        wrong.append(f"{line.period} was {line.event} before it was opened")
    match line.event:
        case Event.HALTED:
            if issue.halted or issue.closed:
                wrong.append(
                    f"{line.period} was halted when it was {'closed' if issue.closed else 'halted'} already"
                )
            issue.halted = True
        case Event.CLOSED:
            if issue.closed:
                wrong.append(f"{line.period} was closed twice")
            issue.closed = True
        case Event.AMENDED if not issue.closed:
            wrong.append(f"{line.period} was amended before it was closed")
        case Event.AMENDED if issue.totals == line.said["totals"]:
            wrong.append(f"{line.period} was amended without a change")
        case _:
            pass
    if "totals" in line.said:
        issue.totals = line.said["totals"]
        wrong += [
            f"{line.period}: {each}" for each in uneven(issue.totals, issue.opened.said["audience"])
        ]
    return wrong


def uneven(totals: dict[str, Cell], audience: Cell) -> list[str]:
    """Where totals contradict themselves. "<5" may be anything from 1 to 4."""
    wrong = []
    if totals["audience"] != audience:
        wrong.append(f"it was opened for {audience} and is told of {totals['audience']}")
    least, most = _span(totals["audience"])
    parts = [_span(totals[name]) for name in ("accepted", "rejected", "excluded", "in_doubt")]
    if sum(low for low, _ in parts) > most or sum(high for _, high in parts) < least:
        wrong.append("audience is not accepted + rejected + excluded + in doubt")
    came_back = _span(totals["bounced"])[0] + _span(totals["complained"])[0]
    if came_back > _span(totals["accepted"])[1]:
        wrong.append("more came back than were accepted")
    return wrong


def _span(cell: Cell) -> tuple[int, int]:
    return (cell, cell) if isinstance(cell, int) else (1, 4)
