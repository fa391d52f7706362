"""Findings about a body, with the line of the file in which it stands."""

from __future__ import annotations

from collections.abc import Sequence

from newsletter.content.model import Source
from newsletter.errors import Finding, Level, Where


class Telling:
    """Collects what is wrong with one body. Lines given to `tell` count from 1 in the body."""

    def __init__(self, body: str, source: Source) -> None:
        self.body = body
        self.source = source
        self.findings: list[Finding] = []

    def tell(
        self, code: str, what: str, line: int, advice: str, level: Level = Level.ERROR
    ) -> None:
        lines = self.body.split("\n")
        text = lines[line - 1] if 0 < line <= len(lines) else ""
        where = Where(
            self.source.path, self.source.body_line + line - 1, 1, max(1, len(text.rstrip())), text
        )
        if code == "NL226":
            level = Level.WARNING
        self.findings.append(Finding(code, what, where, "", advice, level))

    def place(
        self, code: str, what: str, place: tuple[int, int, int], label: str, advice: str
    ) -> None:
        """An error at (line, column, width)."""
        line, column, width = place
        text = self.body.split("\n")[line - 1]
        where = Where(self.source.path, self.source.body_line + line - 1, column, width, text)
        self.findings.append(Finding(code, what, where, label, advice))

    def at(
        self,
        code: str,
        what: str,
        needles: Sequence[str],
        label: str,
        advice: str,
        level: Level = Level.ERROR,
    ) -> None:
        where = locate(self.body, self.source, *needles)
        self.findings.append(Finding(code, what, where, label, advice, level))


def locate(body: str, source: Source, *needles: str) -> Where:
    """The first place in the body of the first needle that is there.

    Brackets at a needle's beginning help to find it and are not underlined.
    """
    lines = body.split("\n")
    for needle in needles:
        if not needle:
            continue
        for number, line in enumerate(lines):
            if needle in line:
                shown = needle.lstrip("](")
                column = line.index(needle) + len(needle) - len(shown) + 1
                return Where(source.path, source.body_line + number, column, len(shown), line)
    return Where(source.path, source.body_line, 1, 1, lines[0] if lines else "")
