"""A reference in NLM (Vancouver) style, with links to its DOI and to PubMed.

Source: "Citing Medicine", National Library of Medicine, 2nd edition, chapter 1:
Authors. Title. Journal. Year;details. doi. PMID.
"""

from __future__ import annotations

from urllib.parse import quote
from xml.etree import ElementTree as ET

from newsletter.content.model import Reference
from newsletter.language import Language


def item(reference: Reference, language: Language) -> ET.Element:
    """`li` of one reference; its `id` is what a citation's link points at."""
    element = ET.Element("li", {"id": f"ref-{reference.key}"})
    element.text = " ".join(part for part in _parts(reference, language) if part)
    for label, address in links(reference, language):
        _append(element, " ")
        link = ET.SubElement(element, "a", {"href": address, "rel": "noopener"})
        link.text = label
        link.tail = "."
    return element


def links(reference: Reference, language: Language) -> list[tuple[str, str]]:
    """(label, address) of every place the reference can be looked up."""
    found = []
    if reference.doi:
        found.append(
            (f"doi:{reference.doi}", f"https://doi.org/{quote(reference.doi, safe='/:;()._-')}")
        )
    if reference.pmid:
        found.append(
            (f"PubMed {reference.pmid}", f"https://pubmed.ncbi.nlm.nih.gov/{reference.pmid}/")
        )
    if reference.url:
        found.append((language.gettext("Open the source"), reference.url))
    return found


def _parts(reference: Reference, language: Language) -> list[str]:
    published = ";".join(part for part in (str(reference.year or ""), reference.details) if part)
    return [
        _sentence(reference.authors),
        _sentence(reference.title),
        _sentence(reference.journal),
        _sentence(published),
        _sentence(reference.text),
        _sentence(language.gettext("Read on %(day)s", day=language.date(reference.accessed)))
        if reference.accessed
        else "",
    ]


def _sentence(words: str) -> str:
    return words if not words or words.endswith((".", "?", "!", "”", "…")) else f"{words}."


def _append(element: ET.Element, text: str) -> None:
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
