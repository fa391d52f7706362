"""`newsletter issue`: from the month's texts to frozen bytes that a named person approved."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import months
from newsletter.cli.desk import Desk, data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from newsletter.flows.draft import EditionFacts, Standing

app = group("issue", "The month's issue: draft, show, test, approve, withdraw, halt.")

Open = Annotated[
    str | None,
    typer.Argument(metavar="PERIOD", help="as 2026-12; else the newest letter that is not frozen"),
]
Newest = Annotated[
    str | None, typer.Argument(metavar="PERIOD", help="as 2026-12; else the newest letter")
]


@app.command(epilog=examples("newsletter issue draft", "newsletter issue draft 2026-12"))
def draft(ctx: typer.Context, period: Open = None) -> None:
    """Gather the issue and write a preview of every edition, to be opened in a browser. Approves nothing.

    It holds the articles that no earlier issue carried, as of the day it is due.
    """
    from newsletter.flows.draft import draft as make

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = months.named_or_open(settings, period)
    made = make(settings, chosen, now())
    for facts in made.editions:
        data(os.path.relpath(made.folder / f"{facts.language}.html"))
    _say_editions(desk, made.editions)
    if made.findings:
        desk.complain(made.findings, "The preview was written.")
    names = list(settings.approvers) or ["NAME"]
    desk.say(f"next: open it, then newsletter issue approve {chosen} --by {_word(names[0])}")


@app.command(epilog=examples("newsletter issue show", "newsletter issue show 2026-12 --json"))
def show(
    ctx: typer.Context,
    period: Newest = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Say where an issue stands: letters, approvals, whether every frozen byte is as it was."""
    from newsletter.flows.draft import show as look

    desk = desk_of(ctx)
    settings = desk.settings()
    standing = look(settings, months.named_or_newest(settings, period), now())
    if json:
        data_json({**asdict(standing), "period": str(standing.period)})
        return
    zone = settings.publication.time_zone
    data(f"{standing.period} · due {standing.due.astimezone(zone):%Y-%m-%d %H:%M %Z}")
    for line in _stands(standing):
        data(f"  {line}")
    _say_editions(desk, standing.editions)
    if standing.findings:
        desk.complain(standing.findings)


def _stands(standing: Standing) -> list[str]:
    lines = [f"letters: {', '.join(standing.letters) or 'none'}"]
    if standing.missing:
        lines.append(f"missing: {', '.join(standing.missing)}")
    if standing.manifest is None:
        lines.append(f"not approved ({len(standing.approvals)} of {standing.needed})")
        return lines
    by = ", ".join(
        f"{each.by}{'' if each.signature else ' (unauthenticated)'}" for each in standing.approvals
    )
    lines.append(f"approved by {by}, {len(standing.approvals)} of {standing.needed}")
    lines.append(f"manifest {standing.manifest}")
    lines.append(
        "every frozen byte is as it was" if standing.holds else "FROZEN BYTES WERE CHANGED"
    )
    if standing.changed:
        lines.append("the texts changed since; what is sent is what was approved")
    return lines


@app.command(
    epilog=examples(
        "newsletter issue approve --by Editor", "newsletter issue approve 2026-12 --by Editor"
    )
)
def approve(
    ctx: typer.Context,
    by: Annotated[str, typer.Option("--by", metavar="NAME", help="a name under [approvers]")],
    period: Open = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="your private key, when you have one"),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="do not ask whether links to other sites are alive")
    ] = False,
) -> None:
    """Freeze the issue, byte for byte, in the name of a person. What is sent is what was approved."""
    from newsletter.checks.alive import LINK_SECONDS
    from newsletter.flows.approve import approve as freeze
    from newsletter.flows.signing import signer
    from newsletter.news.fetch import Client

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = (
        months.named_or_newest(settings, period)
        if settings.month.approvals > 1
        else months.named_or_open(settings, period)
    )
    if offline:
        desk.say("links to other sites were not asked whether they are alive (--offline)")
    web = None if offline else Client(seconds=LINK_SECONDS)
    done = freeze(settings, chosen, by, now(), signer=signer(key) if key else None, web=web)
    if done.warnings:
        desk.complain(done.warnings)
    if done.look.changes:
        desk.say("since the last look:\n" + indent("\n".join(done.look.changes), "  "))
    elif not done.look.seen:
        desk.say("nobody looked at a preview of it (newsletter issue draft)")
    data(done.manifest)
    desk.say(f"{chosen} is frozen as number {done.number}, approved by {by}")
    if done.complete:
        desk.say(f"next: newsletter send {chosen} --to-inbox   (a trial that counts as nothing)")
    else:
        desk.say(
            f"{len(done.approvals)} of {done.needed} approvals; somebody else has to approve too"
        )


