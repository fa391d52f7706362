"""Python-Markdown, made lean and safe: a text becomes elements of a known few kinds.

No HTML string is passed through: raw HTML of an allowed kind (sub, sup, abbr
and the like) becomes an element, every other tag is dropped and told, its
words kept. So what leaves here is safe by the way it is made, and one tree
serves page, mail and plain text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import markdown
from markdown.extensions.sane_lists import SaneListExtension
from markdown.extensions.tables import TableExtension
from markdown.inlinepatterns import InlineProcessor
from markdown.util import ETX, STX, AtomicString

from newsletter.content.sparing import SparingInline, spare_blocks
from newsletter.content.tables import Spilt, Tables

_CITE = r"\s*\[(@[^\[\]]+)\]"
_NOTE = r"\[\^([^\[\]\s]+)\]"
_TAG = r"<(/?)([A-Za-z][A-Za-z0-9-]*)((?:\s[^<>]*)?)/?>|<[!?][^>]*>"
_ENTITY = r"&(?:#[0-9]{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
_MAIL = r"<([^\s<>@!/]+@[^\s<>@]+)>"

PAIRED = {
    "sub": (),
    "sup": (),
    "abbr": ("title",),
    "kbd": (),
    "mark": (),
    "small": (),
    "q": ("lang",),
    "span": ("lang", "dir"),
    "bdi": ("dir",),
    "b": (),
    "i": ("lang",),
    "em": (),
    "strong": (),
    "del": (),
    "ins": (),
}
"""HTML an editor may write inside a line, with the attributes that are kept."""

Dropped = Callable[[str], None]


class _Inline(InlineProcessor):
    """What every pattern of ours answers: what to put in place of which characters."""

    def handleMatch(  # type: ignore[override]  # noqa: N802 - the library's name; its two generations differ
        self, m: re.Match[str], data: str
    ) -> tuple[ET.Element | str, int, int]:
        return self.made(m, data), m.start(0), m.end(0)

    def made(self, m: re.Match[str], data: str) -> ET.Element | str:
        """The element or the words for a match."""
        raise NotImplementedError


class _Citation(_Inline):
    def made(self, m: re.Match[str], data: str) -> ET.Element:
        element = ET.Element("sup", {"class": "cite", "keys": m[1]})
        element.text = AtomicString("")
        return element


class _Footnote(_Inline):
    def made(self, m: re.Match[str], data: str) -> ET.Element:
        element = ET.Element("sup", {"class": "footnote", "note": m[1]})
        element.text = AtomicString("")
        return element


class _Mail(_Inline):
    def made(self, m: re.Match[str], data: str) -> ET.Element:
        element = ET.Element("a", {"href": f"mailto:{m[1]}"})
        element.text = AtomicString(m[1])
        return element


class _Entity(_Inline):
    def made(self, m: re.Match[str], data: str) -> str:
        plain = html.unescape(m[0]).replace(STX, "").replace(ETX, "")
        return "".join(f"{STX}{ord(letter)}{ETX}" for letter in plain)


class _Tag(InlineProcessor):
    """An allowed pair becomes an element; anything else loses its tag and is told."""

    def __init__(self, md: Any, dropped: Dropped) -> None:
        super().__init__(_TAG, md)
        self.dropped = dropped

    def handleMatch(  # type: ignore[override]  # noqa: N802
        self, m: re.Match[str], data: str
    ) -> tuple[ET.Element | str, int, int]:
        closing, name = m[1], (m[2] or "").lower()
        if name == "br":
            return ET.Element("br"), m.start(0), m.end(0)
        if name == "wbr":
            return ET.Element("wbr"), m.start(0), m.end(0)
        if not closing and name in PAIRED:
            end = re.compile(rf"</{name}\s*>", re.I).search(data, m.end(0))
            if end:
                element = ET.Element(name, _attributes(m[3], PAIRED[name]))
                element.text = data[m.end(0) : end.start()]
                return element, m.start(0), end.end()
        self.dropped(m[0])
        return "", m.start(0), m.end(0)


def _attributes(written: str, allowed: tuple[str, ...]) -> dict[str, str]:
    found = re.findall(r"""([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')""", written)
    return {
        name.lower(): html.unescape(double or single)
        for name, double, single in found
        if name.lower() in allowed
    }


class Markup:
    """One Python-Markdown instance; not for two threads at once."""

    def __init__(self) -> None:
        self._dropped: Dropped = lambda tag: None
        self._spilt: Spilt = lambda spill: None
        md = markdown.Markdown(
            extensions=[TableExtension(use_align_attribute=True), SaneListExtension()]
        )
        for name in ("html", "entity", "automail"):
            md.inlinePatterns.deregister(name)
        md.inlinePatterns.register(_Citation(_CITE, md), "citation", 178)
        md.inlinePatterns.register(_Footnote(_NOTE, md), "footnote", 177)
        md.inlinePatterns.register(_Mail(_MAIL, md), "automail", 110)
        md.inlinePatterns.register(_Tag(md, lambda tag: self._dropped(tag)), "html", 90)
        md.inlinePatterns.register(_Entity(_ENTITY, md), "entity", 80)
        tables = Tables(md.parser, lambda spill: self._spilt(spill))
        md.parser.blockprocessors.register(tables, "table", 75)
        self._md = md
        self._inline = SparingInline(md)
        md.treeprocessors.register(
            self._inline, "inline", 20
        )  # citations look their stash up there
        spare_blocks(md)

    def begin(self, dropped: Dropped, spilt: Spilt = lambda spill: None) -> None:
        """Forget the last document; tell `dropped` each tag that is left out, `spilt` each row that does not fit."""
        self._md.reset()
        self._dropped = dropped
        self._spilt = spilt

    def blocks(self, parent: ET.Element, text: str) -> None:
        """Parse `text` into block elements below `parent`; inline markup waits for `inline`."""
        text = re.sub(r"(?<=\n) +\n", "\n", _unmarked(text) + "\n\n")
        self._md.parser.parseChunk(parent, text)

    def inline(self, root: ET.Element) -> None:
        """Parse the inline markup of the whole tree, and make every text plain."""
        self._inline.run(root)
        for element in root.iter():
            code = element.tag == "code"
            if element.text:
                element.text = (
                    _unmarked(html.unescape(element.text)) if code else _plain(element.text)
                )
            if element.tail:
                element.tail = _plain(element.tail)
            for key, value in element.items():
                if STX in value or ETX in value or "&" in value:
                    element.set(key, _ENTITIES.sub(lambda m: html.unescape(m[0]), _plain(value)))


_ENTITIES = re.compile(_ENTITY)
_ESCAPED = re.compile(f"{STX}(\\d+){ETX}")


def _plain(text: str) -> str:
    """Escaped characters as themselves; half of a marker, which broken markup may leave, as nothing."""
    if STX not in text and ETX not in text:
        return str(text)
    return _unmarked(_ESCAPED.sub(lambda match: chr(int(match[1])), text))


def _unmarked(text: str) -> str:
    return text.replace(STX, "").replace(ETX, "")
