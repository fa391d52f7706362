"""The first ten minutes: init, new, demo, inbox."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.desk import desk_of, examples
from newsletter.cli.lazy import group

app = group("start", "Begin.")

INBOX_SMTP = 2525
INBOX_WEB = 8025


@app.command(
    epilog=examples("newsletter inbox", "newsletter inbox --port 8026 --smtp-port 2526"),
)
def inbox(
    ctx: typer.Context,
    port: Annotated[int, typer.Option(metavar="N", help="of the page")] = INBOX_WEB,
    smtp_port: Annotated[int, typer.Option(metavar="N", help="where mail is taken")] = INBOX_SMTP,
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
