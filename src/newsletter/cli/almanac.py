"""`newsletter schedule`: when the issues of a year are due, and what holds now or at any other moment."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    from newsletter.config import Month
    from newsletter.delivery.ledger import Sum
    from newsletter.issue.period import Period
    from newsletter.schedule.month import Decision, Rules

app = group("almanac", "When the issues are due.")


@app.command(
    epilog=examples(
        "newsletter schedule",
        "newsletter schedule --for 2027 --json",
        "newsletter schedule --at 2027-03-28T02:30",
    )
)
def schedule(
    ctx: typer.Context,
    year: Annotated[
        int | None,
        typer.Option("--for", metavar="YEAR", min=1970, max=9998, help="else this year"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="MOMENT", help="what would hold then; else what holds now"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Say when the issues of a year are due, one a month, and what holds at this moment.

    A dry run: nothing is sent. MOMENT is a date, or a date and a time, on the
    publication's clock unless it says otherwise.
    """
    from newsletter.cli.account import accounts, decision
    from newsletter.schedule import month

    desk = desk_of(ctx)
    settings = desk.settings()
    rules = month.Rules(settings.month, settings.publication.time_zone)
    moment = _moment(at, rules.zone) if at else None
    with desk.house() as house:
        opened = {account.period: account for account in accounts(house)}
        found = decision(house, moment)
    then = moment or now()
    moments = month.year(rules, year or then.astimezone(rules.zone).year)
    if json:
        issues = [_plain(rules, period, opened.get(str(period))) for period, _ in moments]
        data_json(
            {"rule": _rule(settings.month, rules), "now": _now(found, then), "issues": issues}
        )
        return
    desk.say(_in_words(settings.month, rules))
    for period, _ in moments:
        data(_line(rules, period, opened, then))
    desk.say(f"{'then' if moment else 'now'}: {found.sentence}")


def _moment(text: str, zone: dt.tzinfo) -> dt.datetime:
    try:
        read = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise CouldNotRun(
            Finding(
                "NL713",
                f"`{text[:40]}` is no moment",
                help="write a date, or a date and a time: 2027-03-28 or 2027-03-28T02:30",
            )
        ) from error
    return read.replace(tzinfo=read.tzinfo or zone).astimezone(dt.UTC)


def _in_words(month: Month, rules: Rules) -> str:
    """ "due on the last monday of each month at 09:00 (Europe/Berlin)" and what else the rule says."""
    match str(month.day).split():
        case ["last"]:
            day = "the last day"
        case [ordinal, weekday]:
            day = f"the {ordinal} {weekday.capitalize()}"
        case _:
            day = f"day {month.day}"
    return (
        f"due on {day} of each month at {month.time} ({rules.zone.key}); sent by itself for "
        f"{month.catch_up_days} days, at least {month.minimum_gap_days} days after the one before"
    )


def _line(rules: Rules, period: Period, opened: dict[str, Sum], now: dt.datetime) -> str:
    due = rules.due(period).astimezone(rules.zone)
    account = opened.get(str(period))
    notes = []
    if rules.moved(period):
        notes.append(f"{rules.month.time} is skipped that day")
    elif due.replace(fold=1).utcoffset() != due.utcoffset():
        notes.append(f"the first of two {rules.month.time}")
    if account:
        did = "halted; was begun" if account.state == "halted" else "sent"
        notes.append(f"{did} {account.opened_at.astimezone(rules.zone):%Y-%m-%d %H:%M}")
    elif opened and min(opened) < str(period) and now > rules.until(period):
        notes.append("not sent")
    return f"{period}  {due:%a %Y-%m-%d %H:%M} {_offset(due)}  {', '.join(notes)}".rstrip()


def _offset(moment: dt.datetime) -> str:
    """ "+01:00"."""
    return moment.isoformat()[-6:]


def _rule(month: Month, rules: Rules) -> dict[str, object]:
    return {
        "day": month.day,
        "time": month.time,
        "time_zone": rules.zone.key,
        "catch_up_days": month.catch_up_days,
        "minimum_gap_days": month.minimum_gap_days,
    }


def _now(found: Decision, moment: dt.datetime) -> dict[str, object]:
    return {
        "at": moment.isoformat(timespec="seconds"),
        "period": str(found.period),
        "verdict": str(found.verdict),
        "due": found.due_at,
        "sentence": found.sentence,
    }


def _plain(rules: Rules, period: Period, account: Sum | None) -> dict[str, object]:
    due = rules.due(period)
    return {
        "period": str(period),
        "due": due.astimezone(rules.zone),
        "due_utc": due,
        "until_utc": rules.until(period),
        "skipped": rules.moved(period),
        "opened_at": account.opened_at if account else None,
    }