@app.command(
    "test",
    epilog=examples(
        "newsletter issue test --to me@example.org",
        "echo me@example.org | newsletter issue test 2026-12 --to - --language en",
    ),
)
def try_out(
    ctx: typer.Context,
    to: Annotated[str, typer.Option("--to", metavar="ADDRESS", help="or - to read it from stdin")],
    period: Newest = None,
    language: Annotated[
        str | None, typer.Option(metavar="LANG", help="one edition; else every one")
    ] = None,
) -> None:
    """Mail the issue's own bytes to yourself, marked as a test. Counts as nothing; its leave link is dead.

    Goes out by the configured transport. Before an approval it is what would be frozen now.
    """
    from newsletter.cli.people import read_address
    from newsletter.delivery.outcome import Kind
    from newsletter.flows import trial

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = months.named_or_newest(settings, period)
    who = read_address(to)
    found = trial.editions(settings, chosen)
    wanted = [each for each in found if language in (None, each.language)]
    if not wanted:
        there = ", ".join(each.language for each in found)
        raise CouldNotRun(
            Finding("NL133", f"{chosen} has no edition in `{language}`", help=f"it has: {there}")
        )
    with desk.house() as house:
        tried = trial.send_test(settings, house.transport, chosen, wanted, who.mailbox, now())
    failed = [each for each in tried if each.outcome.kind is not Kind.ACCEPTED]
    for each in tried:
        said = f"{each.outcome.kind} {each.outcome.code or ''} {each.outcome.reply}".strip()
        desk.say(f"  {each.language}: {said}")
    if failed:
        raise CouldNotRun(
            Finding(
                "NL155",
                f"of the test mails, {len(failed)} of {len(tried)} were not taken",
                help="see [delivery.smtp] and `newsletter doctor`",
            )
        )
    many = "1 test mail" if len(tried) == 1 else f"{len(tried)} test mails"
    desk.say(f"{many} of {chosen} on the way to you; nothing counts as sent")


@app.command(epilog=examples("newsletter issue key ../editor.key"))
def key(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file, outside git")],
) -> None:
    """Make an approver's key: the private half in FILE, the public half to stand in newsletter.toml."""
    from newsletter.flows.signing import new_key

    desk = desk_of(ctx)
    data(f'key = "{new_key(file.expanduser())}"')
    desk.say(
        "put this line below your [approvers.NAME] in newsletter.toml, and keep FILE to yourself"
    )


@app.command(epilog=examples("newsletter issue verify", "newsletter issue verify 2026-12"))
def verify(ctx: typer.Context, period: Newest = None) -> None:
    """Hold the approval, the mails, the built archive and the public record against each other."""
    from newsletter.cli.words import PUBLIC
    from newsletter.flows.verify import verify as hold

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = months.named_or_newest(settings, period)
    found = hold(settings, chosen, settings.path(PUBLIC))
    if found.findings:
        raise Findings(found.findings, f"The archive of {chosen} is not what was approved.")
    data(found.manifest)
    sent = "as sent" if found.recorded else "not sent yet"
    desk.say(
        f"{chosen}: approval, mail and archive are one in {', '.join(found.languages)}; "
        f"approved by {', '.join(found.approved_by)}, {sent}"
    )


@app.command(epilog=examples("newsletter issue withdraw 2026-12"))
def withdraw(ctx: typer.Context, period: Newest = None) -> None:
    """Take the approval back, while nobody was sent anything. The letters stay."""
    from newsletter.flows.withdraw import withdraw as take_back

    desk = desk_of(ctx)
    settings = desk.settings()
    chosen = months.named_or_newest(settings, period)
    with desk.house() as house:
        account = house.account(str(chosen))
        removed = take_back(settings, chosen, lambda _: account.state if account else None)
    desk.say(f"{chosen} is not approved any more; {len(removed)} frozen files removed")


@app.command(epilog=examples("newsletter issue halt 2026-12"))
def halt(
    ctx: typer.Context,
    period: Annotated[str, typer.Argument(metavar="PERIOD", help="as 2026-12")],
) -> None:
    """Stop an issue that must not go on. Whoever was not served yet will not be; it cannot be undone."""
    from newsletter.cli.account import describe
    from newsletter.flows.halt import halt as stop
    from newsletter.issue.period import read

    desk = desk_of(ctx)
    chosen = read(period)
    with desk.house() as house:
        done = stop(house, chosen, now()) if house.is_begun else None
    if done is None:
        raise CouldNotRun(
            Finding(
                "NL144",
                f"the issue of {chosen} is not open, so there is nothing to halt",
                help=f"see `newsletter status {chosen}`",
            )
        )
    data(describe(done.account, desk.settings().publication.time_zone))
    desk.say(f"halted: {done.spared:,} readers will not get it; mails under way still arrive")


def _say_editions(desk: Desk, editions: Sequence[EditionFacts]) -> None:
    for each in editions:
        left = f", {each.untranslated} not translated" if each.untranslated else ""
        size = f"{each.html_bytes / 1000:,.0f} kB"
        stories = f"{each.stories} article{'' if each.stories == 1 else 's'}"
        desk.say(
            f"  {each.language}: “{each.subject}” · {stories}{left}, {each.news} news · {size}"
        )


def _word(name: str) -> str:
    import shlex

    return shlex.quote(name)
