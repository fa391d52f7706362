"""Commands of the words wing: check, build, explain."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from textwrap import fill, indent
from typing import TYPE_CHECKING, Annotated

import typer

from newsletter.cli import months, report
from newsletter.cli.desk import coloured, data, desk_of, examples, now
from newsletter.cli.lazy import group
from newsletter.errors import CouldNotRun, Finding, Findings, Level, Where, did_you_mean

if TYPE_CHECKING:
    from newsletter.cli.progress import Progress
    from newsletter.config import Settings
    from newsletter.content import Catalogue

WIDTH = 80

PUBLIC = "public"
"""Where the site is built, below the publication."""

app = group("words", "Read what editors wrote and make pages of it.")


class Format(StrEnum):
    TEXT = "text"
    JSON = "json"
    GITHUB = "github"


@app.command(
    epilog=examples(
        "newsletter check",
        "newsletter check content/articles",
        "newsletter check --format json",
    )
)
def check(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="only what is in these; else all")
    ] = None,
    form: Annotated[Format, typer.Option("--format", help="github: annotations")] = Format.TEXT,
) -> None:
    """Read every text and say everything that is wrong with it, at once. Changes nothing.

    Findings go to stdout. Exit 1 when one of them is an error.
    """
    desk = desk_of(ctx)
    settings = desk.settings()
    with desk.progress() as progress:
        catalogue, found = _everything(settings, progress)
    shown = _only(found, paths or [], desk.root)
    if shown or form is not Format.TEXT:
        colour = coloured(sys.stdout)
        data(report.render(shown, form=form, root=desk.root, colour=colour).rstrip("\n"))
    if any(finding.level is Level.ERROR for finding in shown):
        raise typer.Exit(1)
    if catalogue:
        desk.say(tally(catalogue) if found else f"nothing is wrong · {tally(catalogue)}")


@app.command(
    epilog=examples(
        "newsletter build",
        "newsletter build --verify --stats",
        "newsletter build --drafts --out /tmp/preview-of-my-letter",
    )
)
def build(
    ctx: typer.Context,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="else public/ in the publication")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs", metavar="N", min=1, help="processes at most; else as many as can run"
        ),
    ] = None,
    drafts: Annotated[bool, typer.Option("--drafts", help="with drafts, for a look")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="make every page anew")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="make all of it once more beside, compare every byte")
    ] = False,
    stats: Annotated[bool, typer.Option("--stats", help="say what took how long")] = False,
) -> None:
    """Make the website. When anything is wrong, everything wrong is shown and the old site stays.

    What is the same as before is left as it is; readers never see half a site.
    """
    from newsletter import site

    desk = desk_of(ctx)
    settings = desk.settings()
    folder = out.absolute() if out else settings.path(PUBLIC)
    with desk.progress() as progress:
        report = site.build(
            settings,
            now(),
            folder,
            jobs=jobs or len(os.sched_getaffinity(0)),
            drafts=drafts,
            cache=not no_cache,
            verify=verify,
            progress=progress,
        )
    if report.warnings:
        desk.complain(report.warnings)
    data(os.path.relpath(folder))
    files = (
        f"{report.written} files written, {report.unchanged} as before, {report.removed} removed"
    )
    desk.say(f"{report.pages} pages · {files} · {report.seconds:.1f} s")
    if verify:
        desk.say("verified: every byte is what is made anew")
    if stats:
        for what, seconds in report.costs:
            desk.say(f"  {seconds:7.3f} s  {what}")
    if report.left_out:
        left = ", ".join(f"{count} {why}" for why, count in report.left_out.items())
        desk.say(f"left out: {left}")
    if not out:
        alone = "" if os.environ.get("NEWSLETTER_KEY_FILE") else " --site-only"
        desk.say(f"next: newsletter run{alone}   (look at it{'' if alone else ', with its forms'})")


def _everything(settings: Settings, progress: Progress) -> tuple[Catalogue | None, list[Finding]]:
    """All texts: articles and pages, letters that are not frozen, corrections, feeds, whether the frozen bytes hold;
    what a language lacks; and who will be given readers' addresses."""
    from newsletter import content
    from newsletter.checks import languages
    from newsletter.content import corrections, letters
    from newsletter.issue import frozen
    from newsletter.news import feeds

    catalogue = None
    found: list[Finding] = []
    periods = dict.fromkeys(path.parent.name for path in months.open_letters(settings))
    written = [letters.gather(settings, period) for period in periods]
    try:
        catalogue = content.load(
            settings,
            now(),
            letters=written,
            jobs=len(os.sched_getaffinity(0)),
            progress=progress,
        )
        found += catalogue.warnings
    except Findings as wrong:
        found += wrong.findings
    looks: list[Callable[[], object]] = [
        partial(feeds.load, settings),
        *(partial(frozen.load, settings, period) for period in frozen.periods(settings)),
        *(partial(corrections.load, settings, str(each)) for each in frozen.periods(settings)),
    ]
    for look in looks:
        try:
            look()
        except Findings as wrong:
            found += wrong.findings
    return catalogue, [*found, *languages.unready(settings), *_of_readers(settings)]


def _of_readers(settings: Settings) -> list[Finding]:
    """What stands against whoever will be given readers' addresses, or is believed about them."""
    from newsletter.delivery.transports import choice

    found = choice.objections(settings, now().date())
    if settings.delivery.sendgrid.webhook_key is not None:
        from newsletter.delivery.feedback import sendgrid

        found += sendgrid.objections(settings)
    return found


def _only(found: Sequence[Finding], paths: Sequence[Path], root: Path) -> list[Finding]:
    """The findings below `paths`, which are as the shell wrote them."""
    wanted = [Path(os.path.relpath(path.absolute(), root)) for path in paths]
    for path, below in zip(paths, wanted, strict=True):
        if not (root / below).exists():
            raise CouldNotRun(
                Finding(
                    "NL135",
                    "there is no such file or folder",
                    Where(str(path)),
                    help="check the spelling",
                )
            )
    return [
        finding
        for finding in found
        if not wanted
        or (finding.where and any(Path(finding.where.path).is_relative_to(each) for each in wanted))
    ]


def tally(catalogue: Catalogue) -> str:
    """ "41 articles published · 1 draft · 1 waiting": nothing is left out silently."""
    number = len(catalogue.articles)
    parts = [f"{number} article{'' if number == 1 else 's'} published"]
    parts += [f"{count} {why}" for why, count in catalogue.left_out.items()]
    return " · ".join(parts)


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
