"""What the program adds at the end of a body: the notes and the references."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from newsletter.content import references as reference_list
from newsletter.content.tree import Heading
from newsletter.content.walk import Walk
from newsletter.errors import Finding, Level, Where


class Endings:
    """Adds to the tree that `walk` has walked."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk

    def notes(self, root: ET.Element) -> None:
        if not self.walk.notes:
            return
        section = self._section(root, "footnotes", self.walk.language.gettext("Notes"))
        items = ET.SubElement(section, "ol")
        number = 0
        while number < len(self.walk.notes):  # a note may cite another note
            name = self.walk.notes[number]
            number += 1
            item = ET.SubElement(items, "li", {"id": self.walk.anchor(f"fn-{number}")})
            body = self.walk.defined[name]
            self.walk.walk(body, None)
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
                    "aria-label": self.walk.language.gettext("Back to the text"),
                },
            )
            back.text = "↩"

    def references(self, root: ET.Element) -> None:
        for key in self.walk.references:
            if key not in self.walk.cited:
                where = Where(self.walk.telling.source.path, 1)
                self.walk.telling.add(
                    Finding(
                        "NL221",
                        f"the reference `{key}` is never cited",
                        where,
                        "",
                        f"cite it as [@{key}], or take it out",
                        Level.WARNING,
                    )
                )
        if not self.walk.cited:
            return
        section = self._section(root, "references", self.walk.language.gettext("References"))
        items = ET.SubElement(section, "ol")
        for key in self.walk.cited:
            items.append(reference_list.item(self.walk.references[key], self.walk.language))
            self.walk.ids.add(f"ref-{key}")

    def _section(self, root: ET.Element, name: str, title: str) -> ET.Element:
        section = ET.SubElement(root, "section", {"class": name})
        heading = ET.SubElement(section, "h2", {"id": self.walk.anchor(name)})
        heading.text = title
        self.walk.contents.append(Heading(2, heading.attrib["id"], title))
        return section
