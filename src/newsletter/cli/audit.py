"""`newsletter audit`: the promise "one newsletter a month, one mail each", shown from the records and checked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from newsletter.cli.desk import Desk, data, data_json, desk_of, examples
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Findings

if TYPE_CHECKING:
    import datetime as dt

    from newsletter.checks.promise import Month
    from newsletter.flows.audit import Audited
    from newsletter.store import Store
    from newsletter.wiring import House

app = group("audit", "One newsletter a month, from the public records.")


@app.command(
    epilog=examples("newsletter audit", "newsletter audit --files", "newsletter audit --json")
)
def audit(
    ctx: typer.Context,
    files: Annotated[
        bool, typer.Option("--files", help="only the files: for whoever has a copy and no database")
    ] = False,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="SHA256", help="a head of the chain that you noted earlier"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Show that there was one newsletter a month, as it was approved, and at most one for each reader.

    Checks the chain of the public record line by line, the records beside it,
    the frozen editions, and the database where there is one. Needs no key and
    changes nothing. Exit 1 when anything says otherwise.
    """
    from newsletter.flows.audit import audit as check

    desk = desk_of(ctx)
    settings = desk.settings()
    noted = head.strip().lower() if head else None
    with desk.house() as house:
        found = check(settings, None if files else _database(house), noted)
    if as_json:
        data_json(_plain(found))
    else:
        for line in _table(found, settings.publication.time_zone):
            data(line)
    if found.findings:
        raise Findings(found.findings, "The promise is not shown by these records.")
    _tell(desk, found)


def _database(house: House) -> Store | None:
    """None where no database lies here.

    Raises:
        CouldNotRun: NL804, it is a server that does not answer, or no database.
    """
    if house.database is not None and not house.database.exists():
        return None
    try:
        return house.store
    except CouldNotRun as error:
        first, *rest = error.findings
        more = "`newsletter audit --files` needs no database"
        help_text = f"{first.help}; {more}" if first.help else more
        raise CouldNotRun(replace(first, help=help_text), *rest) from error


def _table(found: Audited, zone: dt.tzinfo) -> list[str]:
    rows = [_row(found, month, zone) for month in found.told.months]
    if not rows:
        return []
    rows.insert(0, ("month", "no.", "opened", "audience", "accepted", "at most one", "SHA-256 of what was approved"))  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(6)]
    right = {1, 3, 4}
    return [
        "  ".join(
            [
                *(
                    cell.rjust(width) if at in right else cell.ljust(width)
                    for at, (cell, width) in enumerate(zip(row[:6], widths, strict=True))
                ),
                row[6],
            ]
        )
        for row in rows
    ]


def _row(found: Audited, month: Month, zone: dt.tzinfo) -> tuple[str, ...]:
    accepted = _number(month.totals["accepted"]) if month.totals else f"({month.state})"
    return (
        month.period,
        str(month.number),
        f"{month.opened_at.astimezone(zone):%Y-%m-%d %H:%M}",
        _number(month.audience),
        accepted,
        _at_most_one(found, month.period),
        month.manifest + ("" if month.approved_here else "  (not here)"),
    )


def _at_most_one(found: Audited, period: str) -> str:
    if found.copies is None or period not in found.copies:
        return "not checked"
    return "yes" if found.copies[period] <= 1 else f"NO: {found.copies[period]}"


def _number(count: int | str) -> str:
    return f"{count:,}" if isinstance(count, int) else count


def _tell(desk: Desk, found: Audited) -> None:
    months, lines = len(found.told.months), len(found.told.chain.lines)
    if not months:
        desk.say("no issue was sent yet, so there is nothing to show")
        return
    desk.say(
        f"{months} issue{'s' if months > 1 else ''} in {months} month{'s' if months > 1 else ''}, never two in one\n"
        f"the chain holds: {lines} line{'s' if lines > 1 else ''}, head {found.told.chain.head}"
    )
    desk.say(
        "the database agrees: one row for each reader, none taken twice"
        if found.copies is not None
        else "from the files alone: a tail that was cut off, or a chain written anew as a whole,"
        " shows only against a head that was noted (--head) or the database"
    )


def _plain(found: Audited) -> dict[str, Any]:
    return {
        "head": found.told.chain.head,
        "lines": len(found.told.chain.lines),
        "database": found.copies is not None,
        "months": [
            {
                "period": month.period,
                "number": month.number,
                "manifest": month.manifest,
                "opened_at": month.opened_at,
                "state": month.state,
                "audience": month.audience,
                "totals": month.totals,
                "approved_here": month.approved_here,
                "most_copies": found.copies.get(month.period) if found.copies is not None else None,
            }
            for month in found.told.months
        ],
        "findings": [
            {"code": each.code, "what": each.what, "where": str(each.where) if each.where else None}
            for each in found.findings
        ],
    }
