"""`newsletter status`: where every reader of an issue stands. No address is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    import datetime as dt

    from newsletter.delivery.ledger import Sum
    from newsletter.schedule.month import Decision
    from newsletter.wiring import House

app = group("account", "Where every reader of an issue stands.")


@app.command(epilog=examples("newsletter status", "newsletter status 2026-12 --json"))
def status(
    ctx: typer.Context,
    period: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="as 2026-12; else every issue that was opened"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Say where the issues stand: every reader in exactly one place, and the sum that proves it.

    Then what holds for this month. The shape of --json is told in docs/running.md.
    """
    desk = desk_of(ctx)
    settings = desk.settings()
    found = [opened(ctx, period)] if period else None
    with desk.house() as house:
        found = accounts(house) if found is None else found
        month = _month(house)
        waits = _at_work(house)
    if json:
        at = {"at": now().isoformat(timespec="seconds")}
        data_json({**at, "month": month, **waits, "issues": [_plain(each) for each in found]})
        return
    for account in found:
        data(describe(account, settings.publication.time_zone))
        if account.in_doubt:
            desk.say(f"  in doubt: newsletter deliveries list {account.period} --in-doubt")
    if not found:
        desk.say("No issue was opened yet.")
    desk.say(f"now: {month['sentence']}")


def decision(house: House, moment: dt.datetime | None = None) -> Decision:
    """What holds for this month, or for that of `moment`. Opens no vault and makes no database.

    Raises:
        CouldNotRun: NL703, the witness cannot be read.
    """
    from newsletter.flows import tick

    there = house.database is None or house.database.exists()
    return tick.outlook(
        house.settings,
        house.store if there else None,
        house.witness,
        moment or house.clock(),
        past=moment is None,
    )


def _month(house: House) -> dict[str, object]:
    """What holds for this month; a witness that cannot be read is no reason to show nothing."""
    try:
        found = decision(house)
    except CouldNotRun as trouble:
        return {"period": None, "verdict": None, "due": None, "sentence": str(trouble)}
    return {
        "period": str(found.period),
        "verdict": str(found.verdict),
        "due": found.due_at,
        "sentence": found.sentence,
    }


def _at_work(house: House) -> dict[str, int]:
    """How many senders have not signed off, and how many notices wait."""
    import sqlalchemy as sa

    from newsletter.delivery.states import PENDING
    from newsletter.store.tables import notices, senders

    if house.database is not None and not house.database.exists():
        return {"senders": 0, "notices_waiting": 0}
    waiting = notices.c.state.in_([state.value for state in PENDING])
    with house.store.read() as tx:
        return {
            "senders": tx.scalar(sa.select(sa.func.count()).select_from(senders)) or 0,
            "notices_waiting": tx.scalar(sa.select(sa.func.count()).where(waiting)) or 0,
        }


def accounts(house: House) -> list[Sum]:
    """Every issue that was opened. Looking makes no database."""
    import sqlalchemy as sa

    from newsletter.delivery.ledger import sums
    from newsletter.store.tables import issues

    if house.database is not None and not house.database.exists():
        return []
    with house.store.read() as tx:
        periods = tx.scalars(sa.select(issues.c.period).order_by(issues.c.period)).all()
        return [account for each in periods if (account := sums(tx, each))]


def opened(ctx: typer.Context, text: str) -> Sum:
    """The account of an opened issue.

    Raises:
        CouldNotRun: NL138 it was not opened; NL450 no month.
    """
    from newsletter.issue.period import read

    period = str(read(text))
    with desk_of(ctx).house() as house:
        account = house.account(period)
    if account is None:
        raise CouldNotRun(
            Finding(
                "NL138",
                f"the issue of {period} was not opened: nobody was sent anything",
                help=f"`newsletter issue show {period}` says how far its texts are",
            )
        )
    return account


def newest(ctx: typer.Context) -> Sum:
    """The account of the newest issue that was opened.

    Raises:
        CouldNotRun: NL138, none was.
    """
    with desk_of(ctx).house() as house:
        found = accounts(house)
    if not found:
        raise CouldNotRun(
            Finding(
                "NL138",
                "no issue was opened yet: nobody was sent anything",
                help="`newsletter send --dry-run` says what a send would do",
            )
        )
    return found[-1]


def describe(account: Sum, zone: dt.tzinfo) -> str:
    """The account in a few lines, the sum last."""

    def at(moment: dt.datetime) -> str:
        return f"{moment.astimezone(zone):%Y-%m-%d %H:%M}"

    ended = (
        f"closed {at(account.closed_at)}"
        if account.closed_at
        else f"closes {at(account.closes_at)}"
    )
    why = ", ".join(f"{reason} {count}" for reason, count in account.excluded_why.items())
    later = f"next try {at(account.waiting_until)}" if account.waiting_until else ""
    came_back = f"bounced {account.bounced}, complained {account.complained}"
    rows = [
        ("accepted", account.accepted, came_back if account.bounced + account.complained else ""),
        ("rejected", account.rejected, ""),
        ("excluded", account.excluded, why),
        ("in doubt", account.in_doubt, ""),
        ("waiting", account.pending, later),
    ]
    numbers = " + ".join(f"{count:,}" for _, count, _ in rows)
    sign = "=" if account.exact else "IS NOT"
    return "\n".join(
        [
            f"{account.period}: {account.state} · opened {at(account.opened_at)} · {ended}",
            *(
                f"  {name:<9}{count:>9,}{f'  ({note})' if note else ''}"
                for name, count, note in rows
            ),
            f"  audience {account.audience:>9,}  {sign} {numbers}",
        ]
    )


def _plain(account: Sum) -> dict[str, object]:
    return {
        "period": account.period,
        "state": account.state,
        "audience": account.audience,
        "accepted": account.accepted,
        "bounced": account.bounced,
        "complained": account.complained,
        "rejected": account.rejected,
        "excluded": account.excluded,
        "excluded_why": account.excluded_why,
        "in_doubt": account.in_doubt,
        "pending": account.pending,
        "exact": account.exact,
        "opened_at": account.opened_at,
        "closes_at": account.closes_at,
        "closed_at": account.closed_at,
        "waiting_until": account.waiting_until,
    }
