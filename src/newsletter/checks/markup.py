"""A mail's HTML as a list of elements, each with the colours its text would have. Pure.

Enough of CSS for a mail: inline styles and the old attributes, inherited as
browsers do. Style sheets are for the dark look and small screens; what a
client shows that drops them is exactly this.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_VOID = {"img", "br", "hr", "meta", "link", "wbr", "input", "col", "area", "base", "source"}
_HEX = re.compile(r"#([0-9a-f]{3}|[0-9a-f]{6})\b", re.IGNORECASE)


@dataclass(slots=True)
class Element:
    """`color` and `ground` are #rrggbb as inherited; `text` is what stands directly in it."""

    tag: str
    given: dict[str, str]
    style: dict[str, str]
    color: str
    ground: str
    hidden: bool
    text: str = field(default="")

    @property
    def classes(self) -> set[str]:
        return set(self.given.get("class", "").split())


def elements(source: str) -> list[Element]:
    """Every element, in document order; conditional comments for Outlook are not looked into."""
    reader = _Reader()
    reader.feed(source)
    reader.close()
    return reader.found


def declarations(style: str) -> dict[str, str]:
    """`a: b; c: d` as a dict; a later one wins."""
    pairs = (part.partition(":") for part in style.split(";"))
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}


def colour(value: str) -> str | None:
    """#rrggbb of a colour value that is written in hex; None for any other."""
    found = _HEX.search(value)
    if not found:
        return None
    digits = found[1].lower()
    return f"#{''.join(c * 2 for c in digits)}" if len(digits) == 3 else f"#{digits}"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[Element] = []
        self._open: list[Element] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        style = declarations(given.get("style", ""))
        above = self._open[-1] if self._open else None
        ground = colour(
            style.get("background-color", "")
            or style.get("background", "")
            or given.get("bgcolor", "")
        )
        element = Element(
            tag,
            given,
            style,
            color=colour(style.get("color", "")) or (above.color if above else "#000000"),
            ground=ground or (above.ground if above else "#ffffff"),
            hidden=(above.hidden if above else False)
            or style.get("display") == "none"
            or tag in ("head", "style", "script", "title"),
        )
        self.found.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._open:
            self._open[-1].text += data
