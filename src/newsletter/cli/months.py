"""Which month a command means when none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from newsletter.errors import CouldNotRun, Finding

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from newsletter.config import Settings
    from newsletter.issue.period import Period

ISSUES = "content/issues"
MANIFEST = "edition.toml"


def letters(settings: Settings) -> list[Path]:
    """Every letter, oldest month first."""
    return sorted(settings.path(ISSUES).glob("[0-9]*-[0-9]*/letter.*.md"))


def open_letters(settings: Settings) -> list[Path]:
    """Every letter of every issue that is not frozen."""
    return [path for path in letters(settings) if not _frozen(path)]


def _frozen(letter: Path) -> bool:
    return (letter.parent / MANIFEST).exists()


def named_or_open(settings: Settings, text: str | None) -> Period:
    """The month that was named, else the newest whose letter is not frozen.

    Raises:
        CouldNotRun: NL450 no month; NL131 there is no open letter.
    """
    written = letters(settings)
    unfrozen = [path for path in written if not _frozen(path)]
    if text or unfrozen or not written:
        return _named_or(text, unfrozen)
    month = written[-1].parent.name
    raise CouldNotRun(
        Finding(
            "NL131",
            f"there is no open letter: {month}, the newest, is approved",
            help=f"`newsletter issue withdraw {month}` takes the approval back while nobody was sent it;"
            " `newsletter new issue` writes the next letter",
        )
    )


def named_or_newest(settings: Settings, text: str | None) -> Period:
    """The month that was named, else the newest that has a letter."""
    return _named_or(text, letters(settings))


def named_or_this(settings: Settings, text: str | None, moment: dt.datetime) -> Period:
    """The month that was named, else the one that `moment` falls into."""
    from newsletter.issue.period import at, read

    return read(text) if text else at(moment, settings.publication.time_zone)


def _named_or(text: str | None, found: list[Path]) -> Period:
    from newsletter.issue.period import read

    if text:
        return read(text)
    if not found:
        raise CouldNotRun(
            Finding(
                "NL131",
                "there is no open letter",
                help="`newsletter new issue` writes the next one",
            )
        )
    return read(found[-1].parent.name)
