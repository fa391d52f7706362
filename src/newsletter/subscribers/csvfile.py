"""Reading a CSV that nobody vouches for: a stream of rows or findings in bounded memory.

UTF-8 with or without a byte order mark; comma, semicolon or tab, as the header
has them. What is wrong with one line is a finding on that line and the next is
read. No finding shows a line's text: it holds somebody's address.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from newsletter.errors import CouldNotRun, Finding, Where

LONGEST_LINE = 256 * 1024
"""Bytes. A consent text has a few thousand; a longer line is no row of a list of people."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line it begins on and its fields in the header's order."""

    line: int
    fields: list[str]


class CsvFile:
    """An open CSV: `header` is read at once, the rows as they are asked for.

    Raises:
        CouldNotRun: NL520, the header cannot be read as UTF-8 text, or there is none.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name = name
        self.bytes_read = 0
        self._file = file
        self._line = 0
        self._troubles: list[Finding] = []
        lines = self._lines()
        first = next(lines, "")
        if self._troubles or not first.strip():
            raise CouldNotRun(
                self._trouble(
                    "NL520", 1, "the file does not begin with a header line in UTF-8",
                    "export it as CSV in UTF-8, with the column names in the first line",
                )
            )  # fmt: skip
        self._delimiter = max(",;\t", key=first.count)
        parsed = next(csv.reader([first], delimiter=self._delimiter), [])
        self.header = [_name(column) for column in parsed]
        self._lines_left = lines

    def rows(self) -> Iterator[Row | Finding]:
        """Every row after the header, oldest trouble first."""
        # csv's own limit of 131,072 characters in a field keeps an unclosed
        # quote from swallowing the rest of the file into memory.
        reader = csv.reader(self._lines_left, delimiter=self._delimiter, strict=True)
        width = len(self.header)
        while True:
            line = self._line + 1
            try:
                fields = next(reader, None)
            except csv.Error:
                fields = []
                self._troubles.append(
                    self._trouble(
                        "NL521", line, "the row that begins here is no CSV: a quote is wrong",
                        'a field with a quote in it is written "like ""this"""',
                    )
                )  # fmt: skip
            yield from self._troubles
            self._troubles.clear()
            if fields is None:
                return
            if not any(fields):
                continue
            if len(fields) != width:
                yield self._trouble(
                    "NL521", line, f"the row has {len(fields)} columns, the header has {width}",
                    "a value with a comma in it needs quotes around it",
                )  # fmt: skip
            else:
                yield Row(line, fields)

    def _lines(self) -> Iterator[str]:
        """Decoded lines; one that cannot be used becomes a finding and an empty line."""
        while raw := self._file.readline(LONGEST_LINE + 1):
            self._line += 1
            self.bytes_read += len(raw)
            if self._line == 1:
                raw = raw.removeprefix(codecs.BOM_UTF8)
            if len(raw) > LONGEST_LINE and not raw.endswith(b"\n"):
                self._skip_line()
                self._troubles.append(
                    self._trouble(
                        "NL521", self._line, "the line is too long to be a row of a list",
                        "see whether the file is what you think it is",
                    )
                )  # fmt: skip
                yield "\n"
                continue
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError as error:
                self._troubles.append(
                    self._trouble(
                        "NL522", self._line, "the line is not UTF-8",
                        "export the file again as CSV in UTF-8", error.start + 1,
                    )
                )  # fmt: skip
                yield "\n"
                continue
            if "\0" in text:
                self._troubles.append(
                    self._trouble(
                        "NL521", self._line, "the line holds a NUL character",
                        "see whether the file is UTF-8 text (UTF-16 is full of NULs)",
                    )
                )  # fmt: skip
                yield "\n"
                continue
            yield text

    def _skip_line(self) -> None:
        while raw := self._file.readline(LONGEST_LINE):
            self.bytes_read += len(raw)
            if raw.endswith(b"\n"):
                return

    def _trouble(
        self, code: str, line: int, what: str, help_text: str, column: int | None = None
    ) -> Finding:
        return Finding(code, what, Where(self.name, line, column), help=help_text)


def _name(column: str) -> str:
    """ "Consented at" and "consented_at" are one column."""
    return column.strip().lower().replace(" ", "_").replace("-", "_")
