"""The first ten minutes: init, new, demo, inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.desk import data, desk_of, examples, now
from newsletter.cli.lazy import group

app = group("start", "Begin.")

INBOX_SMTP = 2525
INBOX_WEB = 8025
MOST_PORT = 65535

NEXT = """\
made {folder}: {files} files, nothing else was touched
next:
  1. cd {folder}
  2. newsletter new article "My first article"
  3. newsletter build                                the website, in public/
  4. newsletter issue approve {period} --by Editor    freeze this month's issue
  5. newsletter send {period} --to-inbox              see it as a mail, on this machine"""


@app.command(
    epilog=examples(
        "newsletter init my-letter", 'newsletter init garden --title "The garden letter"'
    ),
)
def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a new or empty folder")],
    title: Annotated[
        str | None, typer.Option(metavar="TITLE", help="else made from the folder's name")
    ] = None,
) -> None:
    """Make a publication that builds and can be sent to the built-in inbox at once. Asks nothing."""
    from newsletter.starter.init import scaffold

    made = scaffold(folder, title=title, today=now().date())
    data(str(folder))
    period = next(path.parent.name for path in made if path.name.startswith("letter."))
    desk_of(ctx).say(NEXT.format(folder=folder, files=len(made), period=period))


@app.command(
    epilog=examples("newsletter inbox", "newsletter inbox --port 8026 --smtp-port 2526"),
)
def inbox(
    ctx: typer.Context,
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_PORT, help="of the page")
    ] = INBOX_WEB,
    smtp_port: Annotated[
        int, typer.Option(metavar="N", min=0, max=MOST_PORT, help="where mail is taken")
    ] = INBOX_SMTP,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="keep the mails there as .eml; else in memory"),
    ] = None,
) -> None:
    """Take mail on this machine and show each one in the browser: HTML, text, raw, size.

    Nothing leaves it. Stays until Ctrl-C.
    """
    from newsletter.cli.signals import stopping
    from newsletter.inbox import Inbox

    desk = desk_of(ctx)
    with stopping() as asked, Inbox(smtp_port, port, keep) as box:
        desk.say(f"inbox: {box.url}  (takes mail on 127.0.0.1:{box.smtp_port}; Ctrl-C ends it)")
        asked.wait()
        desk.say(f"\n{len(box.messages)} mails were taken.")
