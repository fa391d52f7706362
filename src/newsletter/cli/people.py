"""`newsletter subscribers`: the operator's view of readers. An address may be `-`: it is read from stdin.

A shell keeps its history and shows its arguments to others on the machine; a
pipe does not.
"""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from newsletter.subscribers.address import Address
    from newsletter.subscribers.importing import Reconfirm
    from newsletter.subscribers.people import Asked, Person
    from newsletter.wiring import House

NOBODY = Finding(
    "NL139",
    "nobody here has this address",
    help="check the spelling; dots and +tags make another address",
)

app = group("subscribers", "Readers: add, show, erase, stats. ADDRESS may be `-`, read from stdin.")

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="or - to read it from stdin, unseen by the shell")
]


@app.command(
    "import",
    epilog=examples(
        "newsletter subscribers import readers.csv --dry-run",
        "newsletter subscribers import readers.csv",
        "newsletter subscribers import readers.csv --reconfirm",
    ),
)
def import_(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV with a header; UTF-8")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would happen")] = False,
    reconfirm: Annotated[
        bool, typer.Option("--reconfirm", help="believe no row; ask each person by mail instead")
    ] = False,
) -> None:
    """Bring in a list. A row without evidence of consent is refused, by its line number.

    Exports of some other programs are known by their header. Run it again after an interruption: whoever is here already is passed over.
    """
    from newsletter.subscribers.importing import import_file

    desk = desk_of(ctx)
    settings = desk.settings()
    with desk.house() as house, desk.progress() as progress:
        house.vault  # noqa: B018 - the key is asked for before anything is done
        report = import_file(
            house.store,
            house.vault,
            file,
            now(),
            languages=settings.publication.languages,
            dry_run=dry_run,
            reconfirm=_asking(house) if reconfirm else None,
            progress=progress,
        )
    verb = "asked by mail" if reconfirm else "imported"
    verb = f"would be {verb}" if dry_run else verb
    counts = [
        f"{report.imported:,} {verb}",
        f"{report.here_already:,} here already" if report.here_already else "",
        f"{report.twice_in_file:,} twice in the file" if report.twice_in_file else "",
        f"{report.suppressed:,} suppressed" if report.suppressed else "",
        f"{report.away:,} had left before" if report.away else "",
        f"{report.refused:,} refused" if report.refused else "",
    ]
    told = " · ".join(part for part in counts if part)
    if report.not_listed:
        told += f" ({report.not_listed:,} findings more are not listed)"
    if report.findings:
        desk.complain(report.findings, told)
    else:
        desk.say(told)
    if reconfirm and report.imported and not dry_run:
        desk.say("the mails with the link go out with `newsletter run`")
    if report.refused:
        raise typer.Exit(1)


def _asking(house: House) -> Reconfirm:
    """How an import asks: with today's wording of each language, and a mail in the same write."""
    from newsletter.delivery import notices
    from newsletter.subscribers.importing import Reconfirm

    house.agreed.known()
    languages = house.settings.publication.languages

    def enqueue(tx: Connection, asked: Asked, language: str) -> None:
        if asked.subscriber_id and asked.confirmation_id:
            notices.enqueue(
                tx,
                "confirm",
                asked.subscriber_id,
                asked.confirmation_id,
                language,
                asked.consent_epoch,
                now(),
            )

    return Reconfirm({tag: house.agreed.today(tag).hash for tag in languages}, enqueue)


@app.command(epilog=examples("newsletter subscribers export ../readers.csv"))
def export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file; - writes to stdout")],
) -> None:
    """Write every confirmed reader with the evidence of consent, as a CSV that can be imported again.

    The file holds addresses in clear: only this account may read it, and it is yours to guard.
    """
    from newsletter.subscribers.exporting import export as write
    from newsletter.subscribers.exporting import export_file

    desk = desk_of(ctx)
    with desk.house() as house, desk.progress() as progress:
        if str(file) == "-":
            number = write(house.store, house.vault, sys.stdout, progress=progress)
        else:
            number = export_file(house.store, house.vault, file, progress=progress)
    desk.say(f"{number:,} readers exported")


@app.command(
    epilog=examples(
        "newsletter subscribers add anna@example.org",
        "echo anna@example.org | newsletter subscribers add - --language de",
    )
)
def add(
    ctx: typer.Context,
    address: AddressArgument,
    language: Annotated[
        str | None, typer.Option(metavar="LANG", help="else the publication's first")
    ] = None,
) -> None:
    """Ask one person by mail whether they want the letter, as the form on the site does.

    They are a reader when they confirm. The mail goes out with `newsletter run`.
    """
    from newsletter.flows.ask import ask

    desk = desk_of(ctx)
    settings = desk.settings()
    tag = language or settings.publication.languages[0]
    if tag not in settings.publication.languages:
        spoken = ", ".join(settings.publication.languages)
        raise CouldNotRun(
            Finding("NL133", f"this publication has no language `{tag}`", help=f"it has: {spoken}")
        )
    who = read_address(address)
    with desk.house() as house:
        house.vault  # noqa: B018 - the key is asked for before anything is done
        asked = ask(house.store, house.vault, who, house.agreed.today(tag), now())
    desk.say(
        "asked; the mail with the link goes out with `newsletter run`"
        if asked
        else "nothing to ask: a reader already, asked a short while ago, or suppressed"
        " (`newsletter subscribers show`)"
    )


