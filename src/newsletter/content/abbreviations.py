"""Abbreviations are explained where they stand."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET


def mark(root: ET.Element, known: dict[str, str]) -> None:
    """Mark each abbreviation where it stands, except in code, links and headings."""
    pattern = re.compile(
        r"(?<!\w)("
        + "|".join(re.escape(short) for short in sorted(known, key=len, reverse=True))
        + r")(?!\w)"
    )

    def split(text: str) -> tuple[str, list[ET.Element]]:
        pieces = pattern.split(text)
        marks = []
        for short, tail in zip(pieces[1::2], pieces[2::2], strict=True):
            mark = ET.Element("abbr", {"title": known[short]})
            mark.text, mark.tail = short, tail
            marks.append(mark)
        return pieces[0], marks

    def walk(element: ET.Element) -> None:
        if element.tag in ("code", "a", "abbr", "h2", "h3", "h4"):
            return
        for child in list(element):
            walk(child)
            if child.tail and pattern.search(child.tail):
                child.tail, marks = split(child.tail)
                position = list(element).index(child) + 1
                element[position:position] = marks
        if element.text and pattern.search(element.text):
            element.text, marks = split(element.text)
            element[0:0] = marks

    walk(root)
