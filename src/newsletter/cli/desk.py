"""What every command gets: where the publication is, how loud to be, where to talk.

stdout carries data and nothing else; whatever is said about the work goes to
stderr, and `--quiet` leaves only trouble.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from newsletter.cli import report
from newsletter.cli.progress import Progress
from newsletter.errors import Finding, Level

if TYPE_CHECKING:
    from newsletter.config import Settings
    from newsletter.wiring import House

CONFIGURATION = "newsletter.toml"


@dataclass(frozen=True, slots=True)
class Desk:
    """`root` is the folder of newsletter.toml, or where one was looked for in vain."""

    root: Path
    quiet: bool = False
    debug: bool = False

    def settings(self) -> Settings:
        """Read newsletter.toml. Raises CouldNotRun with everything wrong in it."""
        from newsletter import config

        return config.load(self.root)

    def house(self) -> House:
        """The publication's rooms, joined; close it after use."""
        from newsletter.wiring import House

        return House(self.settings(), complain=self.complain_of_the_site)

    def complain_of_the_site(self, error: Exception) -> None:
        """Tell why the site was not made anew, beside work that goes on."""
        from newsletter.cli.trouble import NOTHING_DONE, from_exception

        trouble = from_exception(error)
        stays = "The site is as it was; `newsletter build` makes it anew."
        self.complain(
            trouble.findings, stays if trouble.state in ("", NOTHING_DONE) else trouble.state
        )

    def say(self, text: str = "") -> None:
        """Talk about the work; silent with --quiet."""
        if not self.quiet:
            talk(text)

    def progress(self, lines: str = "text") -> Progress:
        """`lines` "json": a pipe is told in JSON (`cli.progress`)."""
        return Progress(sys.stderr, terminal=sys.stderr.isatty(), quiet=self.quiet, lines=lines)

    def complain(
        self, findings: list[Finding] | tuple[Finding, ...], state: str = "", form: str = "text"
    ) -> None:
        """Show findings that do not end the command; with --quiet, warnings are not worth a mail from cron."""
        if self.quiet and all(finding.level is Level.WARNING for finding in findings):
            return
        text = report.render(
            findings, state, form=form, root=self.root, colour=coloured(sys.stderr)
        )
        talk(text.rstrip("\n"))


def desk_of(ctx: typer.Context) -> Desk:
    found = ctx.find_object(Desk)
    assert found is not None, "the root command sets the desk"
    return found


def talk(text: str) -> None:
    """A line to stderr, in one piece: several threads talk. A closed stderr is nobody's trouble."""
    with suppress(OSError, ValueError):
        print(f"{text}\n", end="", file=sys.stderr, flush=True)


def data(text: str) -> None:
    """A line of the result."""
    print(text)


def data_json(value: Any) -> None:
    """The result for a script: one JSON document; moments in ISO 8601."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)


def coloured(stream: TextIO) -> bool:
    """Colour only on a terminal that wants it (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


COLOURS = {"red": "31", "green": "32", "yellow": "33"}


def coloured_text(text: str, colour: str) -> str:
    """`text` for stdout, coloured where that is a terminal that wants it."""
    return f"\x1b[{COLOURS[colour]}m{text}\x1b[0m" if coloured(sys.stdout) else text


def find_root() -> Path:
    """The nearest folder at or above the working one that holds newsletter.toml; else the working folder."""
    try:
        start = Path.cwd()
    except OSError:  # the folder was removed under us; --help must answer all the same
        return Path("/")
    for folder in (start, *start.parents):
        if (folder / CONFIGURATION).is_file():
            return folder
    return start


def now() -> dt.datetime:
    """This moment, aware, UTC. The only clock of the command line."""
    return dt.datetime.now(dt.UTC)


def examples(*lines: str) -> str:
    """The closing part of a command's help. A test runs every line of it."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
