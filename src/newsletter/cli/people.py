"""`newsletter subscribers`: the operator's view of readers. An address may be `-`: it is read from stdin.

A shell keeps its history and shows its arguments to others on the machine; a
pipe does not.
"""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.desk import data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings

if TYPE_CHECKING:
    from newsletter.subscribers.address import Address
    from newsletter.subscribers.people import Person
    from newsletter.wiring import House

app = group("subscribers", "Readers: add, show, erase, stats. ADDRESS may be `-`, read from stdin.")

AddressArgument = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="or - to read it from stdin, unseen by the shell")
]


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
        asked = ask(house.store, house.vault, who, house.wording(tag), now())
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
        raise Findings([Finding("NL139", "nobody here has this address")], "Nothing was changed.")
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
        raise Findings([Finding("NL139", "nobody here has this address")], "Nothing was changed.")
    desk.say("erased" + (f"; {gone.spared} waiting will not be sent" if gone.spared else ""))


@app.command(epilog=examples("newsletter subscribers stats", "newsletter subscribers stats --json"))
def stats(
    ctx: typer.Context,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Count readers by state and language. Needs no key and opens no address."""
    import sqlalchemy as sa

    from newsletter.store.tables import subscribers

    with desk_of(ctx).house() as house, house.store.read() as tx:
        rows = tx.execute(
            sa.select(subscribers.c.state, subscribers.c.language, sa.func.count())
            .group_by(subscribers.c.state, subscribers.c.language)
            .order_by(subscribers.c.state, subscribers.c.language)
        ).all()
    if json:
        data_json([{"state": s, "language": tag, "count": n} for s, tag, n in rows])
        return
    states: Counter[str] = Counter()
    for state, tag, number in rows:
        states[state] += number
        data(f"{state:<13} {tag:<6} {number:>9,}")
    desk_of(ctx).say(
        " · ".join(f"{number:,} {state}" for state, number in states.items()) or "nobody yet"
    )


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
