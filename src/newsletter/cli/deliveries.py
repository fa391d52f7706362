"""`newsletter deliveries`: who was not served, what is known of a doubt, and the word that ends it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli.account import newest, opened
from newsletter.cli.desk import Desk, data, data_json, desk_of, examples, now
from newsletter.cli.doubts import address_of, case_of, case_plain, evidence, over
from newsletter.cli.lazy import group
from newsletter.cli.resolving import by_log, by_word, unsaid
from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    import datetime as dt

    from newsletter.delivery.doubt import Case
    from newsletter.delivery.ledger import Line, Sum
    from newsletter.delivery.states import State
    from newsletter.wiring import House

app = group("deliveries", "Who was not served, and the word that ends a doubt.")


class Log(StrEnum):
    """Whose log it is."""

    AUTO = "auto"
    POSTFIX = "postfix"
    EXIM = "exim"
    OPENSMTPD = "opensmtpd"


PeriodArgument = Annotated[str, typer.Argument(metavar="PERIOD", help="as 2026-12")]


@app.command(
    "list",
    epilog=examples(
        "newsletter deliveries list",
        "newsletter deliveries list 2026-12 --in-doubt",
        "newsletter deliveries list 2026-12 --state rejected --json",
    ),
)
def list_(
    ctx: typer.Context,
    period: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="as 2026-12; else the newest that was opened"),
    ] = None,
    state: Annotated[
        list[str] | None,
        typer.Option("--state", metavar="STATE", help="one or more; else all but accepted"),
    ] = None,
    in_doubt: Annotated[
        bool,
        typer.Option("--in-doubt", help="only these, with all evidence; exit 3 when there are any"),
    ] = False,
    bounced: Annotated[
        bool, typer.Option("--bounced", help="only what came back: bounced and complained")
    ] = False,
    with_addresses: Annotated[
        bool, typer.Option("--with-addresses", help="show whom each is for; asks for the key")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, help="at most")] = 1000,
) -> None:
    """List whoever is not accepted, by random id, with the server's last words.

    No address is shown unless you ask for it. The Message-ID is what the mail
    server's own log can be searched for.
    """
    desk = desk_of(ctx)
    wanted = [_state(word) for word in state or ()]
    if bounced:
        from newsletter.delivery.states import State

        wanted += [State.BOUNCED, State.COMPLAINED]
    account = opened(ctx, period) if period else newest(ctx)
    with desk.house() as house:
        if in_doubt:
            _list_doubts(desk, house, account.period, limit, with_addresses, json)
        else:
            _list_lines(desk, house, account, wanted, limit, with_addresses, json)


def _list_lines(
    desk: Desk,
    house: House,
    account: Sum,
    states: list[State],
    limit: int,
    with_addresses: bool,
    json: bool,
) -> None:
    from newsletter.delivery.ledger import lines
    from newsletter.delivery.states import State

    chosen = states or [each for each in State if each is not State.ACCEPTED]
    with house.store.read() as tx:
        found = lines(tx, account.period, chosen, limit)
    whom = _addresses(house, [line.id for line in found]) if with_addresses else None
    if json:
        data_json([asdict(line) | address_of(whom, line.id) for line in found])
        return
    for line in found:
        data(_line(line) + (f"  {whom.get(line.id, 'erased')}" if whom is not None else ""))
    if not found:
        what = (
            "such delivery" if states else f"other delivery than the {account.accepted:,} accepted"
        )
        desk.say(f"{account.period} has no {what}")
        return
    many = "1 delivery" if len(found) == 1 else f"{len(found)} deliveries"
    desk.say(many + (f"; there may be more than --limit {limit}" if len(found) == limit else ""))


def _state(word: str) -> State:
    from newsletter.delivery.states import State
    from newsletter.errors import did_you_mean

    try:
        return State(word.replace("-", "_"))
    except ValueError:
        known = [state.value for state in State]
        raise CouldNotRun(
            Finding(
                "NL136",
                f"no delivery is ever `{word}`",
                help=did_you_mean(word, known) or f"one of: {', '.join(known)}",
            )
        ) from None


def _line(line: Line) -> str:
    said = line.last_reply or line.reason or ""
    since = f"{line.since:%Y-%m-%d %H:%M}Z" if line.since else "-"
    tries = "1 try" if line.tries == 1 else f"{line.tries} tries"
    return f"{line.id}  {line.state:<10}  {since:<17}  {tries:<7}  <{line.message_id}>  {said}".rstrip()


def _addresses(house: House, ids: list[str]) -> dict[str, str]:
    """Delivery id -> mailbox, of readers who are still here."""
    from newsletter.delivery.doubt import addresses

    vault = house.vault
    with house.store.read() as tx:
        return {
            delivery: vault.open_address(reader, sealed)
            for delivery, reader, sealed in addresses(tx, ids)
        }


# In doubt: the evidence.


def _list_doubts(
    desk: Desk, house: House, period: str, limit: int, with_addresses: bool, json: bool
) -> None:
    case = case_of(house, period)
    shown = case.doubts[:limit]
    whom = _addresses(house, [each.id for each in shown]) if with_addresses else None
    if json:
        data_json(case_plain(case, shown, whom, now()))
    else:
        zone = house.settings.publication.time_zone
        for each in shown:
            data(evidence(case, each, zone, now()))
            if whom is not None:
                data(f"  to {whom.get(each.id, 'a reader who was erased since')}")
        _tell_case(desk, case, len(shown), zone)
    if case.doubts:
        raise typer.Exit(3)


def _tell_case(desk: Desk, case: Case, shown: int, zone: dt.tzinfo) -> None:
    if case.under_way:
        desk.say(
            f"{case.under_way} more are held by a sender; if it is dead,"
            f" `newsletter send {case.period}` finds out"
        )
    if not case.doubts:
        desk.say(f"nobody of {case.period} is in doubt")
        return
    more = f", {shown} of them shown" if shown < len(case.doubts) else ""
    closes = f"{case.closes_at.astimezone(zone):%Y-%m-%d %H:%M}"
    until = (
        f"--again works until {closes}, when the issue closes"
        if case.may_send_again(now())
        else f"nobody is sent it again: the issue is {over(case)}"
    )
    desk.say(
        f"{len(case.doubts)} in doubt{more}; {until}. Nothing is sent by itself\n"
        f"the mail server's log may know: newsletter deliveries resolve {case.period} --mta-log FILE"
    )


# Resolving.


@app.command(
    epilog=examples(
        "newsletter deliveries resolve 2026-12 ID --accepted --yes",
        "newsletter deliveries resolve 2026-12 --mta-log mail.log --dry-run",
        "newsletter deliveries resolve 2026-12 --mta-log mail.log --log-is-complete --again --yes",
    )
)
def resolve(
    ctx: typer.Context,
    period: PeriodArgument,
    delivery: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="as `deliveries list` shows it")
    ] = None,
    accepted: Annotated[bool, typer.Option("--accepted", help="it was taken")] = False,
    rejected: Annotated[
        bool, typer.Option("--rejected", help="it was not, and is not tried again")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="it certainly was not taken: queue it once more")
    ] = False,
    mta_log: Annotated[
        list[str] | None,
        typer.Option(
            "--mta-log",
            metavar="FILE",
            help="look up all doubts in your mail server's log; more than one: oldest first; - reads standard input",
        ),
    ] = None,
    form: Annotated[Log, typer.Option("--format", help="whose log it is")] = Log.AUTO,
    complete: Annotated[
        bool,
        typer.Option(
            "--log-is-complete",
            help="nothing of it is missing: a mail it does not name was not taken",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what it proves")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Say what became of a delivery in doubt, or let the mail server's log say it.

    With --mta-log, whatever your mail server queued is accepted, a bounce it
    logged is one, and a mail that certainly was not taken waits for your
    --again or --rejected. Nothing is sent here: --again queues it for the next
    `newsletter send`, before the issue closes. Exit 3 while somebody stays in doubt.
    """
    from newsletter.delivery.states import State

    said = {State.ACCEPTED: accepted, State.REJECTED: rejected, State.QUEUED: again}
    words = [state for state, meant in said.items() if meant]
    if len(words) > 1 or bool(delivery) == bool(mta_log) or (delivery and not words):
        raise CouldNotRun(unsaid(period))
    if mta_log and accepted:
        raise CouldNotRun(unsaid(period))
    desk = desk_of(ctx)
    chosen = opened(ctx, period).period
    with desk.house() as house:
        if mta_log:
            code = by_log(
                desk,
                house,
                chosen,
                mta_log,
                form.value,
                complete,
                words,
                dry_run=dry_run,
                yes=yes,
                json=json,
            )
        else:
            assert delivery is not None
            code = by_word(
                desk, house, chosen, delivery, words[0], dry_run=dry_run, yes=yes, json=json
            )
    if code:
        raise typer.Exit(code)
