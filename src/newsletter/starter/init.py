"""`newsletter init`: a new publication from the files in `files/`, dated today.

    files/ -> names and dates filled in -> a hidden folder -> renamed into place

Nothing is asked and nothing is fetched. A folder that holds something already
is refused before the first byte is written, and a half-written publication is
never seen: newsletter.toml, the file that makes it one, comes last.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from email.utils import format_datetime
from pathlib import Path

from newsletter.config import FILE_NAME, WEEKDAYS
from newsletter.errors import CouldNotRun, Finding, Where
from newsletter.files import sync_folder

FILES = Path(__file__).parent / "files"
PRIVATE = "subscribers"
"""The one folder nobody but the program's own account may look into."""
HIDDEN = "dot."
"""`dot.gitignore` here becomes `.gitignore` there; here it would hide our own files from git."""
LONGEST_TITLE = 100
_ALLOWED_BESIDE = {".git"}
"""What may already stand in the folder: a repository made first, and nothing else."""
_SLOT = re.compile(r"@(TITLE|PERIOD|DAY|TODAY|RFC)(?:-(\d{1,3}))?@")
_LAST_DAY = 28
"""The latest day of the month that every month has."""


def scaffold(target: Path, *, title: str | None, today: dt.date) -> list[Path]:
    """Lay a new publication out in `target`; returns its files, newsletter.toml first.

    `title` None is made from the folder's name. `today` dates the first
    article, the letter of the running month and the day issues are due on.

    Raises:
        CouldNotRun: NL180 (something is there already), NL181 (the title
            cannot be used), NL182 (the folder cannot be written).
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - a link stays the name it was given
    name = _title(title if title is not None else _from_folder(target))
    _refuse_what_is_there(target)
    try:
        return _lay_out(target, _written(name, today))
    except OSError as error:
        raise CouldNotRun(
            Finding(
                "NL182",
                f"the publication cannot be written: {error.strerror}",
                Where(str(target)),
                help="name a folder this account may write to",
            )
        ) from error


def _from_folder(target: Path) -> str:
    """ "my-letter" -> "My letter"."""
    words = re.sub(r"[\s_-]+", " ", target.name).strip() or "My letter"
    return words[0].upper() + words[1:]


def _title(title: str) -> str:
    title = " ".join(title.split())
    if not title or len(title) > LONGEST_TITLE or not title.isprintable():
        raise CouldNotRun(
            Finding(
                "NL181",
                "this title cannot be used",
                help=f"1 to {LONGEST_TITLE} characters that can be seen: --title 'The garden letter'",
            )
        )
    return title


def _refuse_what_is_there(target: Path) -> None:
    if not (target.exists() or target.is_symlink()):
        return
    found = sorted(p.name for p in target.iterdir()) if target.is_dir() else [target.name]
    inside = [entry for entry in found if entry not in _ALLOWED_BESIDE]
    if inside or not target.is_dir():
        kind = "is not empty" if target.is_dir() else "is no folder"
        raise CouldNotRun(
            Finding(
                "NL180",
                f"{target} {kind}",
                Where(str(target)),
                f"holds {', '.join(inside[:3])}{' and more' if len(inside) > 3 else ''}",
                "name a new folder; nothing there was touched",
            )
        )


def _written(title: str, today: dt.date) -> Iterator[tuple[Path, bytes]]:
    """Every file of the publication: its place below the target, and its bytes."""
    for source in sorted(FILES.rglob("*")):
        if source.is_file():
            parts = [
                part.replace(HIDDEN, ".", 1) if part.startswith(HIDDEN) else part
                for part in source.relative_to(FILES).parts
            ]
            place = Path(*(_fill(part, title, today, "") for part in parts))
            text = source.read_text("utf-8")
            yield place, _fill(text, title, today, place.suffix).encode()


def _fill(text: str, title: str, today: dt.date, suffix: str) -> str:
    """`text` with its slots filled; "TODAY-3" is three days ago, RFC the same for a feed."""

    def value(slot: re.Match[str]) -> str:
        day = today - dt.timedelta(days=int(slot[2] or 0))
        match slot[1]:
            case "TITLE":
                return json.dumps(title, ensure_ascii=False) if suffix == ".toml" else title
            case "PERIOD":
                return f"{today:%Y-%m}"
            case "DAY":
                return _due_today(today)
            case "RFC":
                return format_datetime(dt.datetime(day.year, day.month, day.day, 8, tzinfo=dt.UTC))
            case _:
                return day.isoformat()

    return _SLOT.sub(value, text)


def _due_today(today: dt.date) -> str:
    """The `[month] day` that means `today`: else an article that is begun today would be next month's."""
    if today.day <= _LAST_DAY:
        return str(today.day)
    return json.dumps(f"last {WEEKDAYS[today.weekday()]}")


def _lay_out(target: Path, written: Iterator[tuple[Path, bytes]]) -> list[Path]:
    """Write into a folder of its own, then move it into place in as few steps as there are names.

    In a folder that is there already, that folder is inside it: the one above
    may be another disk, or not ours to write to.
    """
    there = target.is_dir()
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = (target if there else target.parent) / f".{target.name}.{secrets.token_hex(6)}.new"
    beside.mkdir()
    try:
        places = []
        for place, data in written:
            _folder(beside, place.parent)
            _write(beside / place, data)
            places.append(place)
        if there:
            for entry in sorted(beside.iterdir(), key=lambda path: path.name == FILE_NAME):
                entry.rename(target / entry.name)
            beside.rmdir()
            sync_folder(target)
        else:
            beside.rename(target)
            sync_folder(target.parent)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return [target / place for place in sorted(places, key=lambda p: (p.name != FILE_NAME, p))]


def _folder(root: Path, place: Path) -> None:
    for folder in [*reversed(place.parents), place]:
        path = root / folder
        if not path.is_dir():
            path.mkdir(mode=0o700 if folder.parts[:1] == (PRIVATE,) else 0o777)


def _write(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
