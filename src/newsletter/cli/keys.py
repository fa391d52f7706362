"""`newsletter key`: the root key, made once and kept away from the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.desk import CONFIGURATION, data, desk_of, examples, now
from newsletter.cli.lazy import group

app = group("key", "The key that opens readers' addresses. It never lies with the data.")


@app.command(
    epilog=examples(
        "newsletter key new ../my-letter.key",
        "newsletter key new --backup ../my-backup-identity.txt",
    )
)
def new(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="outside the publication's folder")],
    backup: Annotated[
        bool, typer.Option("--backup", help="the key of backups; print its public half")
    ] = False,
) -> None:
    """Make a key file that only this account may read, and print its path.

    Keep a copy of it where no backup of the database lies. Without it every
    address is lost; with it and the database every address can be read.

    With --backup it is another key, the one that opens backups: FILE holds its
    secret half, and the public half is printed, for [backup] recipients. It may
    be made on any machine; keep FILE away from the one that writes the backups.
    """
    desk = desk_of(ctx)
    from newsletter.subscribers import rootkey
    from newsletter.wiring import House

    known = (desk.root / CONFIGURATION).is_file()
    house = House(desk.settings()) if known else None
    path = file.resolve()
    publication, database = (desk.root, house.database) if house else (None, None)
    if backup:
        from newsletter.store.backup import new_identity

        identity, recipient = new_identity(now())
        rootkey.keep(path, identity, publication=publication, database=database)
        data(recipient)
        desk.say(f'next: write it under [backup] in newsletter.toml: recipients = ["{recipient}"]')
        desk.say(f"Move {path} to another machine, or a safe: it opens every backup.")
        return
    rootkey.new(path, publication=publication, database=database)
    data(str(path))
    desk.say(f"next: export {rootkey.VARIABLE}={path}")
    desk.say("Keep a copy apart from every backup: without this file no address can be read again.")


@app.command(epilog=examples("newsletter key rotate"))
def rotate(ctx: typer.Context) -> None:
    """Make a new key and seal every address anew, while everything runs. Old links go on working.

    The key file keeps its name; the old key is kept beside it, because older
    backups open with it alone. Interrupted, it goes on when it is run again.
    """
    from newsletter.subscribers.rotation import rotate as renew

    desk = desk_of(ctx)
    with desk.house() as house, desk.progress() as progress:
        path = house.key.path
        assert path is not None, "a key from the environment has a file"
        done = renew(house.store, path, now(), progress=progress)
    desk.say(f"{done.resealed:,} addresses sealed anew; {path} holds the new key")
    if done.kept:
        data(str(done.kept))
        desk.say("the old key lies there; move it to where the old backups are")
