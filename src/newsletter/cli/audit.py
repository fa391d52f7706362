"""`newsletter audit`: the promise "one newsletter a month", shown from the public records alone.

Whoever has the repository can run it: no database is opened and no key asked
for. The records hold numbers; nobody stands in them.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.desk import data, data_json, desk_of, examples
from newsletter.cli.lazy import group
from newsletter.errors import Finding, Findings, Where

if TYPE_CHECKING:
    from newsletter.config import Settings

app = group("audit", "One newsletter a month, from the public records.")


@dataclass(frozen=True, slots=True)
class Record:
    """One file of [store] record. `totals` are counts; below five they are told as "<5"."""

    path: str
    period: str
    number: int
    manifest: str
    opened_at: dt.datetime
    totals: dict[str, int | str]


@app.command(epilog=examples("newsletter audit", "newsletter audit --json"))
def audit(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Show from the public records that there was one newsletter a month, in order, as it was approved.

    Needs no key and no database. Exit 1 when a record says otherwise.
    """
    desk = desk_of(ctx)
    settings = desk.settings()
    found = records(settings)
    if as_json:
        data_json([_plain(record) for record in found])
    else:
        for record in found:
            data(_line(record, settings.publication.time_zone))
    broken = judge(settings, found)
    if broken:
        raise Findings(broken, "The promise is not shown by these records.")
    desk.say(
        f"{len(found)} issues in {len(found)} months, never two in one"
        if found
        else "no issue was sent yet, so there is nothing to show"
    )


def records(settings: Settings) -> list[Record]:
    """Every public record, oldest first.

    Raises:
        Findings: NL149, one cannot be read.
    """
    folder = settings.path(settings.store.record)
    read, broken = [], []
    for path in sorted(folder.glob("*.json")):
        name = f"{settings.store.record}/{path.name}"
        try:
            read.append(_record(name, json.loads(path.read_text("utf-8"))))
        except (OSError, ValueError, KeyError, TypeError) as error:
            kind = type(error).__name__
            broken.append(_broken(f"{name} cannot be read as a record ({kind})", name))
    if broken:
        raise Findings(broken)
    return read


def _record(name: str, held: dict[str, Any]) -> Record:
    return Record(
        name,
        held["period"],
        held["number"],
        held["manifest"],
        dt.datetime.fromisoformat(held["opened_at"]),
        held["totals"],
    )


def judge(settings: Settings, found: list[Record]) -> list[Finding]:
    """What in the records breaks the promise. `found` is in the order of periods."""
    zone = settings.publication.time_zone
    broken = []
    for record in found:
        month = f"{record.opened_at.astimezone(zone):%Y-%m}"
        if Path(record.path).stem != record.period:
            broken.append(
                _broken(f"the record of {record.period} has another month's name", record.path)
            )
        if month != record.period:
            broken.append(_broken(f"{record.period} was opened in {month}", record.path))
        approved = _approved(settings, record.period)
        if approved not in (None, record.manifest):
            broken.append(
                _broken(
                    f"what was sent as {record.period} is not what is approved here", record.path
                )
            )
    for before, after in pairwise(found):
        if after.number <= before.number or after.opened_at <= before.opened_at:
            broken.append(
                _broken(f"{after.period} does not come after {before.period}", after.path)
            )
    return broken


def _approved(settings: Settings, period: str) -> str | None:
    """The SHA-256 of the approval that is on the disk; None when there is none."""
    from newsletter.issue import freeze

    try:
        return freeze.load(settings, period).manifest
    except Findings as wrong:
        missing = all(finding.code == "NL460" for finding in wrong.findings)
        return None if missing else "changed"


def _broken(what: str, path: str) -> Finding:
    return Finding(
        "NL149",
        what,
        Where(path),
        help="`git log -p` on this file says who changed it; the database has the truth: `newsletter status`",
    )


def _line(record: Record, zone: dt.tzinfo) -> str:
    totals = " · ".join(
        f"{_number(record.totals[name])} {name.replace('_', ' ')}"
        for name in ("audience", "accepted", "rejected", "excluded", "in_doubt")
        if record.totals.get(name) or name == "audience"
    )
    opened = record.opened_at.astimezone(zone)
    return f"{record.period}  no. {record.number}  opened {opened:%Y-%m-%d %H:%M}  {totals}  {record.manifest[:12]}"


def _number(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else count


def _plain(record: Record) -> dict[str, Any]:
    return {
        "period": record.period,
        "number": record.number,
        "opened_at": record.opened_at,
        "manifest": record.manifest,
        "totals": record.totals,
    }
