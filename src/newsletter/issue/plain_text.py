"""Prose as plain text that is written for reading.

Lines of at most 72 characters (RFC 3676 asks for 78; replies add quote
marks), links as numbered notes whose addresses stand on lines of their own,
unbroken. Every word of the HTML is here, in the same order; nothing else is.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterator
from xml.etree import ElementTree as ET

WIDTH = 72
_JOIN = "\ue000"
"""Stands between a word and its note's number while lines are wrapped; a space afterwards."""
_BREAK = "\ue001"
_BLOCKS = {
    "p", "h1", "h2", "h3", "h4", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "hr", "table",
    "figure", "figcaption", "section", "aside", "div",
}  # fmt: skip


class Notes:
    """The addresses of a text, numbered in the order they are met; the same address, the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._told = 0

    def number(self, address: str) -> int:
        return self._numbers.setdefault(address, len(self._numbers) + 1)

    def mark(self, words: str, address: str) -> str:
        """`words` with the number of their note, which stays on the same line."""
        return f"{words}{_JOIN}[{self.number(address)}]"

    def tell(self) -> str:
        """The notes that were numbered since the last call, one a line; "" when there are none."""
        new = list(self._numbers.items())[self._told :]
        self._told = len(self._numbers)
        return "\n".join(f"[{number}] {address}" for address, number in new)


def paragraph(text: str, first: str = "", rest: str = "") -> str:
    """`text` wrapped, with `first` before its first line and `rest` before the others."""
    lines: list[str] = []
    for part in text.split(_BREAK):
        words = re.sub(r"[ \t\n\r\f\v]+", " ", part).strip(" ")
        lines += textwrap.wrap(
            words,
            WIDTH,
            initial_indent=rest if lines else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(line.rstrip() for line in lines).replace(_JOIN, " ")


def underlined(title: str, mark: str = "-") -> str:
    """A heading: its lines, and a rule as long as the longest of them."""
    wrapped = paragraph(title)
    longest = max((len(line) for line in wrapped.splitlines()), default=0)
    return f"{wrapped}\n{mark * longest}" if wrapped else ""


class PlainText:
    """Turns a prose tree into text. `link` makes addresses absolute, `label` names a care card's urgency."""

    def __init__(
        self, notes: Notes, link: Callable[[str], str], label: Callable[[str], str]
    ) -> None:
        self.notes = notes
        self.link = link
        self.label = label

    def prose(self, root: ET.Element) -> str:
        return "\n\n".join(block for block in self.blocks(root) if block)

    def blocks(self, parent: ET.Element, first: str = "", rest: str = "") -> Iterator[str]:
        """The blocks below `parent`; loose words between them are paragraphs of their own."""
        loose = parent.text or ""
        for child in parent:
            if child.tag in _BLOCKS:
                if loose.strip():
                    yield paragraph(loose, first, rest)
                    first, loose = rest, ""
                made = self.block(child, first, rest)
                if made:
                    yield made
                    first = rest
                loose = child.tail or ""
            else:
                loose += self.inline(child) + (child.tail or "")
        if loose.strip():
            yield paragraph(loose, first, rest)

    def block(self, element: ET.Element, first: str, rest: str) -> str:
        kind = element.get("class", "")
        match element.tag:
            case "h1" | "h2" if not rest:
                return underlined(self.inside(element), "=" if element.tag == "h1" else "-")
            case "ul" | "ol":
                return self.listing(element, rest)
            case "dd":
                return self.many(element, rest + "  ", rest + "  ")
            case "blockquote":
                return self.many(element, rest + "> ", rest + "> ")
            case "pre":
                code = "".join(element.itertext()).rstrip("\n")
                return "\n".join(f"{rest}    {line}".rstrip() for line in code.splitlines())
            case "hr":
                return f"{first}* * *"
            case "table":
                return self.table(element, rest)
            case "dl":
                return "\n".join(self.blocks(element, first, rest))
            case "section" | "aside" | "figure" | "div":
                label = (
                    self.label(kind.removeprefix("care").strip().removeprefix("care-"))
                    if kind.startswith("care")
                    else ""
                )
                head = [paragraph(f"{label}", first, rest)] if label else []
                return "\n\n".join([*head, *self.blocks(element, rest if head else first, rest)])
            case _:
                return paragraph(self.inside(element), first, rest)

    def many(self, element: ET.Element, first: str, rest: str) -> str:
        """All blocks of one quotation or list item, blank lines between them carrying the mark."""
        return f"\n{rest.rstrip()}\n".join(self.blocks(element, first, rest))

    def listing(self, element: ET.Element, indent: str) -> str:
        items = [child for child in element if child.tag == "li"]
        start = int(element.get("start", "1")) if element.get("start", "1").isdigit() else 1
        lines = []
        for number, item in enumerate(items, start):
            mark = f"{number}. " if element.tag == "ol" else "- "
            blocks = self.blocks(item, indent + mark, indent + " " * len(mark))
            words = "\n".join(block for block in blocks if block)
            if not words.startswith(indent + mark):  # it begins with a list, a table or nothing
                words = f"{indent}{mark}".rstrip() + (f"\n{words}" if words else "")
            lines.append(words)
        return "\n".join(lines)

    def table(self, element: ET.Element, indent: str) -> str:
        """Columns where they fit the width; else each row as a small block of lines."""
        rows = [[self.cell(cell) for cell in row] for row in element.iter("tr")]
        if not rows:
            return ""
        count = max(map(len, rows))
        widths = [
            max((len(row[n]) for row in rows if n < len(row)), default=0) for n in range(count)
        ]
        if sum(widths) + 2 * (count - 1) + len(indent) <= WIDTH:
            lines = [
                "  ".join(
                    cell.ljust(width) for cell, width in zip(row, widths, strict=False)
                ).rstrip()
                for row in rows
            ]
            lines.insert(1, "  ".join("-" * width for width in widths))
            return "\n".join(f"{indent}{line}" for line in lines)
        return "\n".join(
            "\n".join(
                paragraph(cell, indent + ("- " if n == 0 else "  "), indent + "  ")
                for n, cell in enumerate(row)
                if cell
            )
            for row in rows
        )

    def cell(self, cell: ET.Element) -> str:
        text = self.inside(cell).replace(_BREAK, " ")
        return " ".join(text.replace(_JOIN, " ").split())

    def inside(self, element: ET.Element) -> str:
        return (element.text or "") + "".join(
            self.inline(child) + (child.tail or "") for child in element
        )

    def inline(self, element: ET.Element) -> str:
        match element.tag:
            case "br":
                return _BREAK
            case "wbr":
                return ""
            case "img":
                return f"[{element.get('alt')}]" if element.get("alt") else ""
            case "a" if element.get("class") == "back":
                return ""
            case "sup" if element.get("class") in ("cite", "footnote"):
                return f"({self.inside(element)})"
            case "sup":
                return f"^{self.inside(element)}"
            case "q":
                return f"“{self.inside(element)}”"
            case "a":
                href = element.get("href", "")
                words = self.inside(element)
                return words if href.startswith("#") else self.notes.mark(words, self.link(href))
            case _:
                return self.inside(element)
