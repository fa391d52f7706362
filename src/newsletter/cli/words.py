"""Commands of the words wing: check, build, explain."""

from __future__ import annotations

from textwrap import fill, indent
from typing import Annotated

import typer

from newsletter.cli.desk import data, examples
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Where, did_you_mean

WIDTH = 80

app = group("words", "Read what editors wrote and make pages of it.")


@app.command(epilog=examples("newsletter explain NL104", "newsletter explain"))
def explain(
    code: Annotated[
        str | None, typer.Argument(metavar="CODE", help="as NL104; none lists them all")
    ] = None,
) -> None:
    """Say what a finding's code means, why it matters and what to do. Works offline and without a publication."""
    from newsletter.codes import entries

    known = entries()
    if code is None:
        for each in known.values():
            data(f"{each.code}  {each.title}")
        return
    entry = known.get(code.upper())
    if entry is None:
        raise CouldNotRun(
            Finding(
                "NL123",
                f"no finding has the code {code}",
                Where("command line", None, 20, len(code), f"newsletter explain {code}"),
                help=did_you_mean(code.upper(), known) or "`newsletter explain` lists them all",
            )
        )
    data(f"{entry.code}: {entry.title}\n")
    data(fill(entry.why, WIDTH) + "\n")
    data(fill(f"What to do: {entry.fix}", WIDTH))
    if entry.example:
        data("\nExample:\n" + indent(entry.example, "    "))
