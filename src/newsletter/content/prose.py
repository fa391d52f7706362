"""Prose: one Markdown text, parsed once, for every place it appears.

The page, the mail and the plain text are three serialisers over one tree.
`parse` makes the tree; `Prose.fragment` is its HTML for the page; the mail's
serialisers live in `issue/` and walk `Prose.root`.

The tree (`xml.etree.ElementTree`, plain text everywhere: no entities, no
placeholders; whitespace between blocks is "\\n")::

    div                                   the root; its children are blocks
      p  h2 h3 h4 [id]  ul ol li  dl dt dd  blockquote  hr
      pre > code [class=language-x]
      table > thead tbody > tr > th td    cells may have class=right|center
      figure > img, figcaption            a picture on a line of its own
      section class="care care-KIND"      KIND: non-urgent, urgent, emergency
        > h3, blocks
      aside class="note" | "warning"      > p class="title" (optional), blocks
      section class="checklist"           > h3 (optional), table or list
      section class="price"               > h3 (optional), table
      section class="references"          > h2, ol > li id="ref-KEY"
      section class="footnotes"           > h2, ol > li id="fn-N"
    inline: a em strong code br sup sub abbr[title] img
      sup class="cite" > a href="#ref-KEY"    a citation, its number as text
      sup class="footnote" > a href="#fn-N"

`a/@href` is an address as written, or for links inside the publication one
canonical form, resolved by whoever serialises: "article:ID", "article:ID@ru",
"page:ID", "topic:ID", "home:", "issues:", "path:/x/", each perhaps with
"#anchor". `img/@src` is the picture's path below content/, or an http address.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from markdown.util import AtomicString, code_escape

from newsletter.content import abbreviations, price, serial, tables
from newsletter.content.emergency import EVERYWHERE
from newsletter.content.endings import Endings
from newsletter.content.markup import Markup
from newsletter.content.model import Reference, Source
from newsletter.content.outline import CARE, KINDS, Block, Chunk, Code, Part, plain, scan
from newsletter.content.tables import Spill
from newsletter.content.telling import Telling, locate
from newsletter.content.tree import Heading, Link, Prose, Shown
from newsletter.content.walk import Walk
from newsletter.errors import Level, did_you_mean
from newsletter.language import Language

__all__ = ["Heading", "Link", "Prose", "Shown", "locate", "parse"]

EMERGENCY = "{emergency}"
WORDS_PER_MINUTE = {"de": 179, "ru": 184}
"""Reading aloud speeds of plain text; 200 where we know none. Source: IReST,
Trauzettel-Klosinski and Dietz, 2012, doi:10.1167/iovs.11-8284 (English 228; patients read slower)."""


_local = threading.local()


def _markup() -> Markup:
    if not hasattr(_local, "markup"):
        _local.markup = Markup()
    return _local.markup  # type: ignore[no-any-return]


def _forget_markup() -> None:
    """One that was broken off in the middle remembers where it was, and would read the next text wrongly."""
    if hasattr(_local, "markup"):
        del _local.markup


def parse(
    body: str,
    *,
    source: Source,
    references: Sequence[Reference] = (),
    unread: str = "",
    language: str = "en",
    emergency: str = EVERYWHERE,
) -> Prose:
    """Parse Markdown once. Nothing is raised for what an editor wrote; see `Prose.findings`.

    `source` gives the findings their file and line. `references` are those the
    body may cite. `unread` is a front matter that has an error: what is cited and
    stands somewhere in it is not called missing. `language` chooses the words of
    headings the program adds. `emergency` is the number that {emergency} stands for.
    """
    try:
        return _Parse(body, source, references, unread, language, emergency).run()
    except BaseException:
        _forget_markup()
        raise


class _Parse:
    """One document on its way to `Prose`."""

    def __init__(
        self,
        body: str,
        source: Source,
        references: Sequence[Reference],
        unread: str,
        language: str,
        emergency: str,
    ) -> None:
        self.body = body
        self.language = Language(language, "site")
        self.emergency = emergency
        self.telling = Telling(body, source)
        self.walk = Walk(self.telling, references, unread, self.language)
        self.markup = _markup()
        self.prices: list[tuple[ET.Element, Block]] = []
        self.spills: list[tuple[int, Spill]] = []
        self.line = 1

    def run(self) -> Prose:
        root = ET.Element("div")
        try:
            self._build(root)
        except RecursionError:
            _forget_markup()
            root = ET.Element("div")
            self.telling.tell(
                "NL229",
                "the text is nested too deeply to be read",
                1,
                "take out some levels of quotation or list",
            )
        words = sum(len(text.split()) for text in root.itertext())
        endings = Endings(self.walk)
        endings.notes(root)
        endings.references(root)
        walk = self.walk
        minutes = math.ceil(words / WORDS_PER_MINUTE.get(self.language.tag[:2], 200))
        return Prose(
            root=root,
            fragment=serial.fragment(root, self.language.gettext("Table")),
            findings=self.telling.findings,
            contents=tuple(walk.contents),
            links=tuple(dict.fromkeys(walk.links)),
            pictures=tuple(dict.fromkeys(walk.pictures)),
            anchors=frozenset(walk.ids),
            cited=tuple(walk.cited),
            words=words,
            minutes=max(1, minutes),
        )

    def _build(self, root: ET.Element) -> None:
        outline = scan(self.body, self.telling.tell)
        self.markup.begin(self._dropped, self._spilt)
        self._parts(outline.parts, root)
        shelf = ET.SubElement(root, "div")

        for name, (text, line) in outline.footnotes.items():
            self.line = line
            self.walk.defined[name] = ET.SubElement(shelf, "div")
            self.markup.blocks(self.walk.defined[name], text)
        self._cut_rows()
        self.markup.inline(root)
        root.remove(shelf)
        self.walk.walk(root, None)
        self._add_up()
        if outline.abbreviations:
            abbreviations.mark(root, outline.abbreviations)
        used = set(self.walk.notes)
        for name in outline.footnotes:
            if name not in used:
                self.telling.at(
                    "NL221",
                    f"the footnote [^{name}] is never used",
                    [f"[^{name}]:"],
                    "defined here",
                    f"put [^{name}] into the text, or delete it",
                    Level.WARNING,
                )

    def _parts(self, parts: Sequence[Part], parent: ET.Element) -> None:
        for part in parts:
            match part:
                case Chunk():
                    self.line = part.line
                    self.markup.blocks(parent, part.text.replace(EMERGENCY, self._call()))
                case Code():
                    pre = ET.SubElement(parent, "pre")
                    code = ET.SubElement(
                        pre, "code", {"class": f"language-{part.language}"} if part.language else {}
                    )
                    code.text = AtomicString(code_escape(part.text + "\n"))
                case Block():
                    self._block(part, parent)

    def _block(self, block: Block, parent: ET.Element) -> None:
        if block.kind not in KINDS:
            self.telling.tell(
                "NL227",
                f"there is no block `{block.kind}`",
                block.line,
                did_you_mean(block.kind, KINDS) or f"blocks are {', '.join(KINDS)}",
            )
        title = block.title
        if block.kind == "care":
            kind = block.options[0] if block.options else ""
            if kind not in CARE:
                self.telling.tell(
                    "NL227",
                    f"a care card is non-urgent, urgent or emergency, not `{kind}`",
                    block.line,
                    '::: care urgent "Call your team the same day if:"',
                )
                kind = "urgent"
            if not title:
                self.telling.tell(
                    "NL227",
                    "a care card needs its heading in quotation marks",
                    block.line,
                    f'::: care {kind} "Call your team the same day if:"',
                )
            element = ET.SubElement(parent, "section", {"class": f"care care-{kind}"})
        elif block.kind in ("checklist", "price"):
            element = ET.SubElement(parent, "section", {"class": block.kind})
        else:
            element = ET.SubElement(
                parent, "aside", {"class": "warning" if block.kind == "warning" else "note"}
            )
        if title:
            head = ET.SubElement(element, "h3" if element.tag == "section" else "p")
            if element.tag == "aside":
                head.set("class", "title")
            head.text = title.replace(EMERGENCY, self.emergency)
        if block.kind == "price":
            self.prices.append((element, block))
        self._parts(block.parts, element)

    def _call(self) -> str:
        """The emergency number as a link that a phone dials."""
        return f"[{self.emergency}](tel:{self.emergency})"

    def _add_up(self) -> None:
        for element, block in self.prices:
            table = element.find("table")
            try:
                currency, months = price.options(block.options)
                if table is None:
                    raise price.NotAPrice("there is a table with what, price and times a month")
                price.add_up(table, currency, months, self.language)
            except price.NotAPrice as problem:
                advice = 'write ::: price EUR 1 3 6 "What it may cost" and a table below it'
                self.telling.tell(
                    "NL241", f"this cannot be added up: {problem}", block.line, advice
                )

    def _spilt(self, spill: Spill) -> None:
        self.spills.append((self.line, spill))

    def _cut_rows(self) -> None:
        """NL244 for each row of a table that has more cells than the table has columns."""
        if not self.spills:
            return
        written = self.telling.lines
        lines = [plain(line).replace(EMERGENCY, self._call()) for line in written]
        told: set[int] = set()
        for line, spill in self.spills:
            # Nothing above the text it came from: a table may stand twice.
            found = tables.place(lines, spill, told | set(range(line - 1)))
            what, label, advice = tables.words(spill)
            if found is None:
                self.telling.tell("NL244", what, line, advice)
                continue
            number = found[0] - 1
            told.add(number)
            if lines[number] != written[number]:  # its columns are others than the file's
                found = (number + 1, 1, len(written[number].rstrip()))
            self.telling.place("NL244", what, found, label, advice)

    def _dropped(self, tag: str) -> None:
        name = re.match(r"</?([A-Za-z][\w-]*)", tag)
        if name is None or tag.startswith("</"):
            return
        self.telling.at(
            "NL226",
            f"raw HTML was removed: <{name[1].lower()}>",
            [tag, f"<{name[1]}"],
            "this tag",
            "write Markdown; the words inside stay",
            Level.WARNING,
        )
