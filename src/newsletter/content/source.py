"""A text file of the editors, read and split: front matter above, Markdown below.

Nothing is parsed here but the two lines of dashes. Every way a file can be
unreadable is a Finding: a link out of content/, bytes that are not UTF-8, a
front matter that never ends, a file of a size no editor writes.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from newsletter.content.model import Source
from newsletter.errors import Finding, Level, Where
from newsletter.files import read_file

MAX_FRONT_MATTER = 64 * 1024
"""Bytes. The longest reference list we have seen takes a tenth of it."""
MAX_FILE = 1024 * 1024
"""Bytes. About 150,000 words: a book, not an article."""
_BOM = b"\xef\xbb\xbf"
_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Text:
    """A file as text. `front` is None when it has no front matter.

    `path` is relative to the publication; `front` begins on line 2 of the file.
    """

    path: str
    raw: str
    digest: str
    front: str | None
    body: str
    body_line: int

    @property
    def source(self) -> Source:
        return Source(self.path, self.body_line, self.digest)

    def line(self, number: int) -> str:
        lines = self.raw.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def where(self, line: int, column: int = 1, width: int = 1) -> Where:
        """A place in this file; line and column count from 1."""
        return Where(self.path, line, column, max(1, width), self.line(line))

    def find(self, needle: str, start_line: int = 1) -> Where:
        """The first place of `needle` from `start_line` on; that line's beginning when it is not there."""
        for number, line in enumerate(self.raw.splitlines(), 1):
            if number >= start_line and needle in line:
                return Where(self.path, number, line.index(needle) + 1, len(needle), line)
        return self.where(start_line)


def leads_out(root: Path, path: Path) -> bool:
    """Whether `path`, every link followed, lies outside content/."""
    return not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root / "content"))


def read_bytes(
    root: Path, path: Path, *, folder_is_inside: bool = False, most: int = MAX_FILE
) -> bytes | Finding:
    """The file's bytes, or why it may not be read.

    A symlink may point inside content/ (one drawing used twice), not out of it.
    `folder_is_inside`: the caller has asked that of the folder already.
    """
    name = path.relative_to(root).as_posix()
    try:
        if (not folder_is_inside or os.path.islink(path)) and leads_out(root, path):  # noqa: PTH114
            return out_of_content(name)
        status = os.stat(path)  # noqa: PTH116
        if not stat.S_ISREG(status.st_mode):
            return Finding("NL200", f"{name} is not a file", Where(name), help="remove it")
        if status.st_size > most:
            text = most == MAX_FILE
            return Finding(
                "NL214",
                f"{name} is larger than {'an article' if text else 'a photo'} can be ({status.st_size:,} bytes)",
                Where(name),
                help=f"at most {most:,} bytes; "
                + (
                    "split the text, and put pictures into content/images/"
                    if text
                    else "save it smaller: nobody sees more than 1600 dots across"
                ),
            )
        return read_file(path)  # asks again what it is: it may be another one by now
    except OSError as error:
        return Finding(
            "NL200",
            f"{name} cannot be read: {error.strerror}",
            Where(name),
            help="check that the file is there and that this account may read it",
        )


def out_of_content(name: str) -> Finding:
    return Finding(
        "NL209",
        f"{name} is a link that leads out of content/",
        Where(name),
        help="put the file itself there; nothing outside content/ is published",
    )


def plain(data: bytes) -> str:
    """The text of bytes that are known to be UTF-8: without a mark, lines ended by "\\n".

    Raises:
        UnicodeDecodeError: they are not.
    """
    raw = data.removeprefix(_BOM).decode("utf-8")
    return raw.replace("\r\n", "\n").replace("\r", "\n") if "\r" in raw else raw


def decode(name: str, data: bytes) -> tuple[Text | None, list[Finding]]:
    """Split a file's bytes into front matter and body; a byte order mark is dropped and told."""
    findings: list[Finding] = []
    digest = hashlib.sha256(data).hexdigest()
    if data.startswith(_BOM):
        findings.append(
            Finding(
                "NL216",
                f"{name} begins with a byte order mark",
                Where(name, 1),
                help="save it as UTF-8 without a BOM; it was read as if it had none",
                level=Level.WARNING,
            )
        )
    try:
        raw = plain(data)
    except UnicodeDecodeError as error:
        return None, [*findings, _not_utf8(name, data.removeprefix(_BOM), error.start)]
    if "\0" in raw:
        line = raw.count("\n", 0, raw.index("\0")) + 1
        return None, [
            *findings,
            Finding(
                "NL208",
                f"{name} holds a zero byte",
                Where(name, line),
                help="this is not a text file; save it anew as UTF-8",
            ),
        ]
    text, problem = _split(name, raw, digest)
    return text, [*findings, problem] if problem else findings


def _not_utf8(name: str, data: bytes, offset: int) -> Finding:
    before = data[:offset]
    line = before.count(b"\n") + 1
    start = before.rfind(b"\n") + 1
    end = data.find(b"\n", offset)
    shown = data[start : end if end >= 0 else len(data)].decode("utf-8", "replace").rstrip("\r")
    column = len(data[start:offset].decode("utf-8", "replace")) + 1
    return Finding(
        "NL208",
        f"{name} is not UTF-8",
        Where(name, line, column, 1, shown),
        f"byte 0x{data[offset]:02x} is not UTF-8",
        "save the file as UTF-8 (in most editors: Save with encoding)",
    )


def _split(name: str, raw: str, digest: str) -> tuple[Text | None, Finding | None]:
    first, _, rest = raw.partition("\n")
    if first.rstrip() != _FENCE:
        return Text(name, raw, digest, None, raw, 1), None
    position = 0 if rest.startswith(_FENCE) else rest.find(f"\n{_FENCE}") + 1
    while position > 0 or rest.startswith(_FENCE):
        end = rest.find("\n", position)
        closing = rest[position : end if end >= 0 else len(rest)]
        if closing.rstrip() == _FENCE:
            break
        following = rest.find(f"\n{_FENCE}", position)
        if following < 0:
            position = -1
            break
        position = following + 1
    else:
        position = -1
    if position < 0:
        return None, Finding(
            "NL207",
            f"the front matter of {name} never ends",
            Where(name, 1, 1, len(_FENCE), first),
            "opened here",
            "close it with a line of three dashes, ---, above the text",
        )
    front = rest[:position]
    if len(front.encode()) > MAX_FRONT_MATTER:
        return None, Finding(
            "NL214",
            f"the front matter of {name} is too long ({len(front.encode()):,} bytes)",
            Where(name, 1, 1, len(_FENCE), first),
            help=f"at most {MAX_FRONT_MATTER:,} bytes; the text itself stands below the second ---",
        )
    end = rest.find("\n", position)
    body = rest[end + 1 :] if end >= 0 else ""
    return Text(name, raw, digest, front, body, front.count("\n") + 3), None
