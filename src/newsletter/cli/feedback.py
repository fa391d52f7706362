"""`newsletter feedback`: bounces, complaints and leaves that come back by mail."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import Desk, data, data_json, desk_of, examples, now, talk
from newsletter.cli.lazy import group
from newsletter.cli.people import AddressArgument
from newsletter.errors import CouldNotRun, Finding, Level, Where

if TYPE_CHECKING:
    from newsletter.delivery.feedback.collecting import Collected, Letter, Source
    from newsletter.wiring import House

app = group("feedback", "Take in bounces, complaints and leaves that came by mail.")

EX_TEMPFAIL = 75
"""sysexits.h: the mail server keeps the mail and tries again."""

ENVELOPE = ("ORIGINAL_RECIPIENT", "RECIPIENT")
"""Where Postfix's local(8) and Exim's pipe say whom a mail was for."""


NOT_SUPPRESSED = Finding(
    "NL652",
    "this address neither bounced nor complained",
    help="`newsletter subscribers show -` says what is held about it",
)


@app.command(
    epilog=examples(
        "newsletter feedback collect",
        "newsletter feedback collect --maildir /var/mail/bounces",
    )
)
def collect(
    ctx: typer.Context,
    maildir: Annotated[
        Path | None,
        typer.Option("--maildir", metavar="DIR", help="this Maildir and no other place"),
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin", help="one mail from standard input: a mail server's pipe")
    ] = False,
    recipient: Annotated[
        str | None,
        typer.Option("--recipient", metavar="ADDRESS", help="with --stdin: whom it was for"),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Read what came back, once, and act on it: bounces, complaints, leaves by mail.

    A mail is let go of when its effect is in the database, and not before. With
    --stdin the exit code is 75 when it could not be taken in: the mail server
    keeps it and tries again. `run` does this by itself, every few minutes.
    """
    desk = desk_of(ctx)
    if stdin:
        _from_pipe(desk, recipient)
        return
    with desk.house() as house:
        done = _collect(house, maildir)
    if json:
        data_json(_plain(done))
    else:
        _show(done)
    desk.complain(remarks(done))


def _collect(house: House, folder: Path | None) -> Collected:
    from newsletter.flows.collect import collect as take_in
    from newsletter.flows.places import maildir, places

    settings = house.settings
    if folder is not None:
        sources: list[Source] = [maildir(settings, folder.absolute())]
    else:
        sources = places(settings, now().date())
    if not sources:
        raise CouldNotRun(
            Finding(
                "NL648",
                "there is no place to look into",
                Where("newsletter.toml"),
                help="set [feedback] maildir or [feedback.imap], or name one with --maildir",
            )
        )
    return take_in(settings, house.office, sources, now())


def _from_pipe(desk: Desk, recipient: str | None) -> None:
    """One mail from a mail server. Whatever keeps it from being taken in, the server keeps it."""
    from newsletter.cli.trouble import from_exception
    from newsletter.flows.collect import take_in

    try:
        letter = _letter(recipient)
        with desk.house() as house:
            done = take_in(house.settings, house.office, letter, now())
    except Exception as error:  # noqa: BLE001 - the database, the key, the disk: later
        trouble = from_exception(error)
        desk.complain(trouble.findings, "Nothing was taken in; the mail server tries again.")
        raise typer.Exit(EX_TEMPFAIL) from None
    if not desk.quiet:
        talk(sentence(done))


def _letter(recipient: str | None) -> Letter:
    from newsletter.delivery.feedback.collecting import Letter
    from newsletter.delivery.feedback.mime import LONGEST

    raw = sys.stdin.buffer.read(LONGEST)
    while sys.stdin.buffer.read(1 << 16):
        pass  # whoever writes must not find a closed pipe
    told = [recipient, *(os.environ.get(name) for name in ENVELOPE)]
    return Letter("stdin", raw, now(), tuple(each for each in told if each))


def _show(done: Collected) -> None:
    data(f"mails {done.total:,}: {_counted(done.mails)}" if done.total else "no mail was waiting")
    if done.effects:
        data(f"effects: {_counted(done.effects)}")


def sentence(done: Collected) -> str:
    """What was read and what came of it, on one line; numbers, never a person."""
    return f"{_counted(done.mails)}; {_counted(done.effects) or 'nothing changed'}"


def _counted(counts: object) -> str:
    from collections import Counter

    assert isinstance(counts, Counter)
    return ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))


def _plain(done: Collected) -> dict[str, object]:
    return {
        "mails": {name.value: number for name, number in sorted(done.mails.items())},
        "effects": {name.value: number for name, number in sorted(done.effects.items())},
        "issues": sorted(done.periods),
    }


def remarks(done: Collected) -> list[Finding]:
    """What somebody should look at: mails that are flagged and kept."""
    from newsletter.delivery.feedback.collecting import What

    found = []
    if unreadable := done.mails[What.UNREADABLE]:
        found.append(
            Finding(
                "NL649",
                f"mails beyond what is read, too deep or with too many parts: {unreadable:,}",
                help="they are flagged and kept; look at them with a mail program",
                level=Level.WARNING,
            )
        )
    if forged := done.mails[What.FORGED]:
        found.append(
            Finding(
                "NL650",
                f"mails that name what was not sent, or two things at once: {forged:,}",
                help="they changed nothing; they are flagged and kept",
                level=Level.WARNING,
            )
        )
    strange = done.mails[What.NOT_OURS] + done.mails[What.OTHER] + done.mails[What.SILENT]
    if strange:
        found.append(
            Finding(
                "NL651",
                f"mails that are no report about one of ours: {strange:,}",
                help="they changed nothing; they are flagged and kept: somebody may have written to you",
                level=Level.WARNING,
            )
        )
    return found


@app.command(epilog=examples("echo anna@example.org | newsletter feedback lift -"))
def lift(ctx: typer.Context, address: AddressArgument) -> None:
    """Let an address be mailed again that bounced or complained.

    A reader who bounced gets the next issue. Whoever complained has left and
    signs up anew; until it is lifted, the form sends them nothing.
    """
    from newsletter.cli.people import read_address
    from newsletter.errors import Findings
    from newsletter.subscribers import people, suppression
    from newsletter.subscribers.states import Reason

    who = read_address(address)
    with desk_of(ctx).house() as house:
        vault = house.vault
        with house.store.write() as tx:
            person = people.find_by_address(tx, vault, who)
            key = person.suppression_key if person else vault.suppression_key(who)
            lifted = [
                reason
                for reason in (Reason.BOUNCED, Reason.COMPLAINED)
                if suppression.lift(tx, key, reason)
            ]
    if not lifted:
        raise Findings([NOT_SUPPRESSED], "Nothing was changed.")
    desk_of(ctx).say(f"lifted: {', '.join(lifted)}")
