"""`newsletter send`: to the readers, once; or to the built-in inbox, as often as one likes."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import months
from newsletter.cli.account import describe
from newsletter.cli.desk import Desk, data, desk_of, examples, now, talk
from newsletter.cli.lazy import group
from newsletter.cli.signals import stopping
from newsletter.errors import Finding, Findings, NewsletterError

if TYPE_CHECKING:
    import datetime as dt

    from newsletter.config import Settings
    from newsletter.delivery.report import StopEvent
    from newsletter.flows.send import Sent
    from newsletter.inbox import Inbox
    from newsletter.issue.edition import ApprovedIssue
    from newsletter.issue.period import Period
    from newsletter.wiring import House

app = group("sending", "Send the month's issue.")


def rehearsal(desk: Desk, settings: Settings, issue: ApprovedIssue) -> None:
    """Show the approved issue in an inbox: one that runs already, or one of our own."""
    from newsletter.cli.rehearsal import running_inbox, trial_house
    from newsletter.cli.start import INBOX_SMTP, INBOX_WEB
    from newsletter.inbox import Inbox

    if running_inbox(INBOX_SMTP):
        with stopping() as asked, trial_house(settings, issue, INBOX_SMTP) as house:
            _try(desk, house, issue, asked)
        desk.say(f"look at it: http://127.0.0.1:{INBOX_WEB}/")
        return
    folder = settings.path(".cache/trial") / issue.period
    shutil.rmtree(folder, ignore_errors=True)
    with (
        stopping() as asked,
        Inbox(folder=folder) as inbox,
        trial_house(settings, issue, inbox.smtp_port) as house,
    ):
        _try(desk, house, issue, asked)
        if sys.stderr.isatty() and not desk.quiet:
            _stay(desk, house, inbox, asked)
    for mail in sorted(folder.glob("*.eml")):
        data(os.path.relpath(mail))


def _try(desk: Desk, house: House, issue: ApprovedIssue, asked: threading.Event) -> None:
    from newsletter.cli.rehearsal import rehearse

    report = rehearse(house, issue, asked)
    readers = f"{report.accepted} made-up reader{'s' if report.accepted > 1 else ''}"
    desk.say(f"trial: {issue.period} went to {readers} on this machine; nothing counts as sent")


def _stay(desk: Desk, house: House, inbox: Inbox, asked: threading.Event) -> None:
    """Keep the inbox's page up until Ctrl-C, and the site with it, so that the mail's links work."""
    from newsletter.cli.serve import rebuild
    from newsletter.web.server import serve

    desk.say(f"look at it: {inbox.url}  (Ctrl-C ends it)")
    server = None
    try:
        rebuild(desk, house)
        server = serve(house.web_app(), house.settings.web.bind)
        desk.say(f"the site it links to: http://{house.settings.web.bind}/")
    except NewsletterError:
        # The port is taken, by `newsletter run` perhaps, or a text is being
        # worked on: the mail can be looked at all the same.
        desk.say("its links work while `newsletter run` serves the site")
    asked.wait()
    if server:
        server.stop()
    desk.say()


@app.command(
    epilog=examples(
        "newsletter send --to-inbox",
        "newsletter send --dry-run",
        "newsletter send 2026-12",
    )
)
def send(
    ctx: typer.Context,
    period: Annotated[
        str | None, typer.Argument(metavar="PERIOD", help="as 2026-12; else this month's")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would happen")] = False,
    early: Annotated[
        bool, typer.Option("--early", help="before it is due, but within its month")
    ] = False,
    to_inbox: Annotated[
        bool,
        typer.Option(
            "--to-inbox", help="a trial on this machine, to made-up readers; counts as nothing"
        ),
    ] = False,
) -> None:
    """Send the approved issue to every reader, once. Run again, it goes on where it stopped.

    Ctrl-C finishes what is under way and says what was not tried. Exit 3 when
    somebody waits or is in doubt. --dry-run asks everything that sending asks but
    the relay, changes nothing, and exits 1 when the issue would not be sent.
    """
    desk = desk_of(ctx)
    if to_inbox:
        from newsletter.issue import freeze

        settings = desk.settings()
        month = months.named_or_newest(settings, period)
        rehearsal(desk, settings, freeze.load(settings, month))
        return
    if dry_run:
        with desk.house() as house:
            month = months.named_or_this(house.settings, period, now())
            _foretell(desk, house, month, early=early)
        return
    with stopping(desk.say) as asked, desk.house() as house:
        month = months.named_or_this(house.settings, period, now())
        code = _send(desk, house, month, asked, early=early)
    if code:
        raise typer.Exit(code)


def _send(desk: Desk, house: House, month: Period, asked: StopEvent, *, early: bool) -> int:
    """Send for real; the exit code.

    Raises:
        KeyboardInterrupt: it was asked to stop before it had begun.
    """
    from sqlalchemy.exc import DatabaseError

    from newsletter.delivery.ledger import Refused
    from newsletter.flows.send import send as go

    parts = house.parts
    if asked.is_set():
        raise KeyboardInterrupt
    try:
        with desk.progress("json") as progress:
            sent = go(parts, month, early=early, stop=asked, progress=progress)
    except DatabaseError as error:
        return _broken_off(desk, house, month, error)
    if isinstance(sent, Refused):
        raise Findings(
            [Finding(sent.code, sent.sentence, help=sent.help)], f"Nothing of {month} was sent."
        )
    return _tell(desk, sent, house.settings.publication.time_zone)


def _broken_off(desk: Desk, house: House, month: Period, error: Exception) -> int:
    """The database refused in the middle: what it said, and where every reader stands now."""
    from newsletter.cli.trouble import from_exception

    trouble = from_exception(error)
    try:
        account = house.account(str(month))
    except Exception:  # noqa: BLE001 - it may refuse to be read as well
        account = None
    stands = (
        f"{month}: {account.accepted:,} of {account.audience:,} accepted,"
        f" {account.in_doubt:,} in doubt, {account.pending:,} not tried or waiting."
        if account
        else f"Nothing more of {month} is sent."
    )
    desk.complain(
        trouble.findings,
        f"{stands} Nobody is written to twice; go on with: newsletter send {month}",
    )
    return trouble.exit_code


def _tell(desk: Desk, sent: Sent, zone: dt.tzinfo) -> int:
    """What came of it, the exact sum, and the command that goes on."""
    from newsletter.delivery.ledger import AlreadySent
    from newsletter.delivery.loop import Stop

    account, report, opening = sent.account, sent.report, sent.opening
    month = account.period
    if isinstance(opening, AlreadySent) and report is None:
        when = opening.when.astimezone(zone)
        desk.say(f"{month} was opened on {when:%Y-%m-%d %H:%M}; nobody was sent anything now")
    if report and report.stop is not Stop.DONE:
        head = "interrupted" if report.stop is Stop.ASKED else f"paused: {report.said}"
        talk(
            f"{head}\n  {month} · {account.accepted:,} of {account.audience:,} accepted,"
            f" {account.in_doubt:,} in doubt, {account.pending:,} not tried or waiting"
        )
        if not account.accepted:
            talk("  nothing is marked as sent")
        if report.trouble is not None:
            talk(f"  {report.trouble.help}")
    if report and report.slowed is not None:
        talk(f"{report.slowed.code} {report.slowed.what}\n  {report.slowed.help}")
    if not desk.quiet:
        data(describe(account, zone))
    if account.pending:
        talk(f"  nobody is written to twice; go on with:   newsletter send {month}")
    if account.in_doubt:
        talk(
            f"  in doubt:                                 newsletter deliveries list {month} --in-doubt"
        )
    return 3 if account.pending or account.in_doubt else 0


def _foretell(desk: Desk, house: House, month: Period, *, early: bool) -> None:
    """What `send` would do now; nothing is changed and the relay is not asked.

    Raises:
        Findings: everything for which `send` would not.
    """
    from newsletter.flows.foretell import foretell

    told = foretell(house.ground, month, early=early)
    if told.account is not None:
        data(describe(told.account, house.settings.publication.time_zone))
        waiting = told.account.pending
        verb = "would not go on" if told.findings else "would go on"
        said = f"{verb}: {waiting:,} wait; nobody else would be written to"
        desk.say(said if waiting else "nobody would be sent anything: nobody waits")
    if told.issue is not None:
        _describe(house.settings, told.issue, told.audience)
    if told.findings:
        raise Findings(told.findings, f"{month} would not be sent; nothing was changed.")


def _describe(settings: Settings, issue: ApprovedIssue, counted: dict[str, int]) -> None:
    """What would go out: which issue, when, to how many, and by which road."""
    from newsletter.issue import period as calendar

    due = calendar.due(settings, calendar.read(issue.period))
    data(f"{issue.period}: number {issue.number}, approved by {', '.join(issue.approved_by)}")
    data(f"  due {due.astimezone(settings.publication.time_zone):%Y-%m-%d %H:%M}")
    for edition in issue.editions:
        data(f"  {edition.language}: “{edition.subject}”")
    number = sum(counted.values())
    data(f"  to {number:,} reader{'' if number == 1 else 's'} ({_by_language(counted)})")
    data(f"  by {_road(settings)}")


def _by_language(counted: dict[str, int]) -> str:
    return ", ".join(f"{tag} {number:,}" for tag, number in counted.items()) or "nobody confirmed"


def _road(settings: Settings) -> str:
    delivery = settings.delivery
    if delivery.transport == "outbox":
        return f"the outbox folder {delivery.outbox_path}/"
    if delivery.transport == "sendgrid":
        return "SendGrid"
    smtp = delivery.smtp
    return f"SMTP to {smtp.host}:{smtp.port} ({smtp.security})"
