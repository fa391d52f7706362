"""A Maildir as a source: new/ and what nobody has looked at in cur/.

    new/NAME, cur/NAME:2,   -> read
    DONE                    -> cur/NAME:2,S, or deleted
    KEPT                    -> cur/NAME:2,F   flagged, unseen: a mail program shows it

Flags tell what was settled, so nothing else has to remember it, and whoever
marks a mail as unread and unflagged has it read again, without harm.

Source: D. J. Bernstein, "Using maildir format"; the flags S, F, T, D are its.
"""

from __future__ import annotations

import datetime as dt
import errno
import os
import stat
from collections.abc import Generator, Sequence
from pathlib import Path

from newsletter.config import FILE_NAME
from newsletter.delivery.feedback.collecting import BATCH, Fate, Letter
from newsletter.delivery.feedback.mime import LONGEST
from newsletter.errors import CouldNotRun, Finding, Where

SETTLED = frozenset("SFTD")
LATEST = dt.datetime.max.replace(tzinfo=dt.UTC, microsecond=0).timestamp()
"""A file may be of the year 30,000."""


class Maildir:
    """The folder that holds new/ and cur/. `delete` removes what is done instead of marking it."""

    def __init__(self, folder: Path, *, delete: bool = False) -> None:
        self._folder = folder
        self._delete = delete
        self._denied = 0
        self._stuck: list[str] = []
        """Why a mail could not be let go of: it is read again in the next pass, and keeps no other waiting."""

    def batches(self) -> Generator[list[Letter]]:
        """Raises CouldNotRun NL645: there is no such Maildir, or something in it may not be read or marked."""
        names = self._names()
        self._denied = 0
        self._stuck = []
        for start in range(0, len(names), BATCH):
            read = [self._read(name) for name in names[start : start + BATCH]]
            if letters := [letter for letter in read if letter is not None]:
                yield letters
        why: list[str] = []
        if self._denied:
            why.append(f"mails that this account may not read: {self._denied:,}")
        if self._stuck:
            why.append(
                f"mails that cannot be marked as read: {len(self._stuck):,} ({self._stuck[0]})"
            )
        if why:
            raise CouldNotRun(*(_unreadable(self._folder, each) for each in why))

    def waiting(self) -> int:
        """How many mails a pass would read. Raises CouldNotRun NL645 as `batches` does."""
        return len(self._names())

    def _names(self) -> list[str]:
        """Relative names, oldest first: a Maildir's names begin with the second of delivery."""
        found: list[tuple[str, str]] = []
        try:
            for part in ("new", "cur"):
                found += [
                    (each.name, f"{part}/{each.name}")
                    for each in os.scandir(self._folder / part)
                    if not each.name.startswith(".")
                    and not (part == "cur" and SETTLED & set(_flags(each.name)))
                ]
        except OSError as error:
            raise CouldNotRun(_unreadable(self._folder, str(error.strerror))) from error
        return [name for _, name in sorted(found)]

    def _read(self, name: str) -> Letter | None:
        """The mail, at most LONGEST bytes of it; None when it is gone or no file."""
        try:
            return _read(self._folder / name, name)
        except PermissionError:
            self._denied += 1
        return None

    def settle(self, fates: Sequence[tuple[Letter, Fate]]) -> None:
        for letter, fate in fates:
            path = self._folder / letter.name
            try:
                if fate is Fate.DONE and self._delete:
                    path.unlink()
                else:
                    _move(path, self._folder / "cur" / _flagged(path.name, fate))
            except FileNotFoundError:
                pass  # another reader of this Maildir was quicker
            except OSError as error:
                self._stuck.append(str(error.strerror))


def _flags(name: str) -> str:
    return name.partition(":2,")[2]


def _flagged(name: str, fate: Fate) -> str:
    base, _, flags = name.partition(":2,")
    return f"{base}:2,{''.join(sorted(set(flags) | {'S' if fate is Fate.DONE else 'F'}))}"


def _move(path: Path, to: Path) -> None:
    """Raises FileExistsError: another mail has that name, and would be lost."""
    if to != path and os.path.lexists(to):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    path.rename(to)


def _read(path: Path, name: str) -> Letter | None:
    """The mail, at most LONGEST bytes of it; None when it is gone or no file.

    Raises:
        PermissionError: it is not ours to read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except PermissionError:
        raise
    except OSError:  # gone, a link, a device
        return None
    try:
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode):
            return None
        at = dt.datetime.fromtimestamp(min(about.st_mtime, LATEST), dt.UTC)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return Letter(name, file.read(LONGEST), at)
    finally:
        os.close(descriptor)


def _unreadable(folder: Path, why: str) -> Finding:
    return Finding(
        "NL645",
        f"the Maildir {folder} cannot be read: {why}",
        Where(FILE_NAME),
        help="[feedback] maildir names the folder that holds new/ and cur/;"
        " this account must be able to read and write it",
    )
