"""`newsletter send`: to the readers, once; or to the built-in inbox, as often as one likes."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import months
from newsletter.cli.desk import Desk, data, desk_of, examples
from newsletter.cli.lazy import group
from newsletter.cli.signals import stopping
from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.inbox import Inbox
    from newsletter.issue.edition import ApprovedIssue

app = group("sending", "Send the month's issue.")


def rehearsal(desk: Desk, settings: Settings, issue: ApprovedIssue) -> None:
    """Show the approved issue in an inbox: one that runs already, or one of our own."""
    from newsletter.cli.rehearsal import running_inbox
    from newsletter.cli.start import INBOX_SMTP, INBOX_WEB
    from newsletter.inbox import Inbox

    with stopping() as asked:
        if running_inbox(INBOX_SMTP):
            _try(desk, settings, issue, INBOX_SMTP, asked)
            desk.say(f"look at it: http://127.0.0.1:{INBOX_WEB}/")
            return
        folder = settings.path(".cache/trial") / issue.period
        shutil.rmtree(folder, ignore_errors=True)
        with Inbox(folder=folder) as inbox:
            _try(desk, settings, issue, inbox.smtp_port, asked)
            _show(desk, inbox, asked)
    for mail in sorted(folder.glob("*.eml")):
        data(os.path.relpath(mail))


def _try(
    desk: Desk, settings: Settings, issue: ApprovedIssue, port: int, asked: threading.Event
) -> None:
    from newsletter.cli.rehearsal import rehearse

    report = rehearse(settings, issue, port, asked)
    if not report.accepted:
        raise CouldNotRun(
            Finding("NL143", f"the trial reached no inbox: {report.why or report.stop}")
        )
    readers = f"{report.accepted} made-up reader{'s' if report.accepted > 1 else ''}"
    desk.say(f"trial: {issue.period} went to {readers} on this machine; nothing counts as sent")


def _show(desk: Desk, inbox: Inbox, asked: threading.Event) -> None:
    """On a terminal, keep the page up until Ctrl-C."""
    if sys.stderr.isatty() and not desk.quiet:
        desk.say(f"look at it: {inbox.url}  (Ctrl-C ends it)")
        asked.wait()
        desk.say()


@app.command(
    epilog=examples(
        "newsletter send --to-inbox",
    )
)
def send(
    ctx: typer.Context,
    period: Annotated[
        str | None,
        typer.Argument(metavar="PERIOD", help="as 2026-12; else the newest letter's month"),
    ] = None,
    to_inbox: Annotated[
        bool,
        typer.Option(
            "--to-inbox", help="a trial: made-up readers, on this machine, as often as you like"
        ),
    ] = False,
) -> None:
    """Send the approved issue."""
    from newsletter.issue import freeze

    desk = desk_of(ctx)
    settings = desk.settings()
    issue = freeze.load(settings, months.named_or_newest(settings, period))
    if to_inbox:
        rehearsal(desk, settings, issue)
