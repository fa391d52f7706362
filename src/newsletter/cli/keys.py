"""`newsletter key`: the root key, made once and kept away from the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.desk import CONFIGURATION, data, desk_of, examples
from newsletter.cli.lazy import group

app = group("key", "The key that opens readers' addresses. It never lies with the data.")


@app.command(epilog=examples("newsletter key new ../my-letter.key"))
def new(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="outside the publication's folder")],
) -> None:
    """Make a key file that only this account may read, and print its path.

    Keep a copy of it where no backup of the database lies. Without it every
    address is lost; with it and the database every address can be read.
    """
    desk = desk_of(ctx)
    from newsletter.subscribers import rootkey
    from newsletter.wiring import House

    known = (desk.root / CONFIGURATION).is_file()
    house = House(desk.settings()) if known else None
    path = file.resolve()
    rootkey.new(
        path, publication=desk.root if house else None, database=house.database if house else None
    )
    data(str(path))
    desk.say(f"next: export {rootkey.VARIABLE}={path}")
    desk.say("Keep a copy apart from every backup: without this file no address can be read again.")


@app.callback()
def _group() -> None:
    """The key that opens readers' addresses. It never lies with the data."""
