"""Read log files for the messages that somebody asks about. Memory holds those and nothing else."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Protocol

from newsletter.delivery.mtalog import lines
from newsletter.delivery.mtalog.exim import Exim
from newsletter.delivery.mtalog.lines import Entry
from newsletter.delivery.mtalog.opensmtpd import OpenSmtpd
from newsletter.delivery.mtalog.postfix import Postfix
from newsletter.delivery.mtalog.track import Proof, Track, Tracks
from newsletter.delivery.report import Progress


class Format(StrEnum):
    """Whose log it is. AUTO asks every line; a server whose lines are not there finds nothing."""

    AUTO = "auto"
    POSTFIX = "postfix"
    EXIM = "exim"
    OPENSMTPD = "opensmtpd"


class Reader(Protocol):
    name: str

    def feed(self, said: Entry) -> bool: ...


@dataclass(frozen=True, slots=True)
class Log:
    """`found`: Message-ID without brackets -> Track, in the order in which the log first names them.

    `nameless`: OpenSMTPD's lines are in it, and our mails carry no return path
    that it could be searched for.
    """

    found: dict[str, Track]
    server: str = ""
    entries: int = 0
    nameless: bool = False

    def proof(self, message_id: str) -> Proof:
        track = self.found.get(message_id)
        return track.proof if track is not None else Proof.ABSENT


def read(
    files: Sequence[Path | IO[bytes]],
    wanted: Iterable[str],
    form: Format = Format.AUTO,
    *,
    name_of: Callable[[str], str | None] | None = None,
    progress: Progress | None = None,
) -> Log:
    """Read `files`, oldest first, for the Message-IDs in `wanted` (without brackets).

    `name_of` gives the Message-ID that a return path belongs to; None where
    return paths name nobody.

    Raises:
        lines.Unreadable: a file breaks off.
        OSError: a file cannot be read.
    """
    tracks = Tracks(wanted)
    smtpd = OpenSmtpd(tracks, name_of or (lambda path: None))
    everyone: dict[Format, Reader] = {
        Format.POSTFIX: Postfix(tracks),
        Format.EXIM: Exim(tracks),
        Format.OPENSMTPD: smtpd,
    }
    readers = list(everyone.values()) if form is Format.AUTO else [everyone[form]]
    server, entries = "", 0
    for said in _entries(files, progress):
        entries += 1
        for reader in readers:
            if reader.feed(said):
                server = server or reader.name
                break
    return Log(tracks.found, server, entries, smtpd.seen and name_of is None)


def _entries(files: Sequence[Path | IO[bytes]], progress: Progress | None) -> Iterable[Entry]:
    total = sum(_size(file) for file in files if isinstance(file, Path))
    before = 0
    for file in files:
        if not isinstance(file, Path):
            yield from lines.entries(file)
            continue
        with file.open("rb") as raw:

            def told(done: int = before, raw: IO[bytes] = raw) -> None:
                if progress is not None:
                    progress((done + raw.tell()) // 1_000_000, total // 1_000_000, "reading MB")

            yield from lines.entries(raw, told)
        before += _size(file)


def _size(path: Path) -> int:
    found = path.stat()
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
