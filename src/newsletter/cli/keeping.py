"""`newsletter backup`, `restore` and `doctor`: what keeps a list safe for years."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from newsletter.cli.desk import coloured_text, data, data_json, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import Level

app = group("keeping", "Keep the list safe.")


@app.command(epilog=examples("newsletter backup ../readers-backup.age"))
def backup(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a new file, away from the data")],
) -> None:
    """Write the whole store into one file, encrypted to the age keys under [backup] recipients.

    It may be done while everything runs. Addresses in it are sealed once more,
    by the root key, which is never in it: keep a copy of that key elsewhere.
    """
    from newsletter.store.backup import write

    desk = desk_of(ctx)
    settings = desk.settings()
    with desk.house() as house, desk.progress() as progress:
        done = write(
            house.store, file.absolute(), settings.backup.recipients, now(), progress=progress
        )
    data(str(done.path))
    desk.say(
        f"{done.rows:,} rows, {done.size / 1000:,.0f} kB; try it once with `newsletter restore`"
    )


@app.command(
    epilog=examples("newsletter restore ../readers-backup.age --identity ../backup-identity.txt")
)
def restore(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="as `newsletter backup` wrote it")],
    identity: Annotated[
        Path, typer.Option("--identity", metavar="FILE", help="the secret age key")
    ],
) -> None:
    """Fill an empty store from a backup. Whoever left or was erased since does not come back.

    It comes back whole, or everything is as it was before. Nothing is sent from
    it until `newsletter doctor --adopt` says that this store is the one to go on
    with.
    """
    from newsletter.subscribers.restoring import restore as fill

    desk = desk_of(ctx)
    with (
        desk.house() as house,
        house.store_anew() as store,
        desk.progress() as progress,
    ):
        done = fill(store, file.absolute(), identity.absolute(), house.journal, progress=progress)
    desk.say(f"{done.rows:,} rows restored; the journal changed {done.journal.applied:,} of them")
    desk.say("next: newsletter doctor")


@app.command(epilog=examples("newsletter doctor", "newsletter doctor --json"))
def doctor(
    ctx: typer.Context,
    adopt: Annotated[
        bool,
        typer.Option(
            "--adopt", help="this store is the right one, though its witness says otherwise"
        ),
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="do not ask the relay")] = False,
    json: Annotated[bool, typer.Option("--json", help="as JSON")] = False,
) -> None:
    """Look at everything a send depends on, and say which configuration and database are in force.

    Changes nothing, sends nothing; exit 1 when something is wrong. With
    --adopt, whoever was waiting in a restored store is put in doubt first.
    """
    from newsletter.cli import health

    desk = desk_of(ctx)
    with desk.house() as house:
        if adopt:
            desk.say(f"adopted; {health.adopt(house):,} who were waiting are in doubt now")
        seen = list(health.look(house, relay=not offline))
    wrong = list(dict.fromkeys(finding for each in seen for finding in each.findings))
    if json:
        data_json([asdict(each) for each in seen])
    else:
        for each in seen:
            data(_line(each))
    if wrong:
        desk.complain(wrong)
    if any(finding.level is Level.ERROR for finding in wrong):
        raise typer.Exit(1)


def _line(seen: object) -> str:
    from newsletter.cli.health import Seen

    assert isinstance(seen, Seen)
    errors = any(finding.level is Level.ERROR for finding in seen.findings)
    mark = coloured_text("no", "red") if errors else coloured_text("ok", "green")
    if seen.findings and not errors:
        mark = coloured_text("so", "yellow")
    return f"{mark}  {seen.what:<13} {seen.says}"
