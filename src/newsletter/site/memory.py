"""What the last build knew: enough to do nothing when nothing has changed.

A page's signature is the digest of every value it shows, of its body, of its
template and of all that the template includes. The same signature means the
same bytes, so the page is not made again; `build --verify` proves it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import marshal
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from newsletter.errors import Finding, Level, Where
from newsletter.files import write_atomic
from newsletter.site.stamps import Stamp


@dataclass(frozen=True, slots=True)
class Memory:
    """The last build into one folder. `since` and `until`: the span in which it stays right.

    `signatures`: file -> signature, for pages.
    """

    inputs: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    pages: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[Finding, ...] = ()
    stamps: Mapping[str, Stamp] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)

    def holds(self, inputs: str, now: dt.datetime) -> bool:
        """Whether a build of these inputs at `now` would make the same site."""
        return (
            self.inputs == inputs
            and self.since is not None
            and self.since <= now
            and (self.until is None or now < self.until)
        )

    def knows(self, name: str, signature: str) -> bool:
        """Whether the file that was made last time is the one that would be made now."""
        return name in self.stamps and self.signatures.get(name) == signature

    def forgetful(self) -> Memory:
        """What lies in the folder, and nothing of what it was made from."""
        return replace(self, signatures={})


def read(file: Path) -> Memory:
    """The memory in `file`; an empty one when there is none, or it cannot be read."""
    try:
        row = json.loads(file.read_bytes())
        return Memory(
            inputs=str(row["inputs"]),
            since=dt.datetime.fromisoformat(row["since"]),
            until=dt.datetime.fromisoformat(row["until"]) if row["until"] else None,
            pages=int(row["pages"]),
            left_out=dict(row["left_out"]),
            warnings=tuple(_finding(each) for each in row["warnings"]),
            stamps={
                name: Stamp(str(each[0]), int(each[1]), int(each[2]))
                for name, each in row["files"].items()
            },
            signatures={name: str(each[3]) for name, each in row["files"].items() if len(each) > 3},
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Memory()


def write(file: Path, memory: Memory) -> None:
    files: dict[str, list[object]] = {}
    for name, stamp in memory.stamps.items():
        signature = memory.signatures.get(name)
        files[name] = [stamp.digest, stamp.size, stamp.mtime, *([signature] if signature else [])]
    row = {
        "inputs": memory.inputs,
        "since": memory.since.isoformat() if memory.since else "",
        "until": memory.until.isoformat() if memory.until else "",
        "pages": memory.pages,
        "left_out": dict(memory.left_out),
        "warnings": [_row(each) for each in memory.warnings],
        "files": files,
    }
    write_atomic(file, json.dumps(row, separators=(",", ":")).encode(), durable=False)


def _row(finding: Finding) -> list[object]:
    where = finding.where
    place = [where.path, where.line, where.column, where.width, where.text] if where else None
    return [finding.code, finding.what, place, finding.label, finding.help, finding.level.value]


def _finding(row: list[Any]) -> Finding:
    code, what, place, label, advice, level = row
    return Finding(code, what, Where(*place) if place else None, label, advice, Level(level))


def signature(*values: Any) -> str:
    """A digest of plain values (text, numbers, bytes, lists, tuples, dicts of them).

    Version 2 of marshal has no references, so equal values give equal bytes.
    """
    return hashlib.sha256(marshal.dumps(values, 2)).hexdigest()[:32]


_NAMED = re.compile(r"\{%[-+]?\s*(?:extends|include|import|from)\s+([^%]*?)[-+]?%\}", re.S)
_LITERAL = re.compile(r"[\"']([^\"']+)[\"']\s*(?:$|as\b|import\b|with\b|without\b|ignore\b)")


def closures(templates: Mapping[str, bytes]) -> dict[str, str]:
    """Each template's digest together with all that it names, however deep.

    A template that names another by a value depends on every template there is.
    """
    every = signature(sorted(templates.items()))
    named = {name: _names(source) for name, source in templates.items() if name.endswith(".html")}

    def reach(name: str, seen: set[str]) -> set[str] | None:
        if name in seen:
            return seen
        seen.add(name)
        others = named.get(name, set())
        if others is None:
            return None
        for other in others:
            if reach(other, seen) is None:
                return None
        return seen

    made = {}
    for name in named:
        found = reach(name, set())
        made[name] = (
            every
            if found is None
            else signature([(each, templates.get(each, b"")) for each in sorted(found)])
        )
    return made


def _names(source: bytes) -> set[str] | None:
    """The templates that one names; None when it names one by a value."""
    names = set()
    for match in _NAMED.finditer(source.decode("utf-8", "replace")):
        literal = _LITERAL.match(match[1].strip())
        if literal is None:
            return None
        names.add(literal[1])
    return names
