"""Findings about a body, with the line of the file in which it stands."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from newsletter.content.model import Source
from newsletter.errors import Finding, Level, Where

MOST = 50
"""Findings of one code in one text; the others are counted. Whoever has mended fifty sees the next."""


class Telling:
    """Collects what is wrong with one body. Lines given to `tell` count from 1 in the body."""

    def __init__(self, body: str, source: Source) -> None:
        self.body = body
        self.source = source
        self.lines = body.split("\n")
        self._starts: list[int] = []
        self._from: dict[str, int] = {}
        """Needle -> where the next look for it begins: what is told twice stands twice."""
        self._seen: set[Finding] = set()
        self._told: list[Finding] = []
        self._counts: Counter[str] = Counter()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything told, each once; of what is too often there, how many more there are."""
        more = (
            replace(
                next(each for each in reversed(self._told) if each.code == code),
                what=f"{count - MOST:,} more of this kind ({code}) stand in {self.source.path}",
                where=Where(self.source.path),
                label="",
            )
            for code, count in self._counts.items()
            if count > MOST
        )
        return (*self._told, *more)

    def add(self, finding: Finding) -> None:
        if finding in self._seen:
            return
        self._counts[finding.code] += 1
        if self._counts[finding.code] <= MOST:
            self._seen.add(finding)
            self._told.append(finding)

    def tell(
        self, code: str, what: str, line: int, advice: str, level: Level = Level.ERROR
    ) -> None:
        text = self.lines[line - 1] if 0 < line <= len(self.lines) else ""
        where = Where(
            self.source.path, self.source.body_line + line - 1, 1, max(1, len(text.rstrip())), text
        )
        if code == "NL226":
            level = Level.WARNING
        self.add(Finding(code, what, where, "", advice, level))

    def place(
        self, code: str, what: str, place: tuple[int, int, int], label: str, advice: str
    ) -> None:
        """An error at (line, column, width)."""
        line, column, width = place
        where = Where(
            self.source.path,
            self.source.body_line + line - 1,
            column,
            width,
            self.lines[line - 1],
        )
        self.add(Finding(code, what, where, label, advice))

    def at(
        self,
        code: str,
        what: str,
        needles: Sequence[str],
        label: str,
        advice: str,
        level: Level = Level.ERROR,
    ) -> None:
        """At the next place of the first needle that is still there; what is told of it again is further down."""
        self.add(Finding(code, what, self._next(needles), label, advice, level))

    def _next(self, needles: Sequence[str]) -> Where:
        for needle in filter(None, needles):
            found = self.body.find(needle, self._from.get(needle, 0))
            if found >= 0:
                self._from[needle] = found + len(needle)
                return self._where(found, needle)
            self._from[needle] = len(self.body)
        return locate(self.body, self.source, *needles)

    def _where(self, at: int, needle: str) -> Where:
        if not self._starts:
            position = 0
            for line in self.lines:
                self._starts.append(position)
                position += len(line) + 1
        number = bisect_right(self._starts, at) - 1
        shown = needle.lstrip("](")
        column = at - self._starts[number] + len(needle) - len(shown) + 1
        return Where(
            self.source.path,
            self.source.body_line + number,
            column,
            len(shown),
            self.lines[number],
        )


def locate(body: str, source: Source, *needles: str) -> Where:
    """The first place in the body of the first needle that is there.

    Brackets at a needle's beginning help to find it and are not underlined.
    """
    for needle in filter(None, needles):
        found = body.find(needle)
        if found < 0:
            continue
        start, end = body.rfind("\n", 0, found) + 1, body.find("\n", found)
        shown = needle.lstrip("](")
        column = found - start + len(needle) - len(shown) + 1
        line = source.body_line + body.count("\n", 0, found)
        text = body[start : end if end >= 0 else len(body)]
        return Where(source.path, line, column, len(shown), text)
    return Where(source.path, source.body_line, 1, 1, body.partition("\n")[0])
