"""`newsletter demo`: a month of the publication here, in a scratch copy that is thrown away."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from newsletter.cli.desk import desk_of, examples, now, talk
from newsletter.cli.lazy import group

if TYPE_CHECKING:
    from newsletter.demo.story import Stage

app = group("demo", "A month in a scratch copy.")


@app.command(epilog=examples("newsletter demo"))
def demo(ctx: typer.Context) -> None:
    """Live through one month: site, sign-ups, an issue, one mail to each reader, one click out.

    Works on a scratch copy, on this machine alone. On a terminal the site and
    the inbox stay up until Ctrl-C.
    """
    from newsletter.demo.story import WentWrong, tell

    desk = desk_of(ctx)
    with tempfile.TemporaryDirectory(prefix="newsletter-demo-") as folder:
        try:
            tell(desk.root, Path(folder), now(), talk, _stay)
        except WentWrong as broken:
            talk(f"the demo saw a promise broken: {broken}")
            raise typer.Exit(broken.exit_code) from broken


def _stay(stage: Stage) -> None:
    """Say where to look; on a terminal keep the doors open until Ctrl-C."""
    talk("")
    talk(f"the site    {stage.site}/")
    talk(f"the inbox   {stage.inbox.url}")
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        talk("no terminal here, so the demo ends now; on one it stays up until Ctrl-C")
        return
    from newsletter.cli.signals import stopping

    talk("both stay up until Ctrl-C")
    with stopping() as asked:
        asked.wait()
