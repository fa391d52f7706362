"""Tables: a row with more cells than its table has columns is told, not cut.

The library leaves the cells that are too many out without a word, as the
others do. Which table a row belongs to is known while it is parsed; where the
row stands in the file is found by its text and by the two lines above it.

Source: GitHub Flavored Markdown 0.29, section 4.10 ("the excess is ignored").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

from markdown.extensions.tables import PIPE_LEFT, TableProcessor


@dataclass(frozen=True, slots=True)
class Spill:
    """A row whose last cells have no column.

    `head` is the table's first line and `rule` its second, `row` the `number`th
    below them, from 0, without the spaces around it. The cells that are too
    many begin at character `start` of `row`; `words` are those that say something.
    """

    head: str
    rule: str
    row: str
    number: int
    columns: int
    cells: int
    start: int
    words: tuple[str, ...]
    bare: bool
    """The first line begins without a bar, and this row with one."""


Spilt = Callable[[Spill], None]


class Tables(TableProcessor):
    """The library's tables; `spilt` hears of each row that does not fit."""

    def __init__(self, parser: Any, spilt: Spilt) -> None:
        super().__init__(parser, {"use_align_attribute": True})
        self.spilt = spilt

    def run(self, parent: ET.Element, blocks: list[str]) -> None:
        head, rule, *rows = blocks[0].split("\n")
        for number, row in enumerate(rows):
            spill = self._spill(row.strip(" "), number, head.strip(" "), rule.strip(" "))
            if spill is not None:
                self.spilt(spill)
        super().run(parent, blocks)

    def _spill(self, row: str, number: int, head: str, rule: str) -> Spill | None:
        cells: list[str] = self._split_row(row)  # type: ignore[attr-defined] # the stubs leave it out
        columns = len(self.separator)
        words = tuple(cell.strip() for cell in cells[columns:] if cell.strip())
        if not words:
            return None
        bar = len(row) - len(row.removeprefix("|")) if self.border else 0
        start = bar + sum(len(cell) + 1 for cell in cells[:columns])
        bare = row.startswith("|") and not self.border & PIPE_LEFT
        return Spill(head, rule, row, number, columns, len(cells), start, words, bare)


def place(lines: Sequence[str], spill: Spill, told: set[int]) -> tuple[int, int, int] | None:
    """(line, column, width) of what is too much, from 1, in lines as they were parsed; None: not found.

    A line that is in `told` was another row's. Where the row's own text was
    changed on its way, the whole line is meant.
    """
    whole: int | None = None
    for above in range(len(lines) - 2 - spill.number):
        line = above + 2 + spill.number
        if line in told or spill.head not in lines[above] or spill.rule not in lines[above + 1]:
            continue
        if spill.row in lines[line]:
            rest = spill.row[spill.start :].rstrip(" |")
            blank = len(rest) - len(rest.lstrip())
            column = lines[line].index(spill.row) + spill.start + blank + 1
            return line + 1, column, len(rest) - blank
        whole = line if whole is None else whole
    return None if whole is None else (whole + 1, 1, len(lines[whole].rstrip()))


def words(spill: Spill) -> tuple[str, str, str]:
    """What is wrong with the row, the few words beside the caret, and what to do."""
    shown = ", ".join(f"`{each}`" for each in spill.words)
    columns = f"{spill.columns} column{'' if spill.columns == 1 else 's'}"
    what = f"this row has {spill.cells} cells and its table {columns}: {shown} would be left out"
    help_text = (
        "begin and end the table's first line with | as this row does"
        if spill.bare
        else r"give the first two lines one more column, or write \| for a bar inside a cell"
    )
    return re.sub(r"\s+", " ", what), "no column", help_text
