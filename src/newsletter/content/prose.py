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
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from markdown.util import AtomicString, code_escape

from newsletter.content import price, serial
from newsletter.content import references as reference_list
from newsletter.content.emergency import EVERYWHERE
from newsletter.content.links import canonical
from newsletter.content.markup import Markup
from newsletter.content.model import Reference, Source
from newsletter.content.outline import CARE, KINDS, Block, Chunk, Code, Part, scan
from newsletter.errors import Finding, Level, Where, did_you_mean
from newsletter.language import Language

EMERGENCY = "{emergency}"
WORDS_PER_MINUTE = {"de": 179, "ru": 184}
"""Reading aloud speeds of plain text; 200 where we know none. Source: IReST,
Trauzettel-Klosinski and Dietz, 2012, doi:10.1167/iovs.11-8284 (English 228; patients read slower)."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A line of the table of contents; `level` is 2 or 3."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture that the text shows: `path` below content/ as written, `alt` as written."""

    path: str
    alt: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link inside the publication: its canonical target, and as the editor wrote it."""

    target: str
    written: str


@dataclass(frozen=True, slots=True)
class Prose:
    """What one body became. `root` is the tree described above; never change it.

    `fragment` is its HTML with slots (`content.serial.fill`). `links` are those
    inside the publication. `anchors` are the ids a link may
    end in. `findings` point at lines of the file.
    """

    root: ET.Element
    fragment: str
    findings: tuple[Finding, ...]
    contents: tuple[Heading, ...]
    links: tuple[Link, ...]
    pictures: tuple[Shown, ...]
    anchors: frozenset[str]
    cited: tuple[str, ...]
    words: int
    minutes: int

    def html(self) -> str:
        """The tree as HTML; links inside stay canonical, pictures keep their path below content/."""
        return serial.fill(self.fragment, lambda target: target, serial.plain_picture)


_local = threading.local()


def _markup() -> Markup:
    if not hasattr(_local, "markup"):
        _local.markup = Markup()
    return _local.markup  # type: ignore[no-any-return]


def parse(
    body: str,
    *,
    source: Source,
    references: Sequence[Reference] = (),
    language: str = "en",
    emergency: str = EVERYWHERE,
) -> Prose:
    """Parse Markdown once. Nothing is raised for what an editor wrote; see `Prose.findings`.

    `source` gives the findings their file and line. `references` are those the
    body may cite. `language` chooses the words of headings the program adds.
    `emergency` is the number that {emergency} stands for.
    """
    return _Parse(body, source, references, language, emergency).run()


class _Parse:
    """One document on its way to `Prose`."""

    def __init__(
        self,
        body: str,
        source: Source,
        references: Sequence[Reference],
        language: str,
        emergency: str,
    ) -> None:
        self.body = body
        self.source = source
        self.references = {reference.key: reference for reference in references}
        self.language = Language(language, "site")
        self.findings: list[Finding] = []
        self.markup = _markup()
        self.emergency = emergency
        self.prices: list[tuple[ET.Element, Block]] = []
        self.ids: set[str] = set()
        self.contents: list[Heading] = []
        self.links: list[Link] = []
        self.pictures: list[Shown] = []
        self.cited: list[str] = []
        self.notes: list[str] = []

    def run(self) -> Prose:
        root = ET.Element("div")
        try:
            self._build(root)
        except RecursionError:
            root = ET.Element("div")
            self._tell(
                "NL229",
                "the text is nested too deeply to be read",
                1,
                "take out some levels of quotation or list",
            )
        words = sum(len(text.split()) for text in root.itertext())
        self._append_notes(root)
        self._append_references(root)
        minutes = max(1, math.ceil(words / WORDS_PER_MINUTE.get(self.language.tag[:2], 200)))
        return Prose(
            root=root,
            fragment=serial.fragment(root, self.language.gettext("Table")),
            findings=tuple(self.findings),
            contents=tuple(self.contents),
            links=tuple(dict.fromkeys(self.links)),
            pictures=tuple(dict.fromkeys(self.pictures)),
            anchors=frozenset(self.ids),
            cited=tuple(self.cited),
            words=words,
            minutes=minutes,
        )

    # -- telling ---------------------------------------------------------------

    def _tell(
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

    def _tell_at(
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

    # -- building --------------------------------------------------------------

    def _build(self, root: ET.Element) -> None:
        outline = scan(self.body, self._tell)
        self.markup.begin(self._dropped)
        self._parts(outline.parts, root)
        shelf = ET.SubElement(root, "div")
        self.defined: dict[str, ET.Element] = {}
        for name, (text, _) in outline.footnotes.items():
            self.defined[name] = ET.SubElement(shelf, "div")
            self.markup.blocks(self.defined[name], text)
        self.markup.inline(root)
        root.remove(shelf)
        self._walk(root, None)
        self._add_up()
        if outline.abbreviations:
            _abbreviate(root, outline.abbreviations)
        for name in outline.footnotes:
            if name not in self.notes:
                self._tell_at(
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
            self._tell(
                "NL227",
                f"there is no block `{block.kind}`",
                block.line,
                did_you_mean(block.kind, KINDS) or f"blocks are {', '.join(KINDS)}",
            )
        title = block.title
        if block.kind == "care":
            kind = block.options[0] if block.options else ""
            if kind not in CARE:
                self._tell(
                    "NL227",
                    f"a care card is non-urgent, urgent or emergency, not `{kind}`",
                    block.line,
                    '::: care urgent "Call your team the same day if:"',
                )
                kind = "urgent"
            if not title:
                self._tell(
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
                self._tell("NL241", f"this cannot be added up: {problem}", block.line, advice)

    def _dropped(self, tag: str) -> None:
        name = re.match(r"</?([A-Za-z][\w-]*)", tag)
        if name is None or tag.startswith("</"):
            return
        self._tell_at(
            "NL226",
            f"raw HTML was removed: <{name[1].lower()}>",
            [tag, f"<{name[1]}"],
            "this tag",
            "write Markdown; the words inside stay",
            Level.WARNING,
        )

    # -- one walk in document order ---------------------------------------------

    def _walk(self, element: ET.Element, parent: ET.Element | None) -> None:
        for index, child in enumerate(list(element)):
            match child.tag:
                case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                    self._heading(
                        child, within=element.get("class", "") if element.tag == "section" else ""
                    )
                case "a":
                    self._link(child)
                case "img":
                    self._image(child)
                case "p" if _lone_picture(child):
                    element[index] = child = self._figure(child)
                case "sup" if child.get("class") == "cite":
                    self._citation(child)
                    continue
                case "sup" if child.get("class") == "footnote":
                    self._note(child)
                    continue
                case "th" | "td":
                    align = child.attrib.pop("align", "")
                    if align in ("right", "center"):
                        child.set("class", align)
                case _:
                    pass
            self._walk(child, element)

    def _heading(self, heading: ET.Element, within: str) -> None:
        if not within and heading.tag == "h1":
            self._tell_at(
                "NL240",
                "a heading of the first level stands in the text",
                [f"# {heading.text or ''}".strip()],
                "the title is the page's only one",
                "begin it with ## instead of #",
                Level.WARNING,
            )
            heading.tag = "h2"
        if heading.tag in ("h5", "h6"):
            heading.tag = "h4"
        _own_anchor(heading)
        text = " ".join("".join(heading.itertext()).split())
        heading.set("id", self._id(heading.get("id") or slugify(text)))
        if not within and heading.tag in ("h2", "h3"):
            self.contents.append(Heading(int(heading.tag[1]), heading.attrib["id"], text))

    def _id(self, wished: str) -> str:
        chosen, number = wished or "section", 1
        while chosen in self.ids:
            number += 1
            chosen = f"{wished or 'section'}-{number}"
        self.ids.add(chosen)
        return chosen

    def _link(self, link: ET.Element) -> None:
        written = link.get("href", "")
        target = canonical(written, self.source.path, self.language.tag)
        if target is None:
            self._tell_at(
                "NL224",
                f"this link leads nowhere: {written or '(empty)'}",
                [f"({written}", written],
                "not an address we know",
                "write https://..., a file of content/ such as other-article.en.md, or #heading",
            )
            del link.attrib["href"]
            return
        link.set("href", target)
        if target.startswith((*serial.INSIDE, "#")):
            self.links.append(Link(target, written))
        elif target.startswith("http"):
            link.set("rel", "noopener")

    def _image(self, image: ET.Element) -> None:
        path, alt = image.get("src", ""), image.get("alt", "")
        if not alt.strip():
            self._tell_at(
                "NL223",
                "a picture has no words for those who do not see it",
                [f"]({path}", path],
                "no text between [ and ]",
                "say what it shows: ![Two cells side by side](images/cells.svg)",
            )
        image.set("src", picture_path(path))
        self.pictures.append(Shown(picture_path(path), alt))

    def _figure(self, paragraph: ET.Element) -> ET.Element:
        figure = ET.Element("figure")
        image = paragraph[0]
        caption = image.attrib.pop("title", "")
        figure.append(image)
        image.tail = None
        if caption:
            ET.SubElement(figure, "figcaption").text = caption
        figure.tail = paragraph.tail
        return figure

    def _citation(self, mark: ET.Element) -> None:
        keys = [
            key.strip().removeprefix("@")
            for key in re.split(r"[;,]\s*(?=@)", mark.attrib.pop("keys"))
        ]
        mark.text = None
        for key in keys:
            if key not in self.references:
                self._tell_at(
                    "NL220",
                    f"[@{key}] cites a reference that is not there",
                    [f"@{key}"],
                    "not under `references`",
                    did_you_mean(key, self.references)
                    or "add it to `references` in the front matter",
                )
                continue
            if key not in self.cited:
                self.cited.append(key)
            if len(mark):
                mark[-1].tail = ", "
            number = str(self.cited.index(key) + 1)
            link = ET.SubElement(
                mark,
                "a",
                {
                    "href": f"#ref-{key}",
                    "aria-label": self.language.gettext("Reference %(number)s", number=number),
                },
            )
            link.text = number

    def _note(self, mark: ET.Element) -> None:
        name = mark.attrib.pop("note")
        mark.text = None
        if name not in self.defined:
            self._tell_at(
                "NL220",
                f"[^{name}] names a footnote that is not there",
                [f"[^{name}]"],
                "not defined",
                f"add a line [^{name}]: with its text",
            )
            return
        first = name not in self.notes
        if first:
            self.notes.append(name)
        number = str(self.notes.index(name) + 1)
        link = ET.SubElement(
            mark,
            "a",
            {
                "href": f"#fn-{number}",
                "aria-label": self.language.gettext("Footnote %(number)s", number=number),
            },
        )
        if first:
            link.set("id", self._id(f"fnref-{number}"))
        link.text = number

    # -- what the program adds at the end ----------------------------------------

    def _append_notes(self, root: ET.Element) -> None:
        if not self.notes:
            return
        section = self._section(root, "footnotes", self.language.gettext("Notes"))
        items = ET.SubElement(section, "ol")
        number = 0
        while number < len(self.notes):  # a note may cite another note
            name = self.notes[number]
            number += 1
            item = ET.SubElement(items, "li", {"id": self._id(f"fn-{number}")})
            body = self.defined[name]
            self._walk(body, None)
            item.text = body.text
            item.extend(list(body))
            last = item[-1] if len(item) and item[-1].tag == "p" else ET.SubElement(item, "p")
            if len(last):
                last[-1].tail = (last[-1].tail or "") + " "
            else:
                last.text = (last.text or "") + " "
            back = ET.SubElement(
                last,
                "a",
                {
                    "href": f"#fnref-{number}",
                    "class": "back",
                    "aria-label": self.language.gettext("Back to the text"),
                },
            )
            back.text = "↩"

    def _append_references(self, root: ET.Element) -> None:
        for key in self.references:
            if key not in self.cited:
                where = Where(self.source.path, 1)
                self.findings.append(
                    Finding(
                        "NL221",
                        f"the reference `{key}` is never cited",
                        where,
                        "",
                        f"cite it as [@{key}], or take it out",
                        Level.WARNING,
                    )
                )
        if not self.cited:
            return
        section = self._section(root, "references", self.language.gettext("References"))
        items = ET.SubElement(section, "ol")
        for key in self.cited:
            items.append(reference_list.item(self.references[key], self.language))
            self.ids.add(f"ref-{key}")

    def _section(self, root: ET.Element, name: str, title: str) -> ET.Element:
        section = ET.SubElement(root, "section", {"class": name})
        heading = ET.SubElement(section, "h2", {"id": self._id(name)})
        heading.text = title
        self.contents.append(Heading(2, heading.attrib["id"], title))
        return section


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


def picture_path(written: str) -> str:
    """A picture's path below content/, however the editor's program likes to write it."""
    path = written.strip()
    while path.startswith(("../", "./")):
        path = path.split("/", 1)[1]
    return path.removeprefix("/").removeprefix("content/")


def slugify(text: str) -> str:
    """A heading's anchor: small letters of any script, digits and hyphens."""
    text = unicodedata.normalize("NFKC", text).lower()
    return re.sub(r"[^\w]+", "-", text).strip("-_")


def _lone_picture(paragraph: ET.Element) -> bool:
    return (
        len(paragraph) == 1
        and paragraph[0].tag == "img"
        and not (paragraph.text or "").strip()
        and not (paragraph[0].tail or "").strip()
    )


def _own_anchor(heading: ET.Element) -> None:
    """`## Heading {#anchor}`: the editor's own id, kept when the heading is reworded."""
    text = (heading[-1].tail if len(heading) else heading.text) or ""
    found = re.search(r"\s*\{#([\w-]+)\}\s*$", text)
    if not found:
        return
    heading.set("id", found[1])
    if len(heading):
        heading[-1].tail = text[: found.start()]
    else:
        heading.text = text[: found.start()]


def _abbreviate(root: ET.Element, known: dict[str, str]) -> None:
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
