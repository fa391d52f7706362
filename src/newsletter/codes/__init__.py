"""What every finding means, offline: one TOML file per room, one table per code.

`newsletter explain NL104` prints an entry, docs/findings.md is made of all of
them, and a test holds the codes in the source, the entries and the tests
against each other. Whoever owns a room writes its file.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Entry:
    """One code: `title` names the fault, `why` it matters, `fix` is the way out, `example` shows it."""

    code: str
    room: str
    title: str
    why: str
    fix: str
    example: str = ""


def entries() -> dict[str, Entry]:
    """Every code there is, in order of its number.

    Raises:
        ValueError: two rooms explain the same code, or an entry lacks a part.
    """
    found: dict[str, Entry] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for code, parts in tomllib.loads(file.read_text("utf-8")).items():
            if code in found:
                raise ValueError(f"{code} is explained in {found[code].room} and in {file.stem}")
            found[code] = _entry(code, file.stem, parts)
    return dict(sorted(found.items()))


def _entry(code: str, room: str, parts: dict[str, str]) -> Entry:
    try:
        return Entry(code, room, **{name: text.strip() for name, text in parts.items()})
    except TypeError as error:
        raise ValueError(f"the entry of {code} in {room}.toml: {error}") from error
