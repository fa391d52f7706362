"""One walk over a parsed tree, in the order in which a reader meets it.

Headings get their anchors, links their canonical targets, pictures their
figures, citations and notes their numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from newsletter.content import serial
from newsletter.content.links import canonical
from newsletter.content.model import Reference
from newsletter.content.telling import Telling
from newsletter.content.tree import Heading, Link, Shown
from newsletter.errors import Level, did_you_mean
from newsletter.language import Language


class Walk:
    """Walks one tree and remembers what it met.

    `defined` are the notes' bodies by name, before they have a number.
    `unread` may hold references that could not be read.
    """

    def __init__(
        self, telling: Telling, references: Sequence[Reference], unread: str, language: Language
    ) -> None:
        self.telling = telling
        self.references = {reference.key: reference for reference in references}
        self.unread = unread
        self.language = language
        self.defined: dict[str, ET.Element] = {}
        self.ids: set[str] = set()
        self.contents: list[Heading] = []
        self.links: list[Link] = []
        self.pictures: list[Shown] = []
        self.cited: dict[str, int] = {}
        """What is cited, in order: each one's number."""
        self.notes: list[str] = []
        self._numbers: dict[str, int] = {}
        self._taken: dict[str, int] = {}

    def walk(self, element: ET.Element, parent: ET.Element | None) -> None:
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
            self.walk(child, element)

    def _heading(self, heading: ET.Element, within: str) -> None:
        if not within and heading.tag == "h1":
            self.telling.at(
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
        heading.set("id", self.anchor(heading.get("id") or slugify(text)))
        if not within and heading.tag in ("h2", "h3"):
            self.contents.append(Heading(int(heading.tag[1]), heading.attrib["id"], text))

    def anchor(self, wished: str) -> str:
        wished = wished or "section"
        chosen, number = wished, self._taken.get(wished, 1)
        while chosen in self.ids:
            number += 1
            chosen = f"{wished}-{number}"
        self._taken[wished] = number
        self.ids.add(chosen)
        return chosen

    def _link(self, link: ET.Element) -> None:
        written = link.get("href", "")
        target = canonical(written, self.telling.source.path, self.language.tag)
        if target is None:
            self.telling.at(
                "NL224",
                f"this link leads nowhere: {written or '(empty)'}",
                [f"({written}", written],
                "not an address we know",
                _address(written),
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
            self.telling.at(
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
            if key not in self.references and self._may_be_a_reference(key):
                continue
            if key not in self.references:
                self.telling.at(
                    "NL220",
                    f"[@{key}] cites a reference that is not there",
                    [f"@{key}"],
                    "not under `references`",
                    did_you_mean(key, self.references)
                    or "add it to `references` in the front matter",
                )
                continue
            if len(mark):
                mark[-1].tail = ", "
            number = str(self.cited.setdefault(key, len(self.cited) + 1))
            link = ET.SubElement(
                mark,
                "a",
                {
                    "href": f"#ref-{key}",
                    "aria-label": self.language.gettext("Reference %(number)s", number=number),
                },
            )
            link.text = number

    def _may_be_a_reference(self, key: str) -> bool:
        """Whether the key stands in the front matter that could not be read whole."""
        return bool(re.search(rf"(?<![\w.:-]){re.escape(key)}(?![\w.-])", self.unread))

    def _note(self, mark: ET.Element) -> None:
        name = mark.attrib.pop("note")
        mark.text = None
        if name not in self.defined:
            self.telling.at(
                "NL220",
                f"[^{name}] names a footnote that is not there",
                [f"[^{name}]"],
                "not defined",
                f"add a line [^{name}]: with its text",
            )
            return
        first = name not in self._numbers
        if first:
            self.notes.append(name)
            self._numbers[name] = len(self.notes)
        number = str(self._numbers[name])
        link = ET.SubElement(
            mark,
            "a",
            {
                "href": f"#fn-{number}",
                "aria-label": self.language.gettext("Footnote %(number)s", number=number),
            },
        )
        if first:
            link.set("id", self.anchor(f"fnref-{number}"))
        link.text = number


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


_FILE = re.compile(r"(?:.*/)?([a-z0-9-]+)(?:\.[A-Za-z-]+)?\.md(#.*)?")


def _address(written: str) -> str:
    """What to write in the place of an address that cannot be one; a letter lies in another folder than articles."""
    file = _FILE.fullmatch(written.strip())
    if file:
        name = f"{file[1]}{file[2] or ''}"
        return f"write article:{name}, or page:{name} for a page; that holds in every folder"
    return "write https://..., a file of content/ such as other-article.en.md, or #heading"
