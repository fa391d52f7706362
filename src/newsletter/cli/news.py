"""`newsletter news`: what the feeds propose, and what the editor takes of it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import months
from newsletter.cli.desk import Desk, data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, did_you_mean

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.news.item import FeedHealth, Proposals

app = group("news", "What the feeds propose; the editor picks.")


@app.command(epilog=examples("newsletter news fetch", "newsletter news fetch --force"))
def fetch(
    ctx: typer.Context,
    force: Annotated[bool, typer.Option("--force", help="ask feeds that are not due, too")] = False,
) -> None:
    """Get the feeds of content/feeds.toml, politely; say how each of them does. Picks nothing."""
    desk = desk_of(ctx)
    from newsletter.news.fetch import fetch as get
    from newsletter.news.item import State

    settings = desk.settings()
    found = get(settings, now(), force=force)
    for health in found:
        data(f"{health.feed.id}  {health.state}  {health.items} items  {health.problem}".rstrip())
    failed = sum(health.state is State.FAILED for health in found)
    desk.say(
        f"{len(found)} feed{'' if len(found) == 1 else 's'}, {failed} failed"
        if found
        else "content/feeds.toml names no feed"
    )
    desk.say("next: newsletter news list")


@app.command("list", epilog=examples("newsletter news list", "newsletter news list --json"))
def list_(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="everything, as JSON")] = False,
) -> None:
    """List the items that no issue has carried yet, newest first, one line each: id, date, kind, source, title."""
    desk = desk_of(ctx)
    from newsletter.news.proposals import items

    settings = desk.settings()
    found = items(settings, now())
    if json:
        data_json(asdict(found))
        return
    for item in found.items:
        also = f"  (also: {', '.join(item.also)})" if item.also else ""
        data(f"{item.id}  {item.date}  {item.kind}  {item.source}: {item.title}{also}")
    _say_health(desk, settings, found)


def _say_health(desk: Desk, settings: Settings, found: Proposals) -> None:
    for health in found.health:
        if health.problem or health.dropped:
            desk.say(f"feed {health.feed.id}: {_condition(health)}")
    desk.say(
        f"{len(found.items)} proposed · {found.known} already sent · {found.old} older than the window"
    )
    letters = "".join(path.read_text("utf-8", "replace") for path in months.open_letters(settings))
    free = [item for item in found.items if item.id not in letters]
    if free and letters:
        desk.say(f'take one: newsletter news pick {free[0].id} --note "why it matters"')


def _condition(health: FeedHealth) -> str:
    dropped = f"{health.dropped} items without title or link left out" if health.dropped else ""
    return "; ".join(part for part in (str(health.state), health.problem, dropped) if part)


@app.command(
    epilog=examples('newsletter news pick ID --note "What it says, and what it does not say."')
)
def pick(
    ctx: typer.Context,
    item_id: Annotated[str, typer.Argument(metavar="ID", help="as `news list` shows it")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="your own sentence about it")],
    period: Annotated[
        str | None,
        typer.Option("--issue", metavar="PERIOD", help="as 2026-12; else the newest open letter"),
    ] = None,
    language: Annotated[
        list[str] | None,
        typer.Option(
            "--language", metavar="LANG", help="whose letter; else the item's own language"
        ),
    ] = None,
) -> None:
    """Write one item into the letter of an issue, with your own sentence about it."""
    desk = desk_of(ctx)
    from newsletter.news import picks
    from newsletter.news.proposals import items

    settings = desk.settings()
    proposals = items(settings, now())
    item = proposals.find(item_id)
    if item is None:
        near = did_you_mean(item_id, [each.id for each in proposals.items])
        raise CouldNotRun(
            Finding(
                "NL130", f"no feed proposes `{item_id}`", help=near or "see `newsletter news list`"
            )
        )
    spoken = settings.publication.languages
    wanted = language or [item.language if item.language in spoken else spoken[0]]
    chosen = str(months.named_or_open(settings, period))
    for path in picks.pick(settings, chosen, wanted, item, note):
        data(str(path.relative_to(settings.root)))
    desk.say(f"picked for {chosen}: {item.title}")