@app.command(
    epilog=examples("echo anna@example.org | newsletter subscribers show -"),
)
def show(
    ctx: typer.Context,
    address: AddressArgument,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Show what is held about one address: state, language, dates, and what suppresses it."""
    from newsletter.subscribers import suppression

    who = read_address(address)
    with desk_of(ctx).house() as house:
        vault = house.vault
        with house.store.read() as tx:
            person = _find(house, who)
            key = person.suppression_key if person else vault.suppression_key(who)
            reasons = suppression.reasons(tx, key)
    if person is None and not reasons:
        raise Findings([NOBODY], "Nothing was changed.")
    held = {
        "id": person.id if person else None,
        "state": str(person.state) if person else "gone",
        "language": person.language if person else None,
        "requested_at": person.requested_at if person else None,
        "confirmed_at": person.confirmed_at if person else None,
        "left_at": person.left_at if person else None,
        "suppressed": {str(reason): since for reason, since in reasons.items()},
    }
    if json:
        data_json(held)
        return
    for name, value in held.items():
        if name == "suppressed":
            value = ", ".join(
                f"{reason} since {since:%Y-%m-%d}" for reason, since in reasons.items()
            )
        elif isinstance(value, dt.datetime):
            value = f"{value:%Y-%m-%d %H:%M:%S} UTC"
        data(f"{name.replace('_', ' '):<13} {value if value not in (None, '') else '-'}")


@app.command(
    epilog=examples("echo anna@example.org | newsletter subscribers erase - --yes"),
)
def erase(
    ctx: typer.Context,
    address: AddressArgument,
    yes: Annotated[bool, typer.Option("--yes", help="really; it cannot be undone")] = False,
) -> None:
    """Delete a person and all evidence. What stays is a keyed hash that says: do not mail.

    A mail that is under way arrives; none that waits is sent.
    """
    from newsletter.delivery.departure import erase as leave_for_good

    desk = desk_of(ctx)
    who = read_address(address)
    if not yes:
        raise CouldNotRun(Finding("NL140", "erasing cannot be undone", help="say it with --yes"))
    with desk.house() as house:
        house.vault  # noqa: B018 - the key is asked for before anything is done
        person = _find(house, who)
        gone = leave_for_good(house.store, house.journal, person.id, now()) if person else None
    if gone is None:
        raise Findings([NOBODY], "Nothing was changed.")
    desk.say("erased" + (f"; {gone.spared} waiting will not be sent" if gone.spared else ""))


@app.command(
    epilog=examples("newsletter subscribers tidy --dry-run", "newsletter subscribers tidy")
)
def tidy(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only count what is due")] = False,
) -> None:
    """Delete what [retention] says is kept no longer. `run` does the same every hour."""
    from newsletter.subscribers.retention import tidy as delete

    desk = desk_of(ctx)
    with desk.house() as house:
        done = delete(house.store, house.terms, now(), dry_run=dry_run)
    data(f"never confirmed   {done.unconfirmed:>7,}")
    data(f"left, address     {done.left:>7,}")
    data(f"left, evidence    {done.evidence:>7,}")
    data(f"links out of date {done.links:>7,}")
    desk.say("would be deleted; nothing was" if dry_run else "deleted")


@app.command(epilog=examples("newsletter subscribers stats", "newsletter subscribers stats --json"))
def stats(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="as JSON; null is 1 to 4")] = False,
) -> None:
    """Count readers by state and language; fewer than five are told as "<5". Opens no address."""
    from newsletter.subscribers.stats import spoken
    from newsletter.subscribers.stats import stats as count

    with desk_of(ctx).house() as house, house.store.read() as tx:
        found = asdict(count(tx))
    if json:
        data_json(found)
        return
    for what, numbers in found.items():
        data(f"{what}: " + (", ".join(f"{n} {spoken(c)}" for n, c in numbers.items()) or "none"))


def read_address(text: str) -> Address:
    """The address of an argument, or of the first line of stdin when it is `-`.

    Raises:
        CouldNotRun: NL141, it is none. The text itself is not repeated.
    """
    from newsletter.subscribers import address

    given = sys.stdin.readline() if text == "-" else text
    found = address.read(given)
    if isinstance(found, address.Refusal):
        raise CouldNotRun(
            Finding(
                "NL141",
                f"this is no address: {found}",
                help="one address, as anna@example.org"
                + ("; stdin had none" if text == "-" else ""),
            )
        )
    return found


def _find(house: House, who: Address) -> Person | None:
    from newsletter.subscribers import people

    with house.store.read() as tx:
        return people.find_by_address(tx, house.vault, who)
